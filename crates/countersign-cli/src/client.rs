//! The HTTP client: one POST, a time limit, no redirects, a bounded answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use tokio::runtime::{Builder, Runtime};

use crate::error::Error;

/// No more of an answer's body is read.
const ANSWER_LIMIT: usize = 64 << 10;

/// Posts to one URL.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    inner: HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    timeout: Duration,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The header `countersign-outcome`.
    pub(crate) outcome: Option<String>,
    /// The body, if it is a problem document.
    pub(crate) problem: Option<Problem>,
}

/// The part of a problem document (RFC 9457) that is shown.
#[derive(Debug, Deserialize)]
pub(crate) struct Problem {
    pub(crate) code: Option<String>,
    pub(crate) detail: Option<String>,
}

impl Client {
    pub(crate) fn new(url: &str, timeout: Duration) -> Result<Self, Error> {
        let url = parse_url(url)?;
        Ok(Self { inner: HyperClient::builder(TokioExecutor::new()).build(connector()), url, timeout })
    }

    /// Posts the body; the error says why there is no answer.
    pub(crate) async fn post(&self, headers: HeaderMap, body: Bytes) -> Result<Answer, String> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = headers;
        match tokio::time::timeout(self.timeout, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {}", humantime::format_duration(self.timeout))),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let response = self.inner.request(request).await.map_err(|error| innermost(&error))?;
        let (head, body) = response.into_parts();
        let is_problem = head.headers.get(CONTENT_TYPE).is_some_and(|value| {
            value
                .to_str()
                .is_ok_and(|text| text.split(';').next().is_some_and(|kind| kind.trim() == "application/problem+json"))
        });
        // An answer that is too long or breaks off is still an answer.
        let body = Limited::new(body, ANSWER_LIMIT).collect().await.ok().map(http_body_util::Collected::to_bytes);
        let problem = body.filter(|_| is_problem).and_then(|body| serde_json::from_slice(&body).ok());
        let outcome = head.headers.get("countersign-outcome").and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Answer { status: head.status, outcome, problem })
    }
}

/// TLS by the authorities of Mozilla's programme, as compiled in.
fn connector() -> HttpsConnector<HttpConnector> {
    let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    // Named here: chosen by features, it would depend on what else is linked.
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    #[expect(clippy::expect_used, reason = "the provider's own suites are of these versions")]
    let tls = tls.with_safe_default_protocol_versions().expect("aws-lc-rs has TLS 1.2 and 1.3");
    let tls = tls.with_root_certificates(roots).with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp)
}

/// What a client runs on.
pub(crate) fn runtime() -> Result<Runtime, Error> {
    Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)
}

fn parse_url(text: &str) -> Result<Uri, Error> {
    let url: Uri = text.parse().map_err(|error| Error::Url(format!("`{text}` is not a URL: {error}")))?;
    match (url.scheme_str(), url.host()) {
        (Some("http" | "https"), Some(_)) => Ok(url),
        _ => Err(Error::Url(format!("`{text}` is not a URL such as http://127.0.0.1:8080/gemini"))),
    }
}

/// The outer layers say no more than that something failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
