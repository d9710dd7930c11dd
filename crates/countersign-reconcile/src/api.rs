//! Requests to the Gemini API.

use std::time::Duration;

use bytes::Bytes;
use countersign::clock::{Clock as _, SystemClock};
use countersign_client::{Client, ClientBuilder, Error as ClientError};
use countersign_inbox::retry_after;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::base_url::BaseUrl;
use crate::job::{Job, JobName};
use crate::json::text;
use crate::pace::pause;
use crate::webhook::Webhook;

/// How many items a page has at most.
const PAGE: &str = "100";
/// The most pages of webhooks: a project has fewer.
const MAX_PAGES: usize = 20;
/// The largest response. A batch may contain its results.
const MAX_RESPONSE: usize = 64 << 20;
/// How much of an error message is kept, in characters.
const MAX_MESSAGE: usize = 300;

/// The Gemini API of one project. A clone is cheap and shares its connections.
///
/// Requests that fail with 429 or 5xx, or without a response, are repeated up to three times. `Retry-After` is honoured
/// up to a minute. Redirects are not followed, so the key is sent to no other host.
#[derive(Clone, Debug)]
pub struct Api {
    client: Client,
    base: BaseUrl,
    key: HeaderValue,
}

/// The API did not give what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// There is no response.
    #[error("{0}")]
    Client(ClientError),
    /// The API key is wrong, or may not do this.
    #[error("the API rejects the key ({0}): check the key, and that it is one of this project")]
    Key(u16, String),
    /// Another status than 2xx.
    #[error("the API responds with {0}: {1}")]
    Status(u16, String),
    /// The response is not what the API is known to send.
    #[error("the API responds with a document that has no `{0}`: is the base URL right?")]
    Unreadable(&'static str),
}

impl Api {
    /// The API at `base`, with this API key, which is never shown. Its requests are sent as `client` says; its limit for
    /// responses is replaced.
    pub fn new(client: ClientBuilder, base: BaseUrl, mut key: HeaderValue) -> Self {
        key.set_sensitive(true);
        Self { client: client.max_body(MAX_RESPONSE).max_idle_connections(1).build(), base, key }
    }

    /// A page of batches, newest first, and the token of the next page.
    pub(crate) async fn batches(&self, token: Option<&str>) -> Result<(Vec<Job>, Option<String>), ApiError> {
        let page = self.get(&format!("batches?{}", page(["pageSize", "pageToken"], token))).await?;
        let next = text(&page, &["nextPageToken", "next_page_token"]).map(str::to_owned);
        let listed = match page.get("operations").or_else(|| page.get("batches")) {
            Some(Value::Array(batches)) => batches.as_slice(),
            // An empty list is left out.
            None if page.is_object() => &[],
            _ => return Err(ApiError::Unreadable("operations")),
        };
        Ok((listed.iter().filter_map(Job::batch).collect(), next))
    }

    /// The job with this name. `None` if the project has no such job.
    pub async fn job(&self, name: &JobName) -> Result<Option<Job>, ApiError> {
        let resource = match self.get(&name.path()).await {
            Err(ApiError::Status(404, _)) => return Ok(None),
            resource => resource?,
        };
        let (job, missing) = match name.family() {
            "batch" => (Job::batch(&resource), "name"),
            "video" => (Job::video(&resource), "name"),
            _ => (Job::interaction(&resource), "status"),
        };
        // An answer about another job is no answer.
        job.filter(|job| job.name.id() == name.id()).map(Some).ok_or(ApiError::Unreadable(missing))
    }

    /// The webhooks of the project.
    pub async fn webhooks(&self) -> Result<Vec<Webhook>, ApiError> {
        let (mut webhooks, mut token) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let page = self.get(&format!("webhooks?{}", page(["page_size", "page_token"], token.as_deref()))).await?;
            let listed = page.get("webhooks").and_then(Value::as_array);
            webhooks.extend(listed.into_iter().flatten().filter_map(Webhook::read));
            token = text(&page, &["next_page_token", "nextPageToken"]).map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        Ok(webhooks)
    }

    /// Enables a webhook.
    pub async fn enable(&self, webhook: &Webhook) -> Result<(), ApiError> {
        let path = format!("webhooks/{}?update_mask=state", webhook.id);
        let body = Bytes::from(json!({ "state": "enabled" }).to_string());
        self.send(&Method::PATCH, &path, &body).await.map(drop)
    }

    async fn get(&self, path: &str) -> Result<Value, ApiError> {
        let body = self.send(&Method::GET, path, &Bytes::new()).await?;
        serde_json::from_slice(&body).map_err(|_| ApiError::Unreadable("JSON"))
    }

    async fn send(&self, method: &Method, path: &str, body: &Bytes) -> Result<Bytes, ApiError> {
        let mut attempt = 1;
        loop {
            let (error, status, after) = match self.attempt(method, path, body).await {
                Ok((status, _, body)) if status.is_success() => return Ok(body),
                Ok((status, after, body)) => (problem(status, &body), Some(status), after),
                Err(error @ (ClientError::Url | ClientError::Tls(_) | ClientError::TooLarge(_))) => {
                    return Err(ApiError::Client(error));
                }
                Err(error) => (ApiError::Client(error), None, None),
            };
            let Some(pause) = pause(attempt, status, after) else { return Err(error) };
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        method: &Method,
        path: &str,
        body: &Bytes,
    ) -> Result<(StatusCode, Option<Duration>, Bytes), ClientError> {
        let mut request = Request::builder().method(method).uri(format!("{}/v1beta/{path}", self.base));
        request = request.header("x-goog-api-key", self.key.clone());
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(body.clone()).map_err(|_| ClientError::Url)?;
        let (head, body) = self.client.send(request).await?.into_parts();
        Ok((head.status, retry_after(&head.headers, SystemClock.now()), body.bytes().await?))
    }
}

/// The query for a page.
fn page([size, after]: [&str; 2], token: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair(size, PAGE);
    if let Some(token) = token {
        query.append_pair(after, token);
    }
    query.finish()
}

fn problem(status: StatusCode, body: &[u8]) -> ApiError {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = document.get("error").and_then(|error| text(error, &["message"]));
    let shown = |text: &str| text.chars().filter(|one| !one.is_control()).take(MAX_MESSAGE).collect::<String>();
    let message = message.map_or_else(|| "without a message".to_owned(), shown);
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ApiError::Key(status.as_u16(), message),
        status => ApiError::Status(status.as_u16(), message),
    }
}
