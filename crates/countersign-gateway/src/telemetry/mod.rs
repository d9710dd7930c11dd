//! Traces of requests, sent to an OpenTelemetry collector: OTLP over HTTP, as protobuf. Nothing of this runs unless
//! `[telemetry]` is configured.
//!
//! A [`Tracer`] starts a [`Trace`] for each traced request. Its spans go through a bounded queue to the [`Exporter`]. A
//! collector that does not respond costs spans, which are counted, and never delays a request.

mod context;
mod export;
mod otlp;
mod span;
mod trace;

use countersign_client::{CaBundle, Proxy};
use http::{HeaderMap, Uri};
use prometheus_client::metrics::counter::Counter;

use crate::config::Share;
pub use export::Exporter;
pub use span::Value;
pub use trace::{Hop, Trace, Tracer};

/// Where traces are sent, and which requests are traced.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// The URL for traces.
    pub url: Uri,
    /// The headers for the collector.
    pub headers: HeaderMap,
    /// The name of this service.
    pub service_name: String,
    /// Of the requests without a `traceparent`, this share is traced.
    pub sample: Share,
    /// The authorities that issue the certificate of the collector.
    pub ca: CaBundle,
    /// The proxy to the collector, if there is one.
    pub proxy: Option<Proxy>,
}

impl Telemetry {
    /// The start and the end of the queue of spans. Spans that are not sent are counted in `dropped`.
    pub fn start(self, dropped: &Counter) -> (Tracer, Exporter) {
        let sample = self.sample;
        let (queue, exporter) = export::channel(self, dropped);
        (Tracer::new(queue, sample), exporter)
    }
}
