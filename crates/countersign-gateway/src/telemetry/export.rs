//! The queue of finished spans, and the task that sends them.

use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign::clock::{Clock, SystemClock};
use countersign_client::Client;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Telemetry;
use super::otlp;
use super::span::Span;

/// How many spans wait for the collector at most.
const MAX_QUEUED: usize = 4096;
/// How many spans a request carries at most.
const MAX_BATCH: usize = 512;
/// How long a span waits for others at most.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long the collector may take for a request.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The least time between two lines about a collector that does not accept spans.
const BETWEEN_LINES: Duration = Duration::from_mins(1);

pub(super) fn channel(telemetry: Telemetry, dropped: &Counter) -> (Queue, Exporter) {
    let (sender, spans) = mpsc::channel(MAX_QUEUED);
    let client = Client::builder().ca(telemetry.ca.clone()).proxy(telemetry.proxy.clone());
    let client = client.connect_timeout(TIMEOUT).timeout(TIMEOUT).max_idle_connections(1).build();
    let exporter = Exporter { spans, telemetry, client, dropped: dropped.clone(), last_line: None };
    (Queue { sender, dropped: dropped.clone() }, exporter)
}

/// The start of the queue. Spans that do not fit are dropped.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    sender: mpsc::Sender<Span>,
    dropped: Counter,
}

impl Queue {
    pub(super) fn put(&self, span: Span) {
        if self.sender.try_send(span).is_err() {
            self.dropped.inc();
        }
    }
}

/// Sends spans to the collector.
#[derive(Debug)]
pub struct Exporter {
    spans: mpsc::Receiver<Span>,
    telemetry: Telemetry,
    client: Client,
    dropped: Counter,
    /// When a line about dropped spans was logged last.
    last_line: Option<Instant>,
}

impl Exporter {
    /// Sends spans until `stop` is cancelled, and then those that are left.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let batch = self.next_batch(&stop).await;
            if batch.is_empty() {
                return;
            }
            if let Err(error) = self.send(&batch).await {
                self.dropped.inc_by(batch.len() as u64);
                self.report(&error);
            }
        }
    }

    /// The next spans. None follow an empty batch.
    async fn next_batch(&mut self, stop: &CancellationToken) -> Vec<Span> {
        let (mut batch, mut due) = (Vec::new(), pin!(sleep(INTERVAL)));
        while batch.len() < MAX_BATCH {
            let (room, is_due, is_open) = (MAX_BATCH - batch.len(), !batch.is_empty(), !self.spans.is_closed());
            tokio::select! {
                received = self.spans.recv_many(&mut batch, room) => if received == 0 { break },
                () = &mut due, if is_due => break,
                () = stop.cancelled(), if is_open => self.spans.close(),
            }
        }
        batch
    }

    async fn send(&self, batch: &[Span]) -> Result<(), String> {
        let Telemetry { url, headers, service_name, .. } = &self.telemetry;
        let mut request = Request::new(Bytes::from(otlp::encode(service_name, batch)));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = url.clone();
        *request.headers_mut() = headers.clone();
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let response = self.client.send(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        // The connection is used again only if the whole body was read.
        let _ = response.into_body().bytes().await;
        if status.is_success() { Ok(()) } else { Err(format!("the collector responded with status {status}")) }
    }

    fn report(&mut self, error: &str) {
        let now = SystemClock.instant();
        if self.last_line.is_none_or(|last| now.saturating_duration_since(last) >= BETWEEN_LINES) {
            self.last_line = Some(now);
            let (collector, dropped) = (&self.telemetry.url, self.dropped.get());
            tracing::warn!(%collector, error, dropped, "traces cannot be sent: spans are dropped");
        }
    }
}
