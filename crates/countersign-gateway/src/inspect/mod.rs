//! The inspector: a page on the admin listener that shows requests, deliveries and destinations (`inspect`).
//!
//! The page (`/inspect`) is static and holds nothing confidential. Its script asks for the requests here, and for the rest
//! with the same commands that everybody else has.

mod assets;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::admin_access::{Access, Refusal};
use crate::recent::Recent;

/// How many requests one response lists.
const PAGE: usize = 500;

/// Shows the last requests.
pub struct Inspector {
    access: Access,
    recent: Recent,
}

impl Inspector {
    /// Shows `recent` to those that have `access`.
    pub fn new(access: Access, recent: Recent) -> Self {
        Self { access, recent }
    }

    /// The routes of `/inspect` and `/-/requests`.
    pub fn into_router(self) -> Router {
        Router::new()
            .route("/-/requests", get(Self::list))
            .route("/-/requests/{number}", get(Self::show))
            .with_state(Arc::new(self))
            .merge(assets::router())
    }

    #[expect(clippy::unused_async, reason = "axum calls async functions")]
    async fn list(
        State(inspector): State<Arc<Self>>,
        RawQuery(query): RawQuery,
        headers: HeaderMap,
    ) -> Result<Response, Refusal> {
        inspector.access.query(&headers)?;
        let after = after(query.as_deref().unwrap_or_default())?;
        let found = inspector.recent.after(after, PAGE);
        let last = found.last().map_or(after, |one| one.number);
        let requests: Vec<_> = found.iter().map(view::request).collect();
        Ok(document(&json!({ "requests": requests, "last": last, "more": found.len() == PAGE })))
    }

    #[expect(clippy::unused_async, reason = "axum calls async functions")]
    async fn show(
        State(inspector): State<Arc<Self>>,
        Path(number): Path<String>,
        headers: HeaderMap,
    ) -> Result<Response, Refusal> {
        inspector.access.query(&headers)?;
        let unknown = || Refusal::new(StatusCode::NOT_FOUND, "this request is not kept any more, or never was\n");
        let seen = number.parse().ok().and_then(|number| inspector.recent.get(number)).ok_or_else(unknown)?;
        Ok(document(&view::whole(&seen)))
    }
}

/// The number in `after=NUMBER`; 0 without it.
fn after(query: &str) -> Result<u64, Refusal> {
    let mut after = 0;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let invalid = || Refusal::new(StatusCode::BAD_REQUEST, "write the number of a request: `after=NUMBER`\n");
        after = (name == "after").then(|| value.parse().ok()).flatten().ok_or_else(invalid)?;
    }
    Ok(after)
}

fn document(value: &Value) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (headers, format!("{value}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_after_with_a_number_is_understood() {
        assert_eq!((after("").ok(), after("after=7").ok()), (Some(0), Some(7)));
        for query in ["after=", "after=-1", "after=x", "since=7", "after=7&limit=1"] {
            assert_eq!(after(query).expect_err(query).0, StatusCode::BAD_REQUEST, "{query}");
        }
    }
}
