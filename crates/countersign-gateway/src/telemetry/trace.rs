//! The spans of one request: that of the request itself, and that of its exchange with a backend.

use std::sync::Arc;
use std::time::Duration;

use countersign_inbox::Headers;
use http::{HeaderMap, HeaderName, HeaderValue};
use rustix::time::{ClockId, clock_gettime};

use super::context::{Parent, SpanId, TRACEPARENT, TRACESTATE, TraceId, new_span_id, new_trace_id, traceparent};
use super::export::Queue;
use super::span::{Kind, Span, Value};
use crate::config::Share;
use crate::log::Sampler;

/// Decides which requests are traced. Clones decide together.
#[derive(Clone, Debug)]
pub struct Tracer {
    queue: Queue,
    sampler: Sampler,
}

impl Tracer {
    pub(super) fn new(queue: Queue, sample: Share) -> Self {
        Self { queue, sampler: Sampler::new(sample) }
    }

    /// Starts the trace of a request with these headers, if it is traced: a valid `traceparent` decides that, and without
    /// one the configured share.
    pub fn begin(&self, headers: &HeaderMap) -> Option<Trace> {
        let parent = Parent::of(headers.get_all(TRACEPARENT).iter().map(HeaderValue::as_bytes));
        if !parent.map_or_else(|| self.sampler.chooses(), |parent| parent.is_sampled) {
            return None;
        }
        Some(Trace(Arc::new(Request {
            queue: self.queue.clone(),
            id: parent.map_or_else(new_trace_id, |parent| parent.trace),
            parent: parent.map(|parent| parent.span),
            span: new_span_id(),
            start: unix_nanos(),
        })))
    }

    /// The trace that a stored message with these headers belongs to, if it is traced.
    pub fn resume(&self, headers: &Headers) -> Option<Trace> {
        let Parent { trace, span, .. } = Parent::of(headers.get_all(TRACEPARENT)).filter(|parent| parent.is_sampled)?;
        let queue = self.queue.clone();
        Some(Trace(Arc::new(Request { queue, id: trace, parent: Some(span), span, start: unix_nanos() })))
    }
}

/// The trace of one request. Clones are of the same request.
#[derive(Clone, Debug)]
pub struct Trace(Arc<Request>);

#[derive(Debug)]
struct Request {
    queue: Queue,
    id: TraceId,
    /// The span of the client, if it sent one.
    parent: Option<SpanId>,
    span: SpanId,
    start: u64,
}

impl Trace {
    /// Ends the span of the request, which took this long.
    pub fn finish(&self, name: &str, latency: Duration, is_error: bool, attributes: Vec<(&'static str, Value)>) {
        let Request { queue, id, parent, span, start } = &*self.0;
        queue.put(Span {
            trace: *id,
            id: *span,
            parent: *parent,
            kind: Kind::Server,
            name: name.to_owned(),
            start: *start,
            end: later(*start, latency),
            is_error,
            attributes,
        });
    }

    /// The `traceparent` of what belongs to the span of the request.
    pub fn traceparent(&self) -> (HeaderName, String) {
        (TRACEPARENT, traceparent(self.0.id, self.0.span))
    }

    /// Whether this header of the client is not passed on. A `tracestate` belongs to the trace of the client, so it is
    /// removed from a new trace.
    pub fn replaces(&self, name: &str) -> bool {
        TRACEPARENT == *name || self.0.parent.is_none() && TRACESTATE == *name
    }

    /// Starts the span of an exchange with a backend.
    pub fn hop(&self) -> Hop {
        let span = new_span_id();
        Hop { traceparent: traceparent(self.0.id, span), trace: self.clone(), span, start: unix_nanos() }
    }
}

/// The exchange of a traced request with a backend.
#[derive(Debug)]
pub struct Hop {
    trace: Trace,
    span: SpanId,
    start: u64,
    traceparent: String,
}

impl Hop {
    /// Whether the backend does not get this header of the client.
    pub fn replaces(&self, name: &str) -> bool {
        self.trace.replaces(name)
    }

    /// The header that the backend gets.
    pub fn header(&self) -> (HeaderName, &[u8]) {
        (TRACEPARENT, self.traceparent.as_bytes())
    }

    /// Ends the span of the exchange, which took this long.
    pub fn finish(&self, latency: Duration, is_error: bool, attributes: Vec<(&'static str, Value)>) {
        let Request { queue, id, span, .. } = &*self.trace.0;
        queue.put(Span {
            trace: *id,
            id: self.span,
            parent: Some(*span),
            kind: Kind::Client,
            name: "forward".to_owned(),
            start: self.start,
            end: later(self.start, latency),
            is_error,
            attributes,
        });
    }
}

/// The time in nanoseconds since 1970.
fn unix_nanos() -> u64 {
    let time = clock_gettime(ClockId::Realtime);
    let (secs, nanos) =
        (u64::try_from(time.tv_sec).unwrap_or_default(), u64::try_from(time.tv_nsec).unwrap_or_default());
    secs.saturating_mul(1_000_000_000).saturating_add(nanos)
}

fn later(start: u64, duration: Duration) -> u64 {
    start.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}
