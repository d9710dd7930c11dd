//! From an HTTP request to a call, and from its result to a response.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Path, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::call::Call;
use super::error::ApiError;
use super::query::Query;
use crate::project::ProjectId;
use crate::shared::Shared;

/// The maximum size of a request body, in bytes.
const BODY_LIMIT: usize = 4 << 20;
/// The maximum size of a piece of an upload, in bytes. The SDKs send 8 MiB.
const PIECE_LIMIT: usize = 16 << 20;
/// How long a request body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// The maximum length of an API key, in bytes.
const MAX_API_KEY: usize = 256;

/// A request, read within its limits.
pub(super) struct Input {
    method: Method,
    pub(super) headers: HeaderMap,
    pub(super) query: Query,
    pub(super) body: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for Input {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (head, body) = request.into_parts();
        let limit = if head.uri.path().starts_with("/upload/") { PIECE_LIMIT } else { BODY_LIMIT };
        let body = match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, limit).collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(ApiError::too_large(limit)),
            Ok(Err(error)) => return Err(ApiError::invalid("", format!("the body is incomplete: {error}"))),
            Err(_) => return Err(ApiError::invalid("", "the body did not arrive in time")),
        };
        let query = Query::parse(head.uri.query().unwrap_or_default());
        Ok(Self { method: head.method, headers: head.headers, query, body })
    }
}

/// The parameters in the path of a route, percent-decoded.
pub(super) struct Params<P>(P);

impl<S: Send + Sync, P: DeserializeOwned + Send> FromRequestParts<S> for Params<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(params)| Self(params)).map_err(|rejection| ApiError::invalid("", rejection.body_text()))
    }
}

/// The body of a response.
pub(super) enum Reply {
    /// JSON that ends with a newline, for people who look at it in a terminal.
    Json(Value),
    /// The content of a file.
    Content { content_type: &'static str, content: Bytes },
    /// It is at this address.
    Redirect(String),
    /// The progress of an upload.
    Upload { headers: Vec<(&'static str, String)>, body: Value },
}

impl From<Value> for Reply {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=UTF-8");
        match self {
            Self::Json(value) => ([(CONTENT_TYPE, JSON)], format!("{value}\n")).into_response(),
            Self::Content { content_type, content } => {
                ([(CONTENT_TYPE, HeaderValue::from_static(content_type))], content).into_response()
            }
            Self::Upload { headers, body } => {
                let mut response = Self::Json(body).into_response();
                let headers = headers
                    .into_iter()
                    .filter_map(|(name, value)| Some((HeaderName::from_static(name), value.parse().ok()?)));
                response.headers_mut().extend(headers);
                response
            }
            Self::Redirect(address) => (StatusCode::FOUND, [(LOCATION, address)]).into_response(),
        }
    }
}

/// A handler that runs `act` on what the API and the sending task share.
pub(super) fn shared<P, R, F>(act: F) -> impl Fn(State<Arc<Shared>>, Params<P>, Input) -> Outcome + Clone
where
    F: Fn(&Shared, Input, P) -> Result<R, ApiError> + Clone,
    R: Into<Reply>,
{
    move |State(shared), Params(params), input| ready(act(&shared, input, params).map(Into::into))
}

/// A handler that runs `act` on the world.
pub(super) fn world<P, R, F>(act: F) -> impl Fn(State<Arc<Shared>>, Params<P>, Input) -> Outcome + Clone
where
    F: Fn(&mut Call<'_>, P) -> Result<R, ApiError> + Clone,
    R: Into<Reply>,
{
    shared(move |shared, input, params| {
        let (mut world, now) = shared.world();
        act(&mut Call { world: &mut world, now, query: input.query, body: &input.body }, params)
    })
}

/// A handler that runs `act` on the world, for the project of the request's API key.
pub(super) fn project<P, R, F>(act: F) -> impl Fn(State<Arc<Shared>>, Params<P>, Input) -> Outcome + Clone
where
    F: Fn(&mut Call<'_>, ProjectId, P) -> Result<R, ApiError> + Clone,
    R: Into<Reply>,
{
    shared(move |shared, Input { method, headers, query, body }, params| {
        let key = api_key(&headers, &query)?;
        let (mut world, now) = shared.world();
        // A request that only reads leaves no project behind.
        let project = match method {
            Method::POST => world.projects.of_key(&key),
            _ => Some(world.projects.known(&key)),
        };
        let project = project.ok_or_else(|| ApiError::exhausted("there are too many projects: use fewer API keys"))?;
        act(&mut Call { world: &mut world, now, query, body: &body }, project, params)
    })
}

/// What a handler returns: all of them run without waiting for anything.
type Outcome = Ready<Result<Reply, ApiError>>;

/// Any key that is not empty is accepted: each has a project of its own.
pub(super) fn api_key(headers: &HeaderMap, query: &Query) -> Result<String, ApiError> {
    let header = headers.get("x-goog-api-key").and_then(|value| value.to_str().ok().map(str::to_owned));
    let key = header.or_else(|| query.get("key").map(str::to_owned)).filter(|key| !key.trim().is_empty());
    let key = key.ok_or_else(|| {
        ApiError::forbidden("there is no API key: send any text as `x-goog-api-key`, each is a project of its own")
    })?;
    if key.len() > MAX_API_KEY {
        return Err(ApiError::forbidden(format!("the API key has more than {MAX_API_KEY} bytes")));
    }
    Ok(key)
}
