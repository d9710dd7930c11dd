//! Posts a delivery, and reads what matters of the response.

use bytes::Bytes;
use countersign_client::{Client, Error as ClientError, ResponseBody};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use serde::Deserialize;

use crate::error::Error;

/// Posts to one URL.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    client: Client,
    url: Uri,
}

/// The part of a response that is shown.
#[derive(Debug)]
pub(crate) struct Receipt {
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

impl Endpoint {
    pub(crate) fn new(url: &str, client: Client) -> Result<Self, Error> {
        Ok(Self { client, url: parse_url(url)? })
    }

    /// Posts the body.
    ///
    /// # Errors
    /// Why there is no response, for people to read.
    pub(crate) async fn post(&self, headers: HeaderMap, body: Bytes) -> Result<Receipt, String> {
        let mut request = Request::post(self.url.clone()).body(body).map_err(|error| error.to_string())?;
        *request.headers_mut() = headers;
        let exchange = async { receipt(self.client.send(request).await?).await };
        exchange.await.map_err(|error| match error {
            ClientError::Timeout(after) => format!("no response within {}", humantime::format_duration(after)),
            error => error.to_string(),
        })
    }
}

async fn receipt(response: Response<ResponseBody>) -> Result<Receipt, ClientError> {
    let (head, body) = response.into_parts();
    let body = match body.bytes().await {
        Ok(body) => Some(body),
        Err(error @ ClientError::Timeout(_)) => return Err(error),
        // A response whose body is too long or breaks off is still a response.
        Err(_) => None,
    };
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let kind = header(CONTENT_TYPE.as_str()).and_then(|text| text.split(';').next());
    let is_problem = kind.is_some_and(|kind| kind.trim() == "application/problem+json");
    let outcome = header("countersign-outcome").map(str::to_owned);
    let problem = body.filter(|_| is_problem).and_then(|body| serde_json::from_slice(&body).ok());
    Ok(Receipt { status: head.status, outcome, problem })
}

pub(crate) fn parse_url(text: &str) -> Result<Uri, Error> {
    let url: Uri = text.parse().map_err(|error| Error::Url(format!("`{text}` is not a URL: {error}")))?;
    match (url.scheme_str(), url.host()) {
        (Some("http" | "https"), Some(_)) => Ok(url),
        _ => Err(Error::Url(format!("`{text}` is not a URL such as http://127.0.0.1:8080/gemini"))),
    }
}
