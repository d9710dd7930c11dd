//! Stands between an SDK and the emulator, changes nothing, and notes what is asked and answered.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;

/// A request of the API, and the status of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) status: u16,
}

/// The relay; its address is what the SDK takes for the emulator's.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

#[derive(Clone)]
struct Shared {
    emulator: String,
    client: Client<HttpConnector, Body>,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Relay {
    /// To be called in a runtime, which it ends with.
    pub(crate) async fn start(emulator: &str) -> Self {
        let exchanges = Arc::default();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let shared = Shared { emulator: emulator.to_owned(), client, exchanges: Arc::clone(&exchanges) };
        let app = Router::new().fallback(relay).with_state(shared);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves to its end") });
        Self { address, exchanges }
    }

    /// All exchanges under this version of the API, in their order.
    pub(crate) fn exchanges(&self, version: &str) -> Vec<Exchange> {
        let exchanges = self.exchanges.lock().expect("no thread has panicked");
        exchanges.iter().filter(|one| one.target.starts_with(&format!("/{version}/"))).cloned().collect()
    }
}

async fn relay(State(shared): State<Shared>, mut request: Request) -> Response {
    let method = request.method().to_string();
    let target = request.uri().path_and_query().expect("a request has a path").to_string();
    *request.uri_mut() = format!("{}{target}", shared.emulator).parse().expect("a base URL and a path");
    let response = shared.client.request(request).await.expect("the emulator answers");
    let exchange = Exchange { method, target, status: response.status().as_u16() };
    shared.exchanges.lock().expect("no thread has panicked").push(exchange);
    response.map(Body::new)
}
