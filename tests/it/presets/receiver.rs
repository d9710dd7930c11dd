//! A receiver that keeps what it is sent, by path, and a client.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use countersign_test::wait::until;
use http::{HeaderMap, Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

type All = Arc<Mutex<Vec<(String, Received)>>>;

/// Responds with 200 to everything.
pub(crate) struct Receiver {
    pub(crate) base_url: String,
    all: All,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let all = All::default();
        let app = Router::new().fallback(keep).with_state(Arc::clone(&all));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base_url = format!("http://{}", listener.local_addr().expect("a bound listener"));
        tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves to its end") });
        Self { base_url, all }
    }

    /// Waits for a request to this path, and takes it.
    pub(crate) async fn next(&self, path: &str) -> Received {
        let mut found = None;
        until(&format!("a request to {path}"), async || {
            let mut all = self.all.lock().expect("no thread has panicked");
            let at = all.iter().position(|(to, _)| to == path);
            found = at.map(|at| all.remove(at).1);
            found.is_some()
        })
        .await;
        found.expect("it has come")
    }
}

async fn keep(State(all): State<All>, uri: Uri, headers: HeaderMap, body: Bytes) {
    let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), value.to_str().expect("ASCII").to_owned())
    };
    let headers = headers.iter().map(text).collect();
    let body = String::from_utf8(body.to_vec()).expect("text");
    all.lock().expect("no thread has panicked").push((uri.path().to_owned(), Received { headers, body }));
}

/// Posts, and returns the status.
pub(crate) async fn post(url: &str, body: &[u8]) -> u16 {
    send(Request::post(url).body(Body::from(body.to_vec())).expect("a request")).await
}

pub(crate) async fn send(request: Request<Body>) -> u16 {
    let client = Client::builder(TokioExecutor::new()).build_http();
    client.request(request).await.expect("a response").status().as_u16()
}
