//! Limits on the connections, time and memory that a client can use without a key.

#![expect(clippy::float_cmp, reason = "counters and gauges are whole numbers")]

use std::time::Duration;

use crate::common::http2_frames::{PREFACE, frame, frames};
use crate::common::{
    Backend, Connection, Delivery, Gateway, OTHER_SECRET, Raw, Running, SOURCE, Wire, delivery, get, route, send, soon,
    until,
};
use http::StatusCode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

async fn gateway(server: &str) -> (Gateway, Backend) {
    let backend = Backend::start().await;
    let gateway = Gateway::start_with(server, &[SOURCE, &route(&backend, "")].concat(), &[]).await;
    (gateway, backend)
}

async fn silent(gateway: &Gateway, count: usize) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(TcpStream::connect(gateway.address).await.expect("the gateway listens"));
    }
    all
}

async fn closed(gateway: &Gateway, reason: &str) -> f64 {
    let name = format!("countersign_connections_closed_total{{reason=\"{reason}\"}}");
    gateway.metric(&name).await.unwrap_or(0.0)
}

async fn rejected(gateway: &Gateway, reason: &str) -> f64 {
    let name = format!("countersign_requests_total{{route=\"none\",outcome=\"refused\",reason=\"{reason}\"}}");
    gateway.metric(&name).await.unwrap_or(0.0)
}

async fn open(gateway: &Gateway) -> f64 {
    gateway.metric("countersign_connections_open").await.expect("a gauge")
}

/// Waits until the gateway has closed this connection, and ignores what it writes before.
async fn has_closed(stream: &mut TcpStream) {
    let mut room = [0; 4096];
    while matches!(soon(stream.read(&mut room)).await, Ok(read) if read > 0) {}
}

/// `:method: POST`, `:scheme: http`, `:path: /`: no route, and no host.
const HEAD: &[u8] = &[0x83, 0x86, 0x84];
const END_STREAM_AND_HEADERS: u8 = 5;

fn settings(initial_window: Option<u32>) -> Vec<u8> {
    let window = initial_window.map(|window| [&[0, 4], window.to_be_bytes().as_slice()].concat());
    frame(4, 0, 0, &window.unwrap_or_default())
}

/// Opens an HTTP/2 connection and sends these bytes. Then sends PINGs, their acknowledgements, SETTINGS and
/// `WINDOW_UPDATE`s until the gateway closes the connection. Returns everything that the gateway sent.
async fn busy_http2(gateway: &Gateway, bytes: &[u8], keep_busy: &[u8]) -> Vec<u8> {
    let stream = TcpStream::connect(gateway.address).await.expect("the gateway listens");
    let (mut read, mut write) = stream.into_split();
    write.write_all(bytes).await.expect("it reads");
    let keep_busy = keep_busy.to_vec();
    let writing = tokio::spawn(async move {
        while write.write_all(&keep_busy).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut all = Vec::new();
    let _ = soon(read.read_to_end(&mut all)).await;
    writing.abort();
    all
}

/// The kinds of these frames, with their streams.
fn kinds(bytes: &[u8]) -> Vec<(u8, u32)> {
    frames(bytes).iter().map(|frame| (frame.kind, frame.stream)).collect()
}

fn chatter() -> Vec<u8> {
    let ping = |flags| frame(6, flags, 0, &[1; 8]);
    [ping(0), ping(1), settings(None), frame(8, 0, 0, &1_u32.to_be_bytes())].concat()
}

#[tokio::test]
async fn a_silent_connection_costs_a_few_kib() {
    let (gateway, backend) = gateway("").await;
    send(gateway.address, &delivery("msg_1", "{}"), Wire::Http1Length).await;
    let before = gateway.resident();
    let count = 800;
    let all = silent(&gateway, count).await;
    until("all are open", async || open(&gateway).await >= 800.0).await;
    let each = gateway.resident().saturating_sub(before) / count;
    assert!(each < 10 * 1024, "{each} bytes each");
    drop(all);
    until("all are closed", async || open(&gateway).await < 1.0).await;
    assert_eq!(backend.connections(), 1);
}

/// The most that the gateway uses with 10,000 of them, also in a debug build.
const SILENT_MEMORY: usize = 100 * 1024 * 1024;

#[tokio::test]
async fn ten_thousand_silent_connections_fit_into_100_mib() {
    let limit = getrlimit(Resource::Nofile);
    // Only for this process, which nextest starts for one test.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let count = 10_000;
    if limit.maximum.is_some_and(|maximum| maximum < 14_000) {
        eprintln!("skipped: the limit on open files is too low for {count} connections");
        return;
    }
    // Above three quarters of the maximum, they would be closed early.
    let (gateway, backend) = gateway("max_connections = 13_500\nhead_timeout = \"10m\"").await;
    let all = silent(&gateway, count).await;
    until("all are open", async || open(&gateway).await >= 10_000.0).await;
    let used = gateway.resident();
    assert!(used < SILENT_MEMORY, "{used} bytes");
    // Others are still served.
    assert_eq!(send(gateway.address, &delivery("msg_1", "{}"), Wire::Http1Length).await.status, StatusCode::OK);
    backend.has_seen(1).await;
    drop(all);
}

#[tokio::test]
async fn no_more_connections_are_served_than_allowed_and_the_admin_listener_stays_reachable() {
    let (gateway, _backend) = gateway("max_connections = 8\nthreads = 3").await;
    let mut all = silent(&gateway, 8).await;
    until("all are open", async || open(&gateway).await == 8.0).await;
    let mut extra = TcpStream::connect(gateway.address).await.expect("the kernel accepts");
    has_closed(&mut extra).await;
    let turned_away = "countersign_connections_turned_away_total{reason=\"max_connections\"}";
    assert_eq!(gateway.metric(turned_away).await, Some(1.0));
    assert_eq!(gateway.metric("countersign_connections_max").await, Some(8.0));
    for path in ["/readyz", "/healthz", "/metrics"] {
        assert_eq!(get(gateway.admin, path).await.expect("a response").status, StatusCode::OK);
    }
    all.pop();
    until("one has gone", async || open(&gateway).await < 8.0).await;
    let reply = send(gateway.address, &delivery("msg_1", "{}"), Wire::Http1Length).await;
    assert_eq!(reply.status, StatusCode::OK);
}

#[tokio::test]
async fn the_admin_listener_has_a_bound_of_its_own_and_webhooks_do_not_depend_on_it() {
    let (gateway, _backend) = gateway("").await;
    let mut all = Vec::new();
    for _ in 0..100 {
        all.push(TcpStream::connect(gateway.admin).await.expect("the kernel accepts"));
    }
    has_closed(all.last_mut().expect("one")).await;
    let reply = send(gateway.address, &delivery("msg_1", "{}"), Wire::Http1Length).await;
    assert_eq!(reply.status, StatusCode::OK);
    drop(all);
    until("there is room", async || get(gateway.admin, "/healthz").await.is_some()).await;
    until("the sender's connection has gone", async || open(&gateway).await == 0.0).await;
}

#[tokio::test]
async fn the_admin_listener_responds_while_no_file_can_be_opened() {
    let (gateway, _backend) = gateway("").await;
    let all = silent(&gateway, 60).await;
    until("all are open", async || open(&gateway).await == 60.0).await;
    // Above the numbers of the files in reserve, and below those of most connections.
    let limit = gateway.limit_files(64);
    let waiting = silent(&gateway, 1).await;
    let mut seen = 0.0;
    until("one cannot be accepted", async || {
        let name = "countersign_connections_turned_away_total{reason=\"files\"}";
        seen = gateway.metric(name).await.unwrap_or(0.0);
        seen > 0.0
    })
    .await;
    // The listener waits between its attempts.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let name = "countersign_connections_turned_away_total{reason=\"files\"}";
    let later = gateway.metric(name).await.expect("it was there");
    assert!(later - seen < 100.0, "{seen}, then {later}");
    // One line for each change: a request to the admin listener that ends frees a file for a moment.
    let lines = gateway.output().matches("cannot accept").count();
    assert!((1..=20).contains(&lines), "{lines}");
    gateway.limit_files(limit);
    drop((all, waiting));
    let reply = send(gateway.address, &delivery("msg_1", "{}"), Wire::Http1Length).await;
    assert_eq!(reply.status, StatusCode::OK);
}

#[tokio::test]
async fn strangers_make_room_sooner_in_a_crowd() {
    let (gateway, _backend) = gateway("max_connections = 8\nhead_timeout = \"10m\"\nidle_timeout = \"10m\"").await;
    let mut kept = Raw::open(gateway.address).await;
    kept.write(delivery("msg_1", "{}").bytes()).await;
    assert_eq!(kept.answer().await.expect("a response").status, StatusCode::OK);
    let mut all = silent(&gateway, 7).await;
    until("all are open", async || open(&gateway).await == 8.0).await;
    all[1].write_all(b"P").await.expect("open");
    all[2].write_all(b"POST / HTTP/1.1\r\n").await.expect("open");
    // No more than necessary: the limits are back to normal once there is room.
    until("there is room", async || open(&gateway).await <= 5.0).await;
    let reply = send(gateway.address, &delivery("msg_2", "{}"), Wire::Http1Length).await;
    assert_eq!(reply.status, StatusCode::OK);
}

#[tokio::test]
async fn a_client_that_pipelines_and_never_reads_is_closed() {
    let (gateway, _backend) = gateway("write_timeout = \"1s\"").await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(2048).expect("a small buffer");
    let mut stream = socket.connect(gateway.address).await.expect("the gateway listens");
    let many = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n".repeat(1000);
    let writing = tokio::spawn(async move { while stream.write_all(&many).await.is_ok() {} });
    soon(writing).await.expect("it is closed");
    assert_eq!(closed(&gateway, "write_timeout").await, 1.0);
    until("it has gone", async || open(&gateway).await == 0.0).await;
}

#[tokio::test]
async fn an_http2_client_that_opens_no_window_loses_its_streams_and_then_its_connection() {
    let (gateway, _backend) = gateway("write_timeout = \"500ms\"\nidle_timeout = \"1s\"").await;
    let head = |stream| frame(1, END_STREAM_AND_HEADERS, stream, HEAD);
    let bytes = [PREFACE, &settings(Some(0)), &head(1), &head(3)].concat();
    let all = busy_http2(&gateway, &bytes, &frame(6, 1, 0, &[1; 8])).await;
    let kinds = kinds(&all);
    for stream in [1, 3] {
        // HEADERS, no DATA, RST_STREAM.
        let of: Vec<_> = kinds.iter().filter(|(_, of)| *of == stream).map(|(kind, _)| *kind).collect();
        assert_eq!(of, [1, 3], "{kinds:?}");
    }
    assert!(kinds.contains(&(7, 0)), "GOAWAY is missing: {kinds:?}");
    assert_eq!((closed(&gateway, "write_timeout").await, closed(&gateway, "idle_timeout").await), (2.0, 1.0));
}

#[tokio::test]
async fn an_idle_http2_connection_is_closed_whatever_it_chatters() {
    let (gateway, _backend) = gateway("head_timeout = \"1s\"\nidle_timeout = \"1s\"").await;
    let begin = [PREFACE, &settings(None)].concat();
    let asked = [begin.clone(), frame(1, END_STREAM_AND_HEADERS, 1, HEAD)].concat();
    let half = [begin.clone(), frame(1, 1, 1, HEAD)].concat();
    for (bytes, keep_busy) in [
        (&begin, chatter()),
        (&asked, chatter()),
        // The head continues in CONTINUATION frames.
        (&half, frame(9, 0, 1, &[0x0f, 0x00, 0x01, b'a'])),
        (&PREFACE.to_vec(), Vec::new()),
    ] {
        busy_http2(&gateway, bytes, &keep_busy).await;
        until("it is closed", async || open(&gateway).await == 0.0).await;
    }
    assert!(closed(&gateway, "idle_timeout").await >= 3.0);
}

#[tokio::test]
async fn an_idle_http1_connection_is_closed() {
    let (gateway, _backend) = gateway("idle_timeout = \"1s\"").await;
    let mut raw = Raw::open(gateway.address).await;
    raw.write(delivery("msg_1", "{}").bytes()).await;
    assert_eq!(raw.answer().await.expect("a response").status, StatusCode::OK);
    assert!(raw.answer().await.is_none());
    assert_eq!(closed(&gateway, "idle_timeout").await, 1.0);
}

#[tokio::test]
async fn a_head_that_drips_gets_408_however_many_requests_came_before() {
    let (gateway, _backend) = gateway("head_timeout = \"1s\"").await;
    for before in [Vec::new(), delivery("msg_1", "{}").bytes()] {
        let mut raw = Raw::open(gateway.address).await;
        if !before.is_empty() {
            raw.write(before).await;
            assert_eq!(raw.answer().await.expect("a response").status, StatusCode::OK);
        }
        let dripping = async {
            raw.write("POST /hook HTTP/1.1\r\n").await;
            for _ in 0..15 {
                raw.write("x: y\r\n").await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            raw.answer().await.expect("a response")
        };
        let reply = dripping.await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::REQUEST_TIMEOUT, "head_timeout"));
        assert_eq!(reply.header("connection"), Some("close"));
    }
    assert_eq!(rejected(&gateway, "head_timeout").await, 2.0);
}

#[tokio::test]
async fn heads_count_against_the_budget_before_they_are_whole() {
    let backend = Backend::start().await;
    let routes = [SOURCE, &route(&backend, "body_limit = \"1KiB\"")].concat();
    let gateway = Gateway::start_with("body_budget = \"200KiB\"", &routes, &[]).await;
    let half = format!("POST /hook HTTP/1.1\r\nx: {}", "y".repeat(60 * 1024));
    let held = async || gateway.metric("countersign_body_bytes").await.expect("a gauge");
    let mut all = Vec::new();
    for n in 1..=3 {
        let mut raw = Raw::open(gateway.address).await;
        raw.write(&half).await;
        all.push(raw);
        until("it is counted", async || held().await >= f64::from(n) * 60.0 * 1024.0).await;
    }
    let mut raw = Raw::open(gateway.address).await;
    raw.write(&half).await;
    let reply = raw.answer().await.expect("a response");
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "over_budget"));
    assert!(reply.header("retry-after").is_some());
    let whole = delivery("msg_big", "{}").set("x-big", &"y".repeat(30 * 1024));
    for wire in Wire::ALL {
        let reply = send(gateway.address, &whole, wire).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "over_budget"), "{wire:?}");
    }
    assert_eq!(rejected(&gateway, "over_budget").await, 5.0);
    drop(all);
    until("all is returned", async || held().await == 0.0).await;
    assert_eq!(send(gateway.address, &whole, Wire::Http1Length).await.status, StatusCode::OK);
}

#[tokio::test]
async fn heads_count_against_the_budget_while_their_requests_are_handled() {
    for wire in [Wire::Http1Length, Wire::Http2Length] {
        let (backend, tell) = Backend::holding().await;
        let gateway = Gateway::before(&backend).await;
        let mut connection = Connection::open(gateway.address, wire).await.expect("a connection");
        let sent = delivery("msg_1", "{}").set("x-big", &"y".repeat(40 * 1024));
        let sending = tokio::spawn(async move { connection.send(&sent, wire).await });
        backend.has_seen(1).await;
        let held = async || gateway.metric("countersign_body_bytes").await.expect("a gauge");
        assert!(held().await >= 40.0 * 1024.0, "{wire:?}: {}", held().await);
        tell.send(200).expect("the backend waits");
        assert_eq!(soon(sending).await.expect("no panic").expect("a response").status, StatusCode::OK);
        until("it is returned", async || held().await == 0.0).await;
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_gets_431_whole_or_not() {
    let (gateway, _backend) = gateway("").await;
    for (size, end) in [(66, "\r\n\r\n"), (66, ""), (100, "\r\n\r\n"), (300, "\r\n\r\n"), (300, "")] {
        let mut raw = Raw::open(gateway.address).await;
        raw.write(format!("POST /hook HTTP/1.1\r\nhost: h\r\nx: {}{end}", "y".repeat(size * 1024))).await;
        let reply = raw.answer().await.expect("a response");
        assert_eq!(reply.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "{size} KiB, {end:?}");
        assert_eq!(reply.code(), "head_too_large", "{size} KiB, {end:?}");
    }
    assert_eq!(rejected(&gateway, "head_too_large").await, 5.0);
}

#[tokio::test]
async fn a_flood_of_connections_that_close_at_once_leaves_no_line_in_the_log() {
    let (gateway, _backend) = gateway("").await;
    let before = gateway.output().lines().count();
    for n in 0..500 {
        let mut stream = TcpStream::connect(gateway.address).await.expect("the gateway listens");
        if n % 2 == 0 {
            let _ = stream.write_all(b"POST").await;
        }
    }
    until("all are closed", async || open(&gateway).await == 0.0).await;
    assert_eq!(gateway.output().lines().count(), before, "{}", gateway.output());
    let forged = Delivery::signed([OTHER_SECRET], 0, "msg_2", "{}");
    assert_eq!(send(gateway.address, &forged, Wire::Http1Length).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn clients_without_progress_do_not_hold_up_the_shutdown() {
    let (mut gateway, _backend) = gateway("shutdown_timeout = \"60s\"").await;
    let mut all = Vec::new();
    let head = frame(1, END_STREAM_AND_HEADERS, 1, HEAD);
    let begin = [PREFACE, &settings(None), &head].concat();
    for bytes in [
        [begin.clone(), frame(1, 1, 3, HEAD)].concat(),
        begin,
        [delivery("msg_1", "{}").bytes(), b"POST /hook HTTP/1.1\r\n".to_vec()].concat(),
        delivery("msg_2", "{}").bytes(),
        b"PRI * HTTP".to_vec(),
    ] {
        let mut stream = TcpStream::connect(gateway.address).await.expect("the gateway listens");
        stream.write_all(&bytes).await.expect("it reads");
        all.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    gateway.signal("TERM");
    until("it ends", async || gateway.ended().is_some()).await;
    assert!(gateway.output().contains("stopped"), "{}", gateway.output());
}

#[tokio::test]
async fn a_limit_on_open_files_that_is_too_low_is_named_with_its_numbers() {
    let backend = Backend::start().await;
    let gateway = Gateway::start_with("max_connections = 40", &[SOURCE, &route(&backend, "")].concat(), &[]).await;
    assert!(gateway.output().contains("only 40 connections are allowed"), "{}", gateway.output());
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!(
        "[server]\nlisten = [\"{}\"]\nmax_connections = 100000000\n{SOURCE}{}",
        crate::common::free_address(),
        route(&backend, "")
    );
    let output = crate::common::run(folder.path(), &text, &[]);
    let error = String::from_utf8(output.stderr).expect("text");
    assert!(!output.status.success() && error.contains("100000000") && error.contains("ulimit"), "{error}");
}
