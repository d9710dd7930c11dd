//! What all tests of the emulator share: an emulator on a free port, a caller of its API, and a receiver that
//! remembers what it was sent and answers as it was told to.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use countersign::{Reason, Secret, UnixTime, Verified, Verifier};
use countersign_emulator::{Config, Emulator};
use http::header::{HOST, HeaderName};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

pub(crate) use countersign_test::wait::{soon, until};

/// A configuration for a free port, with a seed.
pub(crate) fn config() -> Config {
    Config { listen: SocketAddr::from(([127, 0, 0, 1], 0)), seed: Some(7), ..Config::default() }
}

/// An emulator, and its API as the project `test` sees it.
pub(crate) struct Api {
    pub(crate) emulator: Emulator,
    pub(crate) address: SocketAddr,
}

impl Api {
    pub(crate) async fn start(config: Config) -> Self {
        let emulator = Emulator::start(config, None).await.expect("the emulator runs");
        let address = emulator.base_url().trim_start_matches("http://").parse().expect("an address");
        Self { emulator, address }
    }

    /// Calls, and gives the status and the answer.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.call_with(method, path, body, &[("x-goog-api-key", "test")]).await
    }

    pub(crate) async fn call_with(
        &self,
        method: &str,
        path: &str,
        body: impl Into<Bytes>,
        headers: &[(&str, &str)],
    ) -> (u16, Value) {
        let response = self.response(method, path, body, headers).await;
        (response.status().as_u16(), serde_json::from_slice(response.body()).expect("JSON"))
    }

    /// Calls, and gives the answer as it is.
    pub(crate) async fn response(
        &self,
        method: &str,
        path: &str,
        body: impl Into<Bytes>,
        headers: &[(&str, &str)],
    ) -> Response<Bytes> {
        let mut request = Request::new(Full::new(body.into()));
        *request.method_mut() = method.parse().expect("a method");
        *request.uri_mut() = path.parse().expect("a path");
        request.headers_mut().insert(HOST, self.address.to_string().parse().expect("a value"));
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a name");
            request.headers_mut().insert(name, value.parse().expect("a value"));
        }
        let exchange = async {
            let stream = TcpStream::connect(self.address).await.expect("it listens");
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a handshake");
            tokio::spawn(connection);
            let response = sender.send_request(request).await.expect("an answer");
            let (head, body) = response.into_parts();
            Response::from_parts(head, body.collect().await.expect("a whole answer").to_bytes())
        };
        soon(exchange).await
    }

    /// Calls, and expects success.
    pub(crate) async fn ok(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(method, path, &body).await;
        assert_eq!(status, 200, "{method} {path} {body}: {answer}");
        answer
    }

    /// Registers a webhook for these events, and gives its id and its secret.
    pub(crate) async fn register(&self, uri: &str, events: &[&str]) -> (String, String) {
        let webhook = serde_json::json!({ "uri": uri, "subscribed_events": events });
        let webhook = self.ok("POST", "/v1/webhooks", webhook).await;
        (text(&webhook["id"]), text(&webhook["new_signing_secret"]))
    }

    /// Lets something happen by hand.
    pub(crate) async fn emit(&self, event: Value) -> Value {
        self.ok("POST", "/_emulator/events:emit", event).await
    }

    /// Waits until so many deliveries have ended so.
    pub(crate) async fn ended(&self, ending: &str, count: u64) {
        until(&format!("{count} deliveries are {ending}"), async || {
            self.ok("GET", "/_emulator", Value::Null).await["ended"][ending].as_u64() == Some(count)
        })
        .await;
    }

    /// Moves the emulated time forward.
    pub(crate) async fn advance(&self, by: &str) {
        self.ok("POST", "/_emulator/clock:advance", serde_json::json!({ "by": by })).await;
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text is expected, not {value}")).to_owned()
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// What a verifier says to it, at the time that it was signed for or at another.
    pub(crate) fn verdict(&self, verifier: &Verifier, now: UnixTime) -> Result<Verified, Reason> {
        let attempt = verifier.begin(&self.headers, now).map_err(|rejection| rejection.reason())?;
        attempt.finish(self.body.clone()).map_err(|rejection| rejection.reason())
    }
}

/// A verifier with these secrets.
pub(crate) fn verifier(secrets: &[&str]) -> Verifier {
    let secrets = secrets.iter().map(|secret| Secret::parse(secret).expect("a secret"));
    Verifier::builder("test").secrets(secrets).build().expect("a verifier")
}

/// What a receiver says: a status, and headers.
pub(crate) type Said = (u16, Vec<(&'static str, String)>);

/// Remembers what it is sent, and asks a script what to answer.
pub(crate) struct Receiver {
    pub(crate) uri: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    serving: JoinHandle<()>,
}

impl Receiver {
    /// Answers 200.
    pub(crate) async fn start() -> Self {
        Self::scripted(|_| (200, Vec::new())).await
    }

    pub(crate) async fn scripted(script: impl FnMut(&Seen) -> Said + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let uri = format!("http://{}/hook", listener.local_addr().expect("a bound listener"));
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let state = Arc::new((Mutex::new(script), Arc::clone(&seen)));
        let serving = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&state);
                open.spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        let state = Arc::clone(&state);
                        async move {
                            let (head, body) = request.into_parts();
                            let body = body.collect().await.expect("a whole body").to_bytes();
                            let seen = Seen { headers: head.headers, body };
                            let (script, all) = &*state;
                            let (status, headers) = {
                                let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
                                script(&seen)
                            };
                            all.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
                            let mut response = Response::new(Full::new(Bytes::from_static(b"noted")));
                            *response.status_mut() = status.try_into().expect("a status");
                            for (name, value) in headers {
                                response.headers_mut().insert(name, value.parse().expect("a value"));
                            }
                            Ok::<_, Infallible>(response)
                        }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { uri, seen, serving }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has been sent so many requests, and gives them all.
    pub(crate) async fn has_seen(&self, count: usize) -> Vec<Seen> {
        until(&format!("{count} requests have come"), async || self.seen().len() >= count).await;
        self.seen()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
