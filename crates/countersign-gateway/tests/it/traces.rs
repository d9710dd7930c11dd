//! Traces reach a collector over OTLP, and the backend gets the matching `traceparent`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use http::StatusCode;
use prost::Message;

use crate::common::{
    Answer, Authority, Backend, ConnectProxy, Gateway, OTHER_SECRET, Running, SOURCE, Seen, Wire, delivery,
    free_address, in_front_of, route, until,
};

const DROPPED: &str = "countersign_spans_dropped_total";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// An OTLP collector.
struct Collector(Backend);

impl Collector {
    async fn start() -> Self {
        Self(Backend::start().await)
    }

    /// Sends traces here, with more keys.
    fn table(&self, more: &str) -> String {
        format!("[telemetry]\notlp = \"http://{}\"\n{more}\n", self.0.address())
    }

    fn spans(&self) -> Vec<Span> {
        self.0.seen().iter().flat_map(decode).collect()
    }

    /// Waits for this many spans.
    async fn has_spans(&self, count: usize) -> Vec<Span> {
        until("the spans arrive", async || self.spans().len() >= count).await;
        let spans = self.spans();
        assert_eq!(spans.len(), count, "{spans:#?}");
        spans
    }
}

fn decode(request: &Seen) -> Vec<Span> {
    assert_eq!(request.request_line, "POST /v1/traces HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
    let export = Export::decode(request.body.clone()).expect("an export request");
    export.resources.into_iter().flat_map(|resource| resource.scopes).flat_map(|scope| scope.spans).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The spans of the request and of its exchange with the backend.
fn request_and_forward(spans: &[Span]) -> (&Span, &Span) {
    let of_kind = |kind| spans.iter().find(|span| span.kind == kind).expect("a span of this kind");
    (of_kind(2), of_kind(3))
}

#[tokio::test]
async fn a_new_trace_has_a_span_for_the_request_and_one_for_the_backend() {
    let (backend, collector) = (Backend::start().await, Collector::start().await);
    let gateway = Gateway::start(&[&collector.table(""), SOURCE, &route(&backend, "")].concat()).await;
    let sent = delivery("msg_1", "{}").set("traceparent", "00-invalid").set("tracestate", "vendor=1");
    assert_eq!(gateway.send(&sent, Wire::Http1Length).await.status, StatusCode::OK);
    let seen = backend.has_seen(1).await;
    let spans = collector.has_spans(2).await;
    let (request, forward) = request_and_forward(&spans);
    assert_eq!((request.trace.len(), request.id.len(), request.parent.len()), (16, 8, 0));
    assert_eq!((&forward.trace, &forward.parent), (&request.trace, &request.id));
    let expected = format!("00-{}-{}-01", hex(&forward.trace), hex(&forward.id));
    assert_eq!(seen.header("traceparent"), Some(expected.as_str()));
    assert_eq!(seen.header("tracestate"), None, "it belongs to another trace");
    assert_eq!((request.name.as_str(), forward.name.as_str()), ("/hook", "forward"));
    assert!(request.start <= forward.start && forward.start <= forward.end, "{spans:#?}");
    assert_eq!((&request.status, &forward.status), (&None, &None));
    let attributes = request.attributes();
    for (key, value) in [
        ("countersign.route", "/hook"),
        ("countersign.outcome", "confirmed"),
        ("countersign.source", "test"),
        ("countersign.message_id", "msg_1"),
        ("http.response.status_code", "200"),
        ("client.address", "127.0.0.1"),
    ] {
        assert_eq!(attributes.get(key).map(String::as_str), Some(value), "{key} of {attributes:?}");
    }
    assert!(attributes.contains_key("countersign.verification_us"), "{attributes:?}");
    assert_eq!(forward.attributes()["server.address"], backend.address().to_string());
    assert_eq!(gateway.metric(DROPPED).await, Some(0.0));
}

#[tokio::test]
async fn a_trace_of_the_sender_is_continued_as_its_flag_says() {
    let (backend, collector) = (Backend::start().await, Collector::start().await);
    // Without a `traceparent`, nothing would be traced.
    let gateway = Gateway::start(&[&collector.table("sample = 0"), SOURCE, &route(&backend, "")].concat()).await;
    let unsampled = format!("00-{TRACE}-{PARENT}-00");
    for (number, wire) in Wire::ALL.into_iter().enumerate() {
        let id = format!("msg_{number}");
        let before = collector.spans().len();
        let sent = delivery(&format!("{id}_untraced"), "{}");
        assert_eq!(gateway.send(&sent, wire).await.status, StatusCode::OK);
        assert_eq!(backend.has_seen(3 * number + 1).await.header("traceparent"), None, "{wire:?}");
        let sent = delivery(&format!("{id}_unsampled"), "{}").set("traceparent", &unsampled);
        assert_eq!(gateway.send(&sent, wire).await.status, StatusCode::OK);
        assert_eq!(backend.has_seen(3 * number + 2).await.header("traceparent"), Some(&*unsampled), "{wire:?}");
        let sent = delivery(&format!("{id}_sampled"), "{}")
            .set("traceparent", &format!("00-{TRACE}-{PARENT}-01"))
            .set("tracestate", "vendor=1");
        assert_eq!(gateway.send(&sent, wire).await.status, StatusCode::OK);
        let seen = backend.has_seen(3 * number + 3).await;
        let spans = collector.has_spans(before + 2).await;
        let (request, forward) = request_and_forward(&spans[before..]);
        assert_eq!((hex(&request.trace).as_str(), hex(&request.parent).as_str()), (TRACE, PARENT), "{wire:?}");
        assert_eq!(forward.parent, request.id);
        assert_eq!(seen.header("traceparent"), Some(&*format!("00-{TRACE}-{}-01", hex(&forward.id))), "{wire:?}");
        assert_eq!(seen.header("tracestate"), Some("vendor=1"), "{wire:?}");
    }
}

#[tokio::test]
async fn a_rejected_request_and_a_failed_backend_are_traced_too() {
    let (backend, collector) =
        (Backend::answering([Answer::Close, Answer::Status(503)]).await, Collector::start().await);
    let gateway = Gateway::start(&[&collector.table(""), SOURCE, &route(&backend, "")].concat()).await;
    let forged = delivery("msg_1", "{}").with_body("{ }");
    assert_eq!(gateway.send(&forged, Wire::Http1Length).await.status, StatusCode::UNAUTHORIZED);
    let spans = collector.has_spans(1).await;
    assert_eq!(spans[0].attributes()["countersign.reason"], "signature_mismatch");
    assert_eq!((&spans[0].status, spans[0].kind), (&None, 2));
    assert_eq!(gateway.send(&delivery("msg_2", "{}"), Wire::Http1Length).await.status, StatusCode::BAD_GATEWAY);
    let spans = collector.has_spans(3).await;
    let (request, forward) = request_and_forward(&spans[1..]);
    for span in [request, forward] {
        assert_eq!(span.status.as_ref().map(|status| status.code), Some(2), "{span:?}");
    }
    assert_eq!(forward.attributes()["error.type"], request.attributes()["countersign.reason"]);
    assert_eq!(gateway.send(&delivery("msg_3", "{}"), Wire::Http1Length).await.status, StatusCode::SERVICE_UNAVAILABLE);
    let spans = collector.has_spans(5).await;
    assert_eq!(spans[3..].iter().filter(|span| span.status.is_some()).count(), 2, "{spans:#?}");
}

#[tokio::test]
async fn the_collector_gets_the_name_of_the_service_and_the_headers() {
    let (backend, collector) = (Backend::start().await, Collector::start().await);
    let table = "service_name = \"webhooks\"\nheaders = { x-api-key = { env = \"OTHER_SECRET\" }, x-team = \"a\" }";
    let mut gateway = Gateway::start(&[&collector.table(table), SOURCE, &route(&backend, "")].concat()).await;
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), Wire::Http1Length).await.status, StatusCode::OK);
    // The last spans are sent at the end.
    gateway.signal("TERM");
    until("the gateway has ended", async || gateway.ended().is_some()).await;
    assert_eq!(collector.spans().len(), 2);
    let request = collector.0.has_seen(1).await;
    assert_eq!((request.header("x-api-key"), request.header("x-team")), (Some(OTHER_SECRET), Some("a")));
    let export = Export::decode(request.body).expect("an export request");
    let attributes = of(&export.resources[0].resource.as_ref().expect("a resource").attributes);
    assert_eq!(attributes["service.name"], "webhooks");
}

#[tokio::test]
async fn the_attempts_of_an_inbox_belong_to_the_trace_of_the_request() {
    let (backend, collector) = (Backend::answering([Answer::Status(503)]).await, Collector::start().await);
    let store = "[store]\nengine = \"sqlite\"\npath = \"store.db\"\n";
    let inbox = route(&backend, "delivery = \"inbox\"\nredelivery = { first = \"10ms\" }");
    let gateway = Gateway::start(&[store, &collector.table("sample = 0"), SOURCE, &inbox].concat()).await;
    let untraced = delivery("msg_0", "{}");
    assert_eq!(gateway.send(&untraced, Wire::Http1Length).await.status, StatusCode::ACCEPTED);
    assert_eq!(backend.has_seen(2).await.header("traceparent"), None);
    let traced =
        delivery("msg_1", "{}").set("traceparent", &format!("00-{TRACE}-{PARENT}-01")).set("tracestate", "vendor=1");
    assert_eq!(gateway.send(&traced, Wire::Http2Length).await.status, StatusCode::ACCEPTED);
    let seen = backend.has_seen(3).await;
    let spans = collector.has_spans(2).await;
    let (request, forward) = request_and_forward(&spans);
    assert_eq!((hex(&request.trace).as_str(), hex(&request.parent).as_str()), (TRACE, PARENT));
    assert_eq!((&forward.trace, &forward.parent), (&request.trace, &request.id));
    assert!(request.start <= forward.start, "{spans:#?}");
    assert_eq!(seen.header("traceparent"), Some(&*format!("00-{TRACE}-{}-01", hex(&forward.id))));
    assert_eq!(seen.header("tracestate"), Some("vendor=1"));
    let attributes = forward.attributes();
    assert_eq!((&*attributes["countersign.attempt"], &*attributes["http.response.status_code"]), ("1", "200"));
}

#[tokio::test]
async fn a_collector_behind_tls_is_verified_and_reached_through_a_proxy() {
    let (backend, collector) = (Backend::start().await, Collector::start().await);
    let (authority, proxy) = (Authority::new(), ConnectProxy::start().await);
    let (address, _front) = in_front_of(collector.0.address(), authority.server("localhost", false)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).expect("a file");
    let start = async |more: &str, environment: &[(&str, &str)]| {
        let table = format!("[telemetry]\notlp = \"https://localhost:{}\"\n{more}\n", address.port());
        let gateway = Gateway::start_in(environment, &[&table, SOURCE, &route(&backend, "")].concat()).await;
        assert_eq!(gateway.send(&delivery("msg_1", "{}"), Wire::Http1Length).await.status, StatusCode::OK);
        gateway
    };
    let file = format!("ca = \"{}\"", ca.display());
    let _direct = start(&file, &[]).await;
    collector.has_spans(2).await;
    assert!(proxy.heads().is_empty());
    let _through = start(&format!("{file}\nproxy = \"http://{}\"", proxy.address), &[]).await;
    collector.has_spans(4).await;
    let expected = format!("connect localhost:{} http/1.1\r\n", address.port());
    assert!(proxy.heads().len() == 1 && proxy.heads()[0].starts_with(&expected), "{:?}", proxy.heads());
    // The list of this machine.
    let _by_system = start("ca = \"system\"", &[("SSL_CERT_FILE", &ca.display().to_string())]).await;
    collector.has_spans(6).await;
    let untrusting = start("", &[("SSL_CERT_FILE", &ca.display().to_string())]).await;
    until("the spans are dropped", async || untrusting.metric(DROPPED).await == Some(2.0)).await;
    assert!(untrusting.output().contains("UnknownIssuer"), "{}", untrusting.output());
    assert_eq!(collector.spans().len(), 6);
}

#[tokio::test]
async fn without_the_table_headers_pass_and_nothing_is_sent() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend).await;
    let value = format!("00-{TRACE}-{PARENT}-01");
    let sent = delivery("msg_1", "{}").set("traceparent", &value).set("tracestate", "vendor=1");
    assert_eq!(gateway.send(&sent, Wire::Http1Length).await.status, StatusCode::OK);
    let seen = backend.has_seen(1).await;
    assert_eq!((seen.header("traceparent"), seen.header("tracestate")), (Some(&*value), Some("vendor=1")));
    assert_eq!(gateway.metric(DROPPED).await, Some(0.0));
}

#[tokio::test]
async fn a_reload_does_not_change_the_collector() {
    let (backend, collector) = (Backend::start().await, Collector::start().await);
    let gateway = Gateway::start(&[&collector.table("sample = 1"), SOURCE, &route(&backend, "")].concat()).await;
    gateway.edit(&[("sample = 1", "sample = 0")]);
    let reply = gateway.reload().await;
    let text = String::from_utf8_lossy(&reply.body);
    assert!(reply.status == StatusCode::OK && text.contains("`telemetry` has changed"), "{text}");
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), Wire::Http1Length).await.status, StatusCode::OK);
    collector.has_spans(2).await;
}

#[tokio::test]
async fn a_collector_that_is_away_costs_only_spans() {
    let backend = Backend::start().await;
    let table = format!("[telemetry]\notlp = \"http://{}\"\n", free_address());
    let gateway = Gateway::start(&[&table, SOURCE, &route(&backend, "")].concat()).await;
    for number in 0..2_u8 {
        let sent = delivery(&format!("msg_{number}"), "{}");
        assert_eq!(gateway.send(&sent, Wire::Http1Length).await.status, StatusCode::OK);
        let least = 2.0 * f64::from(number + 1);
        until("the spans are dropped", async || gateway.metric(DROPPED).await == Some(least)).await;
    }
    let output = gateway.output();
    assert_eq!(output.matches("traces cannot be sent").count(), 1, "{output}");
}

#[tokio::test]
async fn a_collector_that_rejects_spans_is_logged() {
    let backend = Backend::start().await;
    let collector = Collector(Backend::answering([Answer::Status(401)]).await);
    let gateway = Gateway::start(&[&collector.table(""), SOURCE, &route(&backend, "")].concat()).await;
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), Wire::Http1Length).await.status, StatusCode::OK);
    until("the spans are dropped", async || gateway.metric(DROPPED).await.is_some_and(|dropped| dropped > 0.0)).await;
    assert!(gateway.output().contains("the collector responded with status 401"), "{}", gateway.output());
}

// The messages, with the numbers of `opentelemetry/proto/trace/v1/trace.proto`.

#[derive(Clone, PartialEq, Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<Resources>,
}

#[derive(Clone, PartialEq, Message)]
struct Resources {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<Scopes>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
struct Scopes {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    /// 2 is a server, 3 a client.
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start: u64,
    #[prost(fixed64, tag = "8")]
    end: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<Attribute>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
}

impl Span {
    fn attributes(&self) -> BTreeMap<String, String> {
        of(&self.attributes)
    }
}

/// Attributes by name, with numbers as texts.
fn of(attributes: &[Attribute]) -> BTreeMap<String, String> {
    let text = |value: &Value| value.text.clone().or(value.number.map(|number| number.to_string()));
    let shown =
        |attribute: &Attribute| (attribute.key.clone(), attribute.value.as_ref().and_then(text).expect("a value"));
    attributes.iter().map(shown).collect()
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    /// 2 is an error.
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
    #[prost(int64, optional, tag = "3")]
    number: Option<i64>,
}
