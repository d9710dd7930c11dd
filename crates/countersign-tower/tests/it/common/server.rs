use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use bytes::Bytes;
use countersign::Verifier;
use countersign::replay::ReplayStore;
use countersign_tower::{Rejection, Report, VerifyLayer};
use http::{Extensions, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tower::util::MapResponseLayer;
use tower::{Layer, Service, ServiceExt};

use super::Handler;
use super::reports::{Reports, reporting};

/// The server around the layer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stack {
    Hyper,
    Axum,
}

impl Stack {
    pub(crate) const ALL: [Self; 2] = [Self::Hyper, Self::Axum];
}

/// A server on its own port, until it is dropped.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    observed: Arc<Mutex<Vec<Extensions>>>,
    reports: Reports,
    task: JoinHandle<()>,
}

impl Server {
    /// The report of each request, and the rejection that an outer layer found in the response.
    pub(crate) fn reports(&self) -> Vec<(Report, Option<Rejection>)> {
        let observed = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
        let reports = self.reports.all();
        assert_eq!(reports.len(), observed.len(), "each request is reported once");
        reports.into_iter().zip(observed.iter().map(|extensions| extensions.get().copied())).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts a server with this layer around this handler, and an observer around both.
pub(crate) async fn start<St>(stack: Stack, layer: &VerifyLayer<Verifier, St>, handler: &Handler) -> Server
where
    St: ReplayStore + Clone,
    St::Claiming: 'static,
    St::Confirming: 'static,
{
    let observed = Arc::<Mutex<Vec<Extensions>>>::default();
    let (layer, reports) = reporting(layer.clone());
    let (addr, task) = match stack {
        Stack::Hyper => serve_hyper(observer(&observed).layer(layer.layer(handler.clone()))).await,
        Stack::Axum => {
            let app = router(handler).layer(layer).layer(observer(&observed));
            serve_axum(app).await
        }
    };
    Server { addr, observed, reports, task }
}

/// An application with one route to the handler.
pub(crate) fn router(handler: &Handler) -> Router {
    let infallible = |_| -> Infallible { panic!("services in axum do not fail") };
    Router::new().route_service("/hook", ServiceExt::<axum::extract::Request>::map_err(handler.clone(), infallible))
}

fn observer<B>(
    observed: &Arc<Mutex<Vec<Extensions>>>,
) -> MapResponseLayer<impl Fn(Response<B>) -> Response<B> + Clone + use<B>> {
    let observed = Arc::clone(observed);
    MapResponseLayer::new(move |response: Response<B>| {
        observed.lock().unwrap_or_else(PoisonError::into_inner).push(response.extensions().clone());
        response
    })
}

/// Serves HTTP/1.1 with hyper only.
pub(crate) async fn serve_hyper<S, B>(service: S) -> (SocketAddr, JoinHandle<()>)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (listener, addr) = listen().await;
    let task = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            // The end of a connection does not matter. The tests check the responses.
            connections
                .spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (addr, task)
}

/// Serves a router as an application does.
pub(crate) async fn serve_axum(app: Router) -> (SocketAddr, JoinHandle<()>) {
    let (listener, addr) = listen().await;
    let task = tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves until it is aborted") });
    (addr, task)
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("a bound listener");
    (listener, addr)
}
