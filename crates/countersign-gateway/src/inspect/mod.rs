//! The inspector: a page on the admin listener that shows requests, deliveries and destinations (`inspect`).
//!
//! The page (`/inspect`) is static and holds nothing confidential. Its script asks for the requests here, and for the rest
//! with the same commands that everybody else has.

mod assets;
mod explain;
mod view;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use countersign::clock::Clock;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::admin_access::{Access, Refusal};
use crate::recent::{Numbered, Recent, Seen};
use explain::{BodyState, Rejected, explain};

/// How many requests one response lists.
const PAGE: usize = 500;
/// How long the search for an explanation may take.
const SEARCH: Duration = Duration::from_secs(2);

const NOT_REJECTED: &str = "only a request whose signature was rejected can be explained\n";
const BUSY: &str = "another request is being explained, which takes up to 2 s: try again\n";

/// Shows the last requests.
pub struct Inspector {
    access: Access,
    recent: Recent,
    clock: Arc<dyn Clock>,
    /// One search at a time, because each takes a core.
    searches: Arc<Semaphore>,
}

impl Inspector {
    /// Shows `recent` to those that have `access`. `clock` limits how long a search takes.
    pub fn new(access: Access, recent: Recent, clock: Arc<dyn Clock>) -> Self {
        Self { access, recent, clock, searches: Arc::new(Semaphore::new(1)) }
    }

    /// The routes of `/inspect` and `/-/requests`.
    pub fn into_router(self) -> Router {
        Router::new()
            .route("/-/requests", get(Self::list))
            .route("/-/requests/{number}", get(Self::show))
            .route("/-/requests/{number}/explanation", get(Self::explain))
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
        Ok(document(&view::whole(&inspector.kept(&number)?)))
    }

    async fn explain(
        State(inspector): State<Arc<Self>>,
        Path(number): Path<String>,
        headers: HeaderMap,
    ) -> Result<Response, Refusal> {
        let scope = inspector.access.query(&headers)?;
        let kept = inspector.kept(&number)?;
        let rejected = rejected(&kept.seen).ok_or(Refusal::new(StatusCode::CONFLICT, NOT_REJECTED))?;
        let gone = Refusal::new(StatusCode::CONFLICT, "the source of this request is not configured any more\n");
        let source = scope.sources.get(&rejected.unverified.source).cloned().ok_or(gone)?;
        let busy = |_| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, BUSY);
        let permit = Arc::clone(&inspector.searches).try_acquire_owned().map_err(busy)?;
        let clock = Arc::clone(&inspector.clock);
        let searched = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let setup = source.setup()?;
            let started = clock.instant();
            let is_over = move || clock.instant().saturating_duration_since(started) >= SEARCH;
            explain(rejected, &setup, is_over).map_err(|error| error.to_string())
        });
        let failed = |why: String| Refusal(StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n").into());
        let explained = searched.await.map_err(|_| failed("the search has failed".into()))?.map_err(failed)?;
        Ok(document(&explained.to_json()))
    }

    fn kept(&self, number: &str) -> Result<Numbered, Refusal> {
        let unknown = || Refusal::new(StatusCode::NOT_FOUND, "this request is not kept any more, or never was\n");
        number.parse().ok().and_then(|number| self.recent.get(number)).ok_or_else(unknown)
    }
}

/// The request as it arrived, if its signature was rejected.
fn rejected(seen: &Seen) -> Option<Rejected> {
    let unverified = seen.unverified.clone()?;
    let body = match (&unverified.body, seen.verification_time) {
        (Some(_), _) => BodyState::Kept,
        (None, Some(_)) => BodyState::NotKept,
        (None, None) => BodyState::NotRead,
    };
    Some(Rejected { unverified, arrived: seen.at.saturating_sub(seen.latency), body })
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
