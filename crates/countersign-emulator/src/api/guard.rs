//! Before and after every request: browsers are kept out, and errors get their form.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue};

use super::error::ApiError;
use super::handler::Reply;
use crate::shared::Shared;

/// Rejects requests of foreign web pages, runs the others, and renders errors.
pub(super) async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let is_of_interactions = is_of_interactions(request.uri().path());
    let mut response = match reject_foreign_pages(request.headers(), &shared) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    // The request may have made a delivery due.
    shared.news.notify_one();
    if let Some(error) = response.extensions_mut().remove::<Arc<ApiError>>() {
        let body = if is_of_interactions { error.body_of_interactions() } else { error.body() };
        let rendered = (response.status(), Reply::Json(body)).into_response();
        let (head, body) = rendered.into_parts();
        response.headers_mut().extend(head.headers);
        *response.body_mut() = body;
    }
    response
}

/// Errors of interactions have a form of their own.
fn is_of_interactions(path: &str) -> bool {
    matches!(path.split('/').collect::<Vec<_>>().as_slice(), ["", "v1" | "v1beta", "interactions", ..])
}

/// A web page in a browser must not be able to have the emulator post anything anywhere, neither from its
/// own origin nor under a host name that it has made resolve to this machine (DNS rebinding).
fn reject_foreign_pages(headers: &HeaderMap, shared: &Shared) -> Result<(), ApiError> {
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let host = headers.get(HOST).map(text).unwrap_or_default();
    let known = host.parse().is_ok_and(|host: Authority| is_address_or_localhost(host.host()));
    // The inspector may have been opened under another name of this machine, such as localhost.
    let is_own = |origin: &str| origin == shared.base_url || known && origin.strip_prefix("http://") == Some(&host);
    if headers.get(ORIGIN).is_some_and(|origin| !is_own(&text(origin))) {
        return Err(ApiError::forbidden("the emulator accepts no requests from pages of other origins"));
    }
    // Browsers send GET requests of pages without an `Origin`, but with this header.
    if headers.get("sec-fetch-site").is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")) {
        return Err(ApiError::forbidden("the emulator accepts no requests from pages of other sites"));
    }
    if known || shared.any_host {
        Ok(())
    } else {
        Err(ApiError::forbidden(format!(
            "the host `{host}` is unknown: call the emulator by its address, or localhost"
        )))
    }
}

/// An IP address cannot be made to point elsewhere, as a name can.
fn is_address_or_localhost(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}
