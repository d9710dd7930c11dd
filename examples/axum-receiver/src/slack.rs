//! Notifies Slack, through an incoming webhook.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Request, Uri, header};
use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::aws_lc_rs;
use serde_json::json;
use tokio::time::timeout;

use crate::task::Task;

/// How long to wait for a response from Slack.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An incoming webhook of Slack. Its URL is a secret and is never logged: anyone who knows it can post.
pub(crate) struct Slack {
    url: Uri,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Slack {
    /// Reads `SLACK_WEBHOOK_URL`. Returns `None` if it is not set.
    pub(crate) fn from_env() -> Result<Option<Self>, String> {
        let Ok(text) = std::env::var("SLACK_WEBHOOK_URL") else { return Ok(None) };
        let url: Uri = text.parse().map_err(|_| "SLACK_WEBHOOK_URL is not a valid URL")?;
        if !matches!(url.scheme_str(), Some("https" | "http")) {
            return Err("SLACK_WEBHOOK_URL is not of the form `https://hooks.slack.com/services/…`".into());
        }
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(Arc::new(aws_lc_rs::default_provider()))
            .map_err(|error| error.to_string())?;
        let client = Client::builder(TokioExecutor::new()).build(tls.https_or_http().enable_http1().build());
        Ok(Some(Self { url, client }))
    }

    /// Posts a message.
    pub(crate) async fn post(&self, text: &str) -> Result<(), String> {
        let mut request = Request::new(Full::from(json!({ "text": text }).to_string()));
        *request.method_mut() = axum::http::Method::POST;
        request.uri_mut().clone_from(&self.url);
        request.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        let posting = timeout(TIMEOUT, self.client.request(request)).await;
        let response = posting.map_err(|_| "no response in time")?.map_err(|error| error.to_string())?;
        if response.status().is_success() { Ok(()) } else { Err(format!("Slack returned {}", response.status())) }
    }
}

/// The text of the notification for an event.
pub(crate) fn message(task: &Task) -> String {
    let mut text = task.event_type.clone();
    for (before, part) in [(" ", &task.subject), (": ", &task.problem), (", results: ", &task.results)] {
        if let Some(part) = part {
            // Writing to a String never fails.
            let _ = write!(text, "{before}{part}");
        }
    }
    // Escape Slack markup, for example a mention of everyone in a file name.
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
