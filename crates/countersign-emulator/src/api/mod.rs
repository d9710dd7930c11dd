//! The API: `WebhookService` and jobs as the SDKs call them, the key set, and `/_emulator`.

mod batches;
mod control;
mod error;
mod fields;
mod interactions;
mod page;
mod query;
mod videos;
mod webhooks;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign::UnixTime;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::Value;

use crate::emulator::Shared;
use crate::project::ProjectId;
use crate::world::World;
use error::ApiError;
use fields::Fields;
use page::Page;
use query::Query;

/// Where the keys of dynamic webhooks are published.
pub(crate) const JWKS_PATH: &str = "/.well-known/jwks.json";
/// For how long a receiver may keep the key set, in seconds.
const JWKS_MAX_AGE: &str = "public, max-age=300";
/// The most bytes that a request's body may have.
const BODY_LIMIT: usize = 4 << 20;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// One request, read.
struct Call<'a> {
    world: &'a mut World,
    now: UnixTime,
    query: Query,
    body: &'a [u8],
}

impl Call<'_> {
    fn fields(&self) -> Result<Fields, ApiError> {
        Fields::parse(self.body)
    }

    /// Refuses what would lead to more deliveries than may be open.
    fn room_for(&self, deliveries: usize, bytes: usize) -> Result<(), ApiError> {
        if self.world.outbox.has_room(deliveries, bytes) { Ok(()) } else { Err(no_room()) }
    }
}

/// Answers one request.
pub(crate) async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let answered = match refuse_strangers(&head.headers, &shared) {
        Err(error) => Err(error),
        Ok(()) => read(body)
            .await
            .and_then(|body| route(&shared, &head.method, head.uri.path(), head.uri.query(), &head.headers, &body)),
    };
    // What was asked for may be due at once.
    shared.news.notify_one();
    let (status, value) = match &answered {
        Ok(value) => (StatusCode::OK, value),
        Err(error) if is_of_interactions(head.uri.path()) => (error.status(), &error.body_of_interactions()),
        Err(error) => (error.status(), &error.body()),
    };
    // With a newline, for who looks at it in a terminal.
    let mut response = Response::new(Full::from(format!("{value}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    if head.uri.path() == JWKS_PATH {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(JWKS_MAX_AGE));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, POST, PATCH, DELETE"));
    }
    Ok(response)
}

async fn read(body: Incoming) -> Result<Bytes, ApiError> {
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_LIMIT).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::too_large(BODY_LIMIT)),
        Ok(Err(error)) => Err(ApiError::invalid("", format!("the body broke off: {error}"))),
        Err(_) => Err(ApiError::invalid("", "the body did not arrive in time")),
    }
}

/// Interactions have errors of a form of their own.
fn is_of_interactions(path: &str) -> bool {
    matches!(path.split('/').collect::<Vec<_>>().as_slice(), ["", "v1" | "v1beta", "interactions", ..])
}

/// A page in a browser must not use the emulator to post anything anywhere: neither as itself, nor
/// under a name that it has made point here.
fn refuse_strangers(headers: &HeaderMap, shared: &Shared) -> Result<(), ApiError> {
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    if headers.get(ORIGIN).is_some_and(|origin| text(origin) != shared.base_url) {
        return Err(ApiError::forbidden("the emulator takes no requests from pages of other origins"));
    }
    // Pages get without an `Origin`, and browsers say so.
    if headers.get("sec-fetch-site").is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")) {
        return Err(ApiError::forbidden("the emulator takes no requests from pages of other sites"));
    }
    let host = headers.get(HOST).map(text).unwrap_or_default();
    let known = host.parse().is_ok_and(|host: Authority| is_address_or_localhost(host.host()));
    if known || shared.goes_by_any_name {
        Ok(())
    } else {
        Err(ApiError::forbidden(format!("the emulator is not called `{host}`: use its address, or localhost")))
    }
}

/// An address cannot be made to point elsewhere, as a name can.
fn is_address_or_localhost(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

fn route(
    shared: &Shared,
    method: &Method,
    path: &str,
    query: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Value, ApiError> {
    let query = Query::parse(query.unwrap_or_default());
    if path == JWKS_PATH {
        return match *method {
            Method::GET => Ok(shared.world().0.keys.document()),
            _ => Err(ApiError::method_not_allowed()),
        };
    }
    let segments: Vec<_> = path.trim_start_matches('/').split('/').collect();
    match segments.as_slice() {
        ["_emulator", rest @ ..] => control::route(shared, method, rest, query, body),
        ["v1" | "v1beta", rest @ ..] => {
            let mut query = query;
            let key = api_key(headers, &mut query)?;
            let (mut world, now) = shared.world();
            // Whoever only looks leaves nothing behind.
            let project = match *method {
                Method::POST => world.projects.of_key(&key),
                _ => Some(world.projects.known(&key)),
            };
            let project =
                project.ok_or_else(|| ApiError::exhausted("there are too many projects: use fewer API keys"))?;
            resource(&mut Call { world: &mut world, now, query, body }, method, project, rest)
        }
        _ => Err(ApiError::not_found(format!(
            "there is nothing at {path}: the API is under /v1 and /v1beta, and what is the emulator's own under /_emulator"
        ))),
    }
}

/// Any key that is not empty will do: each has a project of its own.
fn api_key(headers: &HeaderMap, query: &mut Query) -> Result<String, ApiError> {
    let header = headers.get("x-goog-api-key").and_then(|value| value.to_str().ok().map(str::to_owned));
    let key = header.or_else(|| query.take("key")).filter(|key| !key.trim().is_empty());
    let key = key.ok_or_else(|| {
        ApiError::forbidden("there is no API key: send any text as `x-goog-api-key`, each is a project of its own")
    })?;
    if key.len() > 256 { Err(ApiError::forbidden("an API key has at most 256 bytes")) } else { Ok(key) }
}

fn resource(call: &mut Call<'_>, method: &Method, project: ProjectId, path: &[&str]) -> Result<Value, ApiError> {
    const GET: &Method = &Method::GET;
    const POST: &Method = &Method::POST;
    const PATCH: &Method = &Method::PATCH;
    const DELETE: &Method = &Method::DELETE;
    match (method, path) {
        (POST, ["webhooks"]) => webhooks::create(call, project),
        (GET, ["webhooks"]) => webhooks::list(call, project),
        (POST, ["webhooks", id, "rotate_secret"]) => webhooks::rotate(call, project, id),
        (POST, ["webhooks", id_and_verb]) => match id_and_verb.split_once(':') {
            Some((id, "ping")) => webhooks::ping(call, project, id),
            Some((id, "rotateSigningSecret")) => webhooks::rotate(call, project, id),
            Some((_, verb)) => Err(no_verb(verb)),
            None => Err(ApiError::method_not_allowed()),
        },
        (GET, ["webhooks", id]) => webhooks::get(call, project, id),
        (PATCH, ["webhooks", id]) => webhooks::update(call, project, id),
        (DELETE, ["webhooks", id]) => webhooks::delete(call, project, id),
        (_, ["webhooks", "webhooks", _]) => Err(webhooks::full_name()),

        (POST, ["interactions"]) => interactions::create(call, project),
        (POST, ["interactions", id, "cancel"]) => interactions::cancel(call, project, id),
        (GET, ["interactions", id]) => interactions::get(call, project, id),
        (DELETE, ["interactions", id]) => interactions::delete(call, project, id),

        (POST, ["models", model_and_verb]) => match model_and_verb.split_once(':') {
            Some((model, "batchGenerateContent")) => batches::create(call, project, model),
            Some((model, "predictLongRunning")) => videos::create(call, project, model),
            Some((_, verb)) => Err(no_verb(verb)),
            None => Err(ApiError::method_not_allowed()),
        },
        (GET, ["models", model, "operations", id]) => videos::get(call, project, model, id),

        (GET, ["batches"]) => batches::list(call, project),
        (GET, ["batches", id]) => batches::get(call, project, id),
        (POST, ["batches", id_and_verb]) => match id_and_verb.split_once(':') {
            Some((id, "cancel")) => batches::cancel(call, project, id),
            Some((_, verb)) => Err(no_verb(verb)),
            None => Err(ApiError::method_not_allowed()),
        },
        (DELETE, ["batches", id]) => batches::delete(call, project, id),

        (_, ["webhooks" | "interactions" | "models" | "batches", ..]) => Err(ApiError::method_not_allowed()),
        _ => Err(ApiError::not_found("the emulator has webhooks, interactions, batches and videos, and nothing else")),
    }
}

fn no_verb(verb: &str) -> ApiError {
    ApiError::not_found(format!("there is no `:{verb}` here"))
}

/// The longest name of a model or an agent, in bytes.
const MAX_MODEL: usize = 256;

/// A name that is kept with a job, and in what it is called.
fn bounded<'m>(field: &str, model: &'m str) -> Result<&'m str, ApiError> {
    if model.is_empty() || model.len() > MAX_MODEL {
        return Err(ApiError::invalid(field, format!("a name has 1 to {MAX_MODEL} bytes")));
    }
    Ok(model)
}

/// What is said where a job, or what would come of it, has no room.
fn no_room() -> ApiError {
    ApiError::exhausted("too many jobs or deliveries are open: wait until some have ended")
}
