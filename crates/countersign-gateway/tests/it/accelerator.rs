//! The accelerator and hyper make the same of the same bytes: what the backend gets, the responses, what is counted.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_test::backend::Seen;
use fastrand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::{
    Answer, Backend, Delivery, Gateway, OTHER_SECRET, Running, SECRET, SOURCE, Wire, delivery, noise, route, send,
    until,
};

const ACCELERATED: &str = "countersign_accelerated_total";

/// How many mutated requests are compared, unless `COUNTERSIGN_CASES` says so.
const CASES: u32 = 1500;

/// A gateway and its backend.
struct Side {
    gateway: Gateway,
    backend: Backend,
}

impl Side {
    /// The backend responds to each body in its own way, so that responses of all kinds are compared.
    async fn start(accelerate: bool) -> Self {
        let backend = Backend::scripted(|seen| match seen.body.first() {
            Some(b'1') => {
                Answer::Raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".into())
            }
            Some(b'2') => Answer::Raw("HTTP/1.1 204 No Content\r\nx-more: yes\r\n\r\n".into()),
            Some(b'3') => Answer::Status(500),
            Some(b'4') => Answer::Raw("HTTP/1.1 301 Moved\r\ncontent-length: 0\r\nlocation: /\r\n\r\n".into()),
            Some(b'5') => Answer::Close,
            Some(b'6') => Answer::Raw(
                "HTTP/1.1 200 OK\r\ncontent-type: application/grpc-web\r\ncontent-length: 2\r\n\r\nok".into(),
            ),
            Some(b'7') => {
                Answer::Raw(format!("HTTP/1.1 299 Odd\r\ncontent-length: 40000\r\n\r\n{}", "x".repeat(40_000)))
            }
            _ => Answer::Status(200),
        })
        .await;
        let text = route(&backend, "body_limit = \"70 KiB\"\nbody_timeout = \"1s\"").replace("/hook", "/hook/*");
        let exact = route(&backend, "body_limit = \"70 KiB\"\nbody_timeout = \"1s\"");
        // One thread: connections to the backend are reused alike.
        let server = format!("accelerate = {accelerate}\nthreads = 1");
        let gateway = Gateway::start_with(&server, &[SOURCE, &exact, &text].concat(), &["--log", "text"]).await;
        Self { gateway, backend }
    }

    /// Sends these bytes in pieces, then nothing more, and reads to the end.
    async fn exchange(&self, bytes: &[u8], cuts: &[usize]) -> Vec<Answered> {
        let mut stream = TcpStream::connect(self.gateway.address).await.expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        let mut from = 0;
        for to in cuts.iter().copied().chain([bytes.len()]) {
            // It may have responded and closed already.
            let _ = stream.write_all(&bytes[from..to]).await;
            from = to;
            tokio::task::yield_now().await;
        }
        let _ = stream.shutdown().await;
        let mut received = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut received)).await;
        assert!(read.is_ok(), "no end, after {:?}", String::from_utf8_lossy(&received));
        let mut answers = answers(&received);
        // The detail has the age of the timestamp, and between the two requests, another second may begin.
        for (.., body) in &mut answers {
            if String::from_utf8_lossy(body).contains("\"timestamp_too_") {
                body.retain(|byte| !byte.is_ascii_digit());
            }
        }
        answers
    }

    async fn counted(&self) -> BTreeMap<String, String> {
        let metrics = self.gateway.metrics().await;
        let lines = metrics.lines().filter(|line| {
            ["countersign_requests_total", "countersign_ids_remembered", "countersign_claims_held"]
                .iter()
                .any(|name| line.starts_with(name))
                // Behind a request that announces the end, what is no HTTP is counted, or not read at all.
                && !line.contains("reason=\"malformed_request\"")
        });
        lines.filter_map(|line| line.rsplit_once(' ')).map(|(name, value)| (name.into(), value.into())).collect()
    }
}

/// A response: its status line, its headers in order of their names without the date, and its body.
type Answered = (String, Vec<String>, Vec<u8>);

/// The responses in what was received. What is left at the end is one more.
fn answers(mut received: &[u8]) -> Vec<Answered> {
    let mut answers = Vec::new();
    while let Some(at) = received.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&received[..at]).to_ascii_lowercase();
        received = &received[at + 4..];
        let mut lines = head.split("\r\n").map(str::to_owned);
        let status = lines.next().unwrap_or_default();
        let mut headers: Vec<_> = lines.filter(|line| !line.starts_with("date: ")).collect();
        headers.sort();
        let length = headers.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let length = length.unwrap_or(if headers.iter().any(|line| line.starts_with("transfer-")) {
            received.windows(5).position(|window| window == b"0\r\n\r\n").map_or(received.len(), |end| end + 5)
        } else {
            0
        });
        let (body, rest) = received.split_at(length.min(received.len()));
        answers.push((status, headers, body.to_vec()));
        received = rest;
    }
    if !received.is_empty() {
        answers.push((String::new(), Vec::new(), received.to_vec()));
    }
    answers
}

/// A request line, headers in order, and a body.
type Forwarded = (String, Vec<(String, Vec<u8>)>, Vec<u8>);

/// What a backend saw, without what names its own address.
fn comparable(seen: &Seen) -> Forwarded {
    let headers = seen.headers.iter().filter(|(name, _)| *name != "host");
    let mut headers: Vec<_> = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    headers.sort();
    (seen.request_line.clone(), headers, seen.body.to_vec())
}

/// Mutates the bytes of a request in one way that parsers are known to disagree about.
fn mutate(bytes: &mut Vec<u8>, rng: &mut Rng) {
    const LINES: &[&str] = &[
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "transfer-encoding:\tchunked",
        "Content-Length: 0",
        "Content-Length: 3",
        "content-length: +2",
        "Content-Length : 2",
        "Host: other",
        "Connection: close",
        "Connection: keep-alive",
        "Connection: close, x-mine",
        "Connection: upgrade",
        "Upgrade: h2c",
        "Expect: 100-continue",
        "TE: trailers",
        "Trailer: x-late",
        "X-Forwarded-For: 192.0.2.1",
        "x_forwarded_for: 192.0.2.1",
        "countersign-verdict: verified",
        "Countersign_Verdict: verified",
        "webhook-id: msg_other",
        "X-Odd:  spaces  ",
        "X-Empty:",
        " folded: yes",
        "X-Nul: a\0b",
        "X-High: \u{e9}",
        "Content-Type: application/grpc",
    ];
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(bytes.len());
    let ends: Vec<_> = (0..head).filter(|at| bytes[*at..].starts_with(b"\r\n")).map(|at| at + 2).collect();
    match rng.u8(..9) {
        0..=3 if !ends.is_empty() => {
            let line = format!("{}\r\n", LINES[rng.usize(..LINES.len())]);
            let at = ends[rng.usize(..ends.len())];
            bytes.splice(at..at, line.into_bytes());
        }
        4 if !bytes.is_empty() => {
            let at = rng.usize(..bytes.len());
            bytes[at] ^= 1 << rng.u8(..8);
        }
        5 if head > 0 => {
            let at = rng.usize(..head);
            bytes.remove(at);
        }
        6 => bytes.truncate(rng.usize(..=bytes.len())),
        7 => {
            let methods: [&[u8]; 4] = [b"GET", b"PUT", b"post", b"HEAD"];
            if bytes.starts_with(b"POST") {
                bytes.splice(..4, methods[rng.usize(..4)].iter().copied());
            }
        }
        _ => bytes.extend_from_slice(b"POST /hook HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n{}"),
    }
}

#[tokio::test]
async fn plain_deliveries_are_accelerated_unless_that_is_off() {
    let (fast, slow) = (Side::start(true).await, Side::start(false).await);
    for (n, side) in [&fast, &slow].into_iter().enumerate() {
        let mut connection = crate::common::Raw::open(side.gateway.address).await;
        for id in ["msg_1", "msg_2", "msg_2"] {
            connection.write(delivery(id, noise(300)).bytes()).await;
            assert_eq!(connection.answer().await.expect("an answer").status, 200, "{n}");
        }
        // In two writes, with the body behind.
        let late = delivery("msg_3", noise(20_000));
        let bytes = late.bytes();
        connection.write(&bytes[..bytes.len() - 20_000]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        connection.write(&bytes[bytes.len() - 20_000..]).await;
        assert_eq!(connection.answer().await.expect("an answer").status, 200, "{n}");
        assert_eq!(side.backend.seen().len(), 3);
        assert_eq!(side.backend.seen()[2].body, noise(20_000));
        // Rejected requests, too, if they are plain.
        let forged = Delivery::signed([OTHER_SECRET], 0, "msg_4", "{}");
        connection.write(forged.bytes()).await;
        assert_eq!(connection.answer().await.expect("an answer").status, 401);
    }
    assert_eq!(fast.gateway.metric(ACCELERATED).await, Some(5.0));
    assert_eq!(slow.gateway.metric(ACCELERATED).await, Some(0.0));
    for wire in [Wire::Http1Chunked, Wire::Http2Length] {
        send(fast.gateway.address, &delivery("msg_5", "{}"), wire).await;
    }
    assert_eq!(fast.gateway.metric(ACCELERATED).await, Some(5.0), "neither is plain");
}

#[tokio::test]
async fn a_connection_goes_on_with_hyper_where_a_request_is_not_plain() {
    let side = Side::start(true).await;
    let chunked = |id: &str| {
        let sent = delivery(id, "{}");
        format!("{}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n", sent.head())
    };
    let mut connection = crate::common::Raw::open(side.gateway.address).await;
    for (n, bytes) in [delivery("msg_1", "{}").bytes(), chunked("msg_2").into_bytes(), delivery("msg_3", "{}").bytes()]
        .into_iter()
        .enumerate()
    {
        connection.write(bytes).await;
        assert_eq!(connection.answer().await.expect("an answer").status, 200, "{n}");
    }
    assert_eq!(side.gateway.metric(ACCELERATED).await, Some(1.0));
    assert_eq!(side.backend.seen().len(), 3);
    // All at once, on one connection.
    let pipelined = [delivery("msg_4", "{}").bytes(), chunked("msg_5").into_bytes(), delivery("msg_6", "{}").bytes()];
    let answers = side.exchange(&pipelined.concat(), &[]).await;
    assert_eq!(answers.len(), 3, "{answers:?}");
    assert!(answers.iter().all(|(status, ..)| status.starts_with("http/1.1 200 ")), "{answers:?}");
}

#[tokio::test]
async fn a_connection_stays_with_its_version_of_http() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let bytes = [&delivery("msg_1", "{}").bytes()[..], preface, &settings].concat();
    let (fast, slow) = (Side::start(true).await, Side::start(false).await);
    let (a, b) = tokio::join!(fast.exchange(&bytes, &[]), slow.exchange(&bytes, &[]));
    assert_eq!(fast.gateway.metric(ACCELERATED).await, Some(1.0));
    for answers in [a, b] {
        assert!(answers[0].0.starts_with("http/1.1 200 "), "{answers:?}");
        // What follows is no HTTP/1.1. Frames of HTTP/2 would have no status line.
        assert!(answers[1..].iter().all(|(status, ..)| status.starts_with("http/1.1 400 ")), "{answers:?}");
    }
}

/// How many cases there are, and a generator whose seed is shown if one fails.
fn cases() -> (u32, u64, Rng) {
    let cases = std::env::var("COUNTERSIGN_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let seed =
        std::env::var("COUNTERSIGN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    (cases, seed, Rng::with_seed(seed))
}

/// A delivery, authentic or not, to one path or another, with a body that decides how the backend responds.
fn any_delivery(case: u32, length: usize, rng: &mut Rng) -> Vec<u8> {
    let id = format!("msg_{}", if rng.u8(..8) == 0 { case / 2 } else { case });
    let mut body = noise(length).to_vec();
    if let Some(first) = body.first_mut() {
        *first = b'0' + rng.u8(..10);
    }
    let secret = if rng.u8(..6) == 0 { OTHER_SECRET } else { SECRET };
    let path = ["/hook", "/hook", "/hook?x=1", "/hook/a", "/nowhere", "/hook/%2e%2e/x"][rng.usize(..6)];
    Delivery::signed([secret], 0, &id, body).to(path).bytes()
}

/// That both backends have seen the same since the last time.
fn assert_seen_alike(fast: &Side, slow: &Side, before: &mut (usize, usize), what: &str) {
    let of = |side: &Side, first| side.backend.seen_after(first).iter().map(comparable).collect::<Vec<_>>();
    let (new_fast, new_slow) = (of(fast, before.0), of(slow, before.1));
    assert_eq!(new_fast, new_slow, "{what}");
    *before = (before.0 + new_fast.len(), before.1 + new_slow.len());
}

/// That both have counted the same, and most of it was worth comparing.
async fn assert_counted_alike(fast: &Side, slow: &Side, cases: u32) {
    // What is settled at the end of a response may be counted a moment after it.
    until("both count alike", async || fast.counted().await == slow.counted().await).await;
    let accelerated = fast.gateway.metric(ACCELERATED).await.expect("it is counted");
    assert!(accelerated * 4.0 > f64::from(cases), "{accelerated} of {cases} were plain");
    assert!(
        fast.backend.seen().len() * 8 > cases as usize,
        "{} of {cases} reached the backend",
        fast.backend.seen().len()
    );
}

#[tokio::test]
async fn the_same_bytes_have_the_same_consequences_with_and_without_it() {
    let (cases, seed, mut rng) = cases();
    let (fast, slow) = (Side::start(true).await, Side::start(false).await);
    let mut before = (0, 0);
    for case in 0..cases {
        let mut bytes = any_delivery(case, [0, 2, 250, 1500][rng.usize(..4)], &mut rng);
        for _ in 0..rng.u8(..4) {
            mutate(&mut bytes, &mut rng);
        }
        let what = format!("case {case} of seed {seed}: {}", String::from_utf8_lossy(&bytes));
        let (mut a, mut b) = tokio::join!(fast.exchange(&bytes, &[]), slow.exchange(&bytes, &[]));
        for answers in [&mut a, &mut b] {
            // Whether it follows, or the response before it announces the end, is a race.
            for (_, headers, _) in answers.iter_mut() {
                headers.retain(|line| line != "connection: close");
            }
            // hyper's own response to what is no HTTP may be lost, because the connection is reset behind it.
            answers.retain(|(status, headers, _)| {
                status != "http/1.1 400 bad request" || headers != &["content-length: 0"]
            });
        }
        assert_eq!(a, b, "{what}");
        assert_seen_alike(&fast, &slow, &mut before, &what);
    }
    assert_counted_alike(&fast, &slow, cases).await;
}

#[tokio::test]
async fn requests_that_come_in_pieces_have_the_same_consequences_too() {
    let (cases, seed, mut rng) = cases();
    let cases = cases / 3;
    let (fast, slow) = (Side::start(true).await, Side::start(false).await);
    let mut before = (0, 0);
    for case in 0..cases {
        let bytes = any_delivery(case, [0, 250, 5000, 69_000, 80_000][rng.usize(..5)], &mut rng);
        let mut cuts: Vec<_> = (0..rng.usize(..4)).map(|_| rng.usize(..=bytes.len())).collect();
        cuts.sort_unstable();
        let what = format!("case {case} of seed {seed}, cut at {cuts:?}, {} bytes", bytes.len());
        let (mut a, mut b) = tokio::join!(fast.exchange(&bytes, &cuts), slow.exchange(&bytes, &cuts));
        for (_, headers, _) in a.iter_mut().chain(&mut b) {
            // Whether the rest of a rejected request has arrived by then, so that the connection can go on, is a race.
            headers.retain(|line| line != "connection: close");
        }
        assert_eq!(a, b, "{what}");
        assert_seen_alike(&fast, &slow, &mut before, &what);
    }
    assert_counted_alike(&fast, &slow, cases).await;
}
