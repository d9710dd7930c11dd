//! The commands for the inbox, under `/-/inbox/`: list and show deliveries, deliver them again, and discard them;
//! pause and resume destinations.

mod query;
mod view;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use countersign::clock::{Clock, ClockReading};
use countersign_inbox::worker::SharedInbox;
use countersign_inbox::{self as contract, Delivery, DeliveryId, Filter, Inbox, Pending};
pub(crate) use query::filter;
pub(crate) use view::time;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::admin_access::{Access, Refusal, Scope};
use crate::inbox::overview;

/// The maximum time of an operation of the inbox.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How many deliveries are changed at once. The store's queue has room for more, which the gateway needs too.
const AT_ONCE: usize = 100;

/// Carries out commands for the inbox.
pub struct InboxApi {
    access: Access,
    clock: Arc<dyn Clock>,
    /// Whether bodies are shown.
    bodies: bool,
}

impl InboxApi {
    /// Commands from those that have `access`, with or without the bodies of messages.
    pub fn new(access: Access, clock: Arc<dyn Clock>, bodies: bool) -> Self {
        Self { access, clock, bodies }
    }

    /// The routes of `/-/inbox/deliveries`, `/-/inbox/redeliver`, `/-/inbox/discard` and `/-/inbox/destinations`.
    pub fn into_router(self) -> Router {
        Router::new()
            .route("/-/inbox/deliveries", get(Self::list))
            .route("/-/inbox/deliveries/{number}", get(Self::show).delete(Self::discard))
            .route("/-/inbox/deliveries/{number}/redeliver", post(Self::redeliver))
            .route("/-/inbox/redeliver", post(Self::redeliver_all))
            .route("/-/inbox/discard", post(Self::discard_all))
            .route("/-/inbox/destinations", get(Self::destinations))
            .route("/-/inbox/destinations/{name}/pause", post(Self::pause))
            .route("/-/inbox/destinations/{name}/resume", post(Self::resume))
            .with_state(Arc::new(self))
    }

    async fn list(
        State(api): State<Arc<Self>>,
        RawQuery(query): RawQuery,
        headers: HeaderMap,
    ) -> Result<Response, Refusal> {
        let scope = api.access.query(&headers)?;
        let inbox = inbox(&scope)?;
        let page = page(&inbox, filter(query.as_deref().unwrap_or_default())?).await?;
        let deliveries: Vec<_> = page.deliveries.iter().map(view::delivery).collect();
        Ok(document(&json!({ "deliveries": deliveries, "next": page.next })))
    }

    async fn show(
        State(api): State<Arc<Self>>,
        Path(number): Path<String>,
        headers: HeaderMap,
    ) -> Result<Response, Refusal> {
        let scope = api.access.query(&headers)?;
        let inbox = inbox(&scope)?;
        let delivery = find(&inbox, query::number(&number)?).await?;
        let message = completed(inbox.message(delivery.id)).await?.ok_or_else(unknown)?;
        Ok(document(&view::whole(&delivery, &message, api.bodies)))
    }

    async fn redeliver(
        State(api): State<Arc<Self>>,
        Path(number): Path<String>,
        headers: HeaderMap,
    ) -> Result<Response, Refusal> {
        let scope = api.access.command(&headers)?;
        let inbox = inbox(&scope)?;
        let delivery = find(&inbox, query::number(&number)?).await?;
        if !completed(inbox.requeue(delivery.id, api.clock.read())).await? {
            return Err(busy());
        }
        log(&delivery, "delivers a message again, as asked");
        Ok(document(&json!({ "redelivered": 1 })))
    }

    async fn redeliver_all(
        State(api): State<Arc<Self>>,
        RawQuery(query): RawQuery,
        headers: HeaderMap,
    ) -> Result<Response, Refusal> {
        let (inbox, filter, now) = api.selection(query.as_deref(), &headers)?;
        let (redelivered, next) = each(&inbox, filter, |id| inbox.requeue(id, now)).await?;
        tracing::info!(count = redelivered, "delivers messages again, as asked");
        Ok(document(&json!({ "redelivered": redelivered, "next": next })))
    }

    async fn discard_all(
        State(api): State<Arc<Self>>,
        RawQuery(query): RawQuery,
        headers: HeaderMap,
    ) -> Result<Response, Refusal> {
        let (inbox, filter, now) = api.selection(query.as_deref(), &headers)?;
        let (discarded, next) = each(&inbox, filter, |id| inbox.discard(id, now)).await?;
        tracing::warn!(count = discarded, "discarded deliveries, as asked");
        Ok(document(&json!({ "discarded": discarded, "next": next })))
    }

    async fn discard(
        State(api): State<Arc<Self>>,
        Path(number): Path<String>,
        headers: HeaderMap,
    ) -> Result<Response, Refusal> {
        let scope = api.access.command(&headers)?;
        let inbox = inbox(&scope)?;
        let delivery = find(&inbox, query::number(&number)?).await?;
        if !completed(inbox.discard(delivery.id, api.clock.read())).await? {
            return Err(busy());
        }
        log(&delivery, "discarded a delivery, as asked");
        Ok(document(&json!({ "discarded": 1 })))
    }

    async fn destinations(State(api): State<Arc<Self>>, headers: HeaderMap) -> Result<Response, Refusal> {
        let scope = api.access.query(&headers)?;
        let found = overview(&inbox(&scope)?, &scope.destinations).await.map_err(|_| unavailable())?;
        let destinations: Vec<_> = found.iter().map(view::destination).collect();
        Ok(document(&json!({ "destinations": destinations })))
    }

    async fn pause(
        State(api): State<Arc<Self>>,
        Path(name): Path<String>,
        headers: HeaderMap,
    ) -> Result<Response, Refusal> {
        api.set_paused(&name, true, &headers).await
    }

    async fn resume(
        State(api): State<Arc<Self>>,
        Path(name): Path<String>,
        headers: HeaderMap,
    ) -> Result<Response, Refusal> {
        api.set_paused(&name, false, &headers).await
    }

    /// What a command for many deliveries selects: dead letters, unless the query says otherwise.
    fn selection(
        &self,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<(SharedInbox, Filter, ClockReading), Refusal> {
        let scope = self.access.command(headers)?;
        let inbox = inbox(&scope)?;
        let filter = query::many(query.unwrap_or_default(), contract::State::Dead)?;
        Ok((inbox, filter, self.clock.read()))
    }

    async fn set_paused(&self, name: &str, is_paused: bool, headers: &HeaderMap) -> Result<Response, Refusal> {
        let scope = self.access.command(headers)?;
        let inbox = inbox(&scope)?;
        let found = overview(&inbox, &scope.destinations).await.map_err(|_| unavailable())?;
        if !found.iter().any(|found| found.backlog.destination == name) {
            let why = "there is no destination with this name: percent-encode it as one path segment\n";
            return Err(Refusal::new(StatusCode::NOT_FOUND, why));
        }
        if completed(inbox.pause(name, is_paused)).await? {
            let what = if is_paused { "paused" } else { "resumed" };
            tracing::warn!(destination = name, "{what} a destination, as asked");
        }
        Ok(document(&json!({ "name": name, "paused": is_paused })))
    }
}

/// Deliveries, and the number with which the next page begins, if there may be one.
struct Page {
    deliveries: Vec<Delivery>,
    next: Option<u64>,
}

async fn page(inbox: &dyn Inbox, filter: Filter) -> Result<Page, Refusal> {
    let limit = filter.limit;
    let deliveries = completed(inbox.list(filter)).await?;
    let next = deliveries.last().filter(|_| deliveries.len() >= limit).map(|last| last.id.number());
    Ok(Page { deliveries, next })
}

/// Carries out a command for each delivery of a page. Returns how many were changed, and where the next page begins.
async fn each(
    inbox: &dyn Inbox,
    filter: Filter,
    command: impl Fn(DeliveryId) -> Pending<bool>,
) -> Result<(usize, Option<u64>), Refusal> {
    let page = page(inbox, filter).await?;
    let mut changed = 0;
    for deliveries in page.deliveries.chunks(AT_ONCE) {
        // Those that are requested together share a transaction.
        let pending: Vec<_> = deliveries.iter().map(|delivery| command(delivery.id)).collect();
        for pending in pending {
            changed += usize::from(completed(pending).await?);
        }
    }
    Ok((changed, page.next))
}

async fn find(inbox: &dyn Inbox, id: DeliveryId) -> Result<Delivery, Refusal> {
    let older_than = Some(DeliveryId::new(id.number().saturating_add(1)));
    let newest = completed(inbox.list(Filter { older_than, limit: 1, ..Filter::default() })).await?;
    newest.into_iter().find(|delivery| delivery.id == id).ok_or_else(unknown)
}

/// The result of an operation of the inbox.
async fn completed<T>(pending: Pending<T>) -> Result<T, Refusal> {
    match tokio::time::timeout(TIMEOUT, pending).await {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(_)) | Err(_) => Err(unavailable()),
    }
}

fn unavailable() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the store is unavailable: try again\n")
}

pub(crate) fn inbox(scope: &Scope) -> Result<SharedInbox, Refusal> {
    let why = "there is no inbox: it needs [store] with `engine = \"sqlite\"`\n";
    scope.inbox.clone().ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, why))
}

fn unknown() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "there is no delivery with this number\n")
}

fn busy() -> Refusal {
    Refusal::new(StatusCode::CONFLICT, "the delivery is being attempted: try again when the attempt has ended\n")
}

fn log(delivery: &Delivery, what: &str) {
    let (number, source, destination) = (delivery.id.number(), delivery.key.source(), &*delivery.destination);
    tracing::info!(number, source, message_id = delivery.key.message_id().as_str(), destination, "{what}");
}

pub(crate) fn document(value: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], format!("{value}\n")).into_response()
}
