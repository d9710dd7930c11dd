//! The HTTP client, and what it makes of an answer.

use std::time::Duration;

use bytes::Bytes;
use countersign_emulator::{Response, Sender};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode, Uri};
use serde::Deserialize;
use tokio::runtime::{Builder, Runtime};

use crate::error::Error;

/// How many connections are kept between attempts.
const IDLE_CONNECTIONS: usize = 16;

/// Posts to one URL.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    sender: Sender,
    url: Uri,
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
        Ok(Self { url: parse_url(url)?, sender: Sender::new(timeout, IDLE_CONNECTIONS) })
    }

    /// Posts the body; the error says why there is no answer.
    pub(crate) async fn post(&self, headers: HeaderMap, body: Bytes) -> Result<Answer, String> {
        self.sender.post(self.url.clone(), headers, body).await.map(Answer::from)
    }
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        let header = |name: &str| response.headers.get(name).and_then(|value| value.to_str().ok());
        let kind = header(CONTENT_TYPE.as_str()).and_then(|text| text.split(';').next());
        let is_problem = kind.is_some_and(|kind| kind.trim() == "application/problem+json");
        let outcome = header("countersign-outcome").map(str::to_owned);
        let problem = response.body.filter(|_| is_problem).and_then(|body| serde_json::from_slice(&body).ok());
        Self { status: response.status, outcome, problem }
    }
}

/// What a client runs on.
pub(crate) fn runtime() -> Result<Runtime, Error> {
    Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)
}

pub(crate) fn parse_url(text: &str) -> Result<Uri, Error> {
    let url: Uri = text.parse().map_err(|error| Error::Url(format!("`{text}` is not a URL: {error}")))?;
    match (url.scheme_str(), url.host()) {
        (Some("http" | "https"), Some(_)) => Ok(url),
        _ => Err(Error::Url(format!("`{text}` is not a URL such as http://127.0.0.1:8080/gemini"))),
    }
}
