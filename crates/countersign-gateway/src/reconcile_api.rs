//! The commands that `countersign reconcile` sends: the events that the inbox has received, and the hand-over of a job.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use countersign_inbox::DeliveryId;
use countersign_reconcile::{JobName, SeenEvent, page};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::admin_access::{Access, Refusal};
use crate::inbox_api::{document, filter, inbox, time};
use crate::reconcile::{HandOverError, HandedOver};

/// The routes of `GET /-/inbox/events` and `POST /-/reconcile/hand-over`, for those that have `access`.
pub fn router(access: Access) -> Router {
    Router::new()
        .route("/-/inbox/events", get(events))
        .route("/-/reconcile/hand-over", post(hand_over))
        .with_state(Arc::new(access))
}

/// The types and jobs of events, without anything else of their bodies.
async fn events(
    State(access): State<Arc<Access>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let scope = access.query(&headers)?;
    let inbox = inbox(&scope)?;
    let (events, next) = page(&inbox, filter(query.as_deref().unwrap_or_default())?)
        .await
        .map_err(|_| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the store is unavailable: try again\n"))?;
    let shown =
        |event: &SeenEvent| json!({ "type": event.event_type, "id": event.id, "received": time(event.received) });
    let events: Vec<_> = events.iter().map(shown).collect();
    Ok(document(&json!({ "events": events, "next": next.map(DeliveryId::number) })))
}

/// The client names a job. What is delivered comes from the API alone.
async fn hand_over(
    State(access): State<Arc<Access>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let scope = access.command(&headers)?;
    let query = query.unwrap_or_default();
    let named = |wanted: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    let reconciler = match (named("route"), scope.reconcilers.len()) {
        (Some(route), _) => scope.reconcilers.get(&route),
        (None, 1) => scope.reconcilers.values().next(),
        (None, _) => None,
    };
    let none = "there is no such route with `[routes.reconcile]`: configure it, and name the route with `route=`\n";
    let reconciler = reconciler.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, none))?;
    let job = named("job").unwrap_or_default().parse::<JobName>();
    let job = job.map_err(|error| Refusal(StatusCode::BAD_REQUEST, format!("`job`: {error}\n").into()))?;
    let (handed_over, id) = reconciler.hand_over(&job).await.map_err(|error| {
        let status = match error {
            HandOverError::Unknown => StatusCode::NOT_FOUND,
            HandOverError::NoEvent | HandOverError::Unmatched => StatusCode::CONFLICT,
            HandOverError::Api(_) => StatusCode::BAD_GATEWAY,
            HandOverError::Inbox(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Refusal(status, format!("{error}\n").into())
    })?;
    tracing::info!(job = job.as_str(), message_id = id, "hands a job over, as asked");
    Ok(document(&json!({ "message_id": id, "stored": handed_over == HandedOver::Stored })))
}
