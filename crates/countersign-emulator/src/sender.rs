//! The HTTP client of the sending side: one POST, a time limit, no redirects, a bounded answer.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

/// No more of an answer's body is read.
const ANSWER_LIMIT: usize = 64 << 10;
/// How long a connection is kept that nothing is sent on. Servers close theirs after some seconds, and
/// what was just sent on one of these is lost.
const IDLE: Duration = Duration::from_secs(4);

/// Posts deliveries, over connections that it keeps.
///
/// TLS trusts the authorities of Mozilla's programme, as compiled in.
#[derive(Clone, Debug)]
pub struct Sender {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
}

/// What came back.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, if it came to its end within 64 KiB.
    pub body: Option<Bytes>,
}

impl Sender {
    /// A sender that waits for an answer for so long, and keeps as many idle connections to a host.
    pub fn new(timeout: Duration, idle_connections: usize) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(idle_connections)
            .build(connector());
        Self { client, timeout }
    }

    /// Posts a body; the error says, for people, why there is no answer.
    pub async fn post(&self, uri: Uri, headers: HeaderMap, body: Bytes) -> Result<Response, String> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        match tokio::time::timeout(self.timeout, self.exchange(request)).await {
            Ok(response) => response,
            Err(_) => Err(format!("no answer within {}", humantime::format_duration(self.timeout))),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Response, String> {
        let response = self.client.request(request).await.map_err(|error| innermost(&error))?;
        let (head, body) = response.into_parts();
        // An answer that is too long or breaks off is still an answer.
        let body = Limited::new(body, ANSWER_LIMIT).collect().await.ok().map(http_body_util::Collected::to_bytes);
        Ok(Response { status: head.status, headers: head.headers, body })
    }
}

fn connector() -> HttpsConnector<HttpConnector> {
    let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    // Named here: chosen by features, it would depend on what else is linked.
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    #[expect(clippy::expect_used, reason = "the provider's own suites are of these versions")]
    let tls = tls.with_safe_default_protocol_versions().expect("aws-lc-rs has TLS 1.2 and 1.3");
    let tls = tls.with_root_certificates(roots).with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp)
}

/// The outer layers say no more than that something failed.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
