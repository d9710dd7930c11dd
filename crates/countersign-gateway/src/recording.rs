//! Records what the layer of a route reports of a request.

use std::sync::Arc;

use countersign::clock::Clock;
use countersign_tower::Report;
use http::request;

use crate::client_limit::{ClientLimit, LimitedClient};
use crate::connection::Connection;
use crate::ledger::{Entry, RouteLedger};
use crate::state::source::Source;
use crate::telemetry::Trace;

/// Where the requests of a route are recorded. Requests share it, because cloning its parts for each would cost more than
/// recording it.
pub(crate) struct Recording {
    pub(crate) ledger: RouteLedger,
    pub(crate) source: Arc<Source>,
    pub(crate) client_limit: Option<Arc<ClientLimit>>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Recording {
    /// Records the end of the request with this head.
    pub(crate) fn of(self: &Arc<Self>, head: &request::Parts) -> impl FnOnce(&Report) + Send + Sync + use<> {
        let recording = Arc::clone(self);
        let connection = head.extensions.get::<Connection>().cloned();
        let client = head.extensions.get::<LimitedClient>().copied();
        let trace = head.extensions.get::<Trace>().cloned();
        let headers = self.ledger.keeps_requests().then(|| head.headers.clone());
        move |report| {
            let Self { ledger, source, client_limit, clock } = &*recording;
            if let (Some(limit), Some(client), Some(_), Some(status)) =
                (client_limit, client, report.rejection(), report.status())
            {
                limit.note(client, status, clock.instant());
            }
            source.fullness.note(report.outcome());
            let entry = Entry::reported(report, connection.as_ref().map(Connection::peer));
            ledger.record(&entry.with_headers(headers.as_ref(), report).traced(trace.as_ref()));
        }
    }
}
