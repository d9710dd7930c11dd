//! The client against servers that misbehave, on loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::{SIGNED, delivery, jwk, key_set, verify};
use countersign::clock::ManualClock;
use countersign::key_source::{KeySource, Refreshed};
use countersign::{KeySet, Verifier};
use countersign_jwks::cache::DEMAND_INTERVAL;
use countersign_jwks::http::Proxy;
use countersign_jwks::{Config, Fetch, FetchError, HttpFetch, Jwks, JwksUrl, RemoteKeys, State};
use countersign_test::tls::Authority;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// The first byte of what a client says that wants TLS.
const TLS_HANDSHAKE: u8 = 22;

/// What a server does with a request.
#[derive(Clone)]
enum Answer {
    /// Sends these bytes, and closes.
    Bytes(Vec<u8>),
    /// Sends these bytes, and nothing more.
    Hang(Vec<u8>),
    /// Sends chunks for as long as they are taken.
    Endless,
}

impl Answer {
    fn new(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut bytes = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len());
        bytes.extend(headers.iter().flat_map(|header| [header, "\r\n"]));
        Self::Bytes([bytes.as_bytes(), b"\r\n", body].concat())
    }

    fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::new("200 OK", &["content-type: application/json"], body)
    }

    fn raw(text: &str) -> Self {
        Self::Bytes(text.into())
    }
}

/// A server that gives every request the answer of the moment.
struct Server {
    port: u16,
    answer: watch::Sender<Answer>,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    requests: AtomicU64,
    sent: AtomicU64,
    head: std::sync::Mutex<String>,
}

impl Server {
    async fn start(tls: Option<ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (answer, answers) = watch::channel(Answer::ok(key_set(&[1])));
        let seen = Arc::new(Seen::default());
        let (tls, shared) = (tls.map(|tls| TlsAcceptor::from(Arc::new(tls))), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, seen, answer) = (tls.clone(), Arc::clone(&shared), answers.borrow().clone());
                connections.spawn(async move {
                    match tls {
                        None => respond(stream, answer, &seen).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                respond(stream, answer, &seen).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, answer, seen, task }
    }

    fn url(&self, scheme: &str) -> JwksUrl {
        JwksUrl::parse(&format!("{scheme}://localhost:{}/keys", self.port)).unwrap()
    }

    fn fetch(&self) -> HttpFetch {
        HttpFetch::new(self.url("http")).timeout(Duration::from_secs(5))
    }

    fn answers(&self, answer: Answer) {
        self.answer.send_replace(answer);
    }

    fn requests(&self) -> u64 {
        self.seen.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn respond<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, answer: Answer, seen: &Seen) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
        if head == [TLS_HANDSHAKE] {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            return;
        }
    }
    *seen.head.lock().unwrap() = String::from_utf8(head).unwrap().to_ascii_lowercase();
    seen.requests.fetch_add(1, Ordering::SeqCst);
    // A client that has read enough hangs up: writing fails, and that is all right.
    match answer {
        Answer::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Answer::Hang(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.flush().await;
            std::future::pending::<()>().await;
        }
        Answer::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            let chunk = [b"1000\r\n", &b" ".repeat(0x1000)[..], b"\r\n"].concat();
            while stream.write_all(&chunk).await.is_ok() {
                seen.sent.fetch_add(0x1000, Ordering::SeqCst);
            }
        }
    }
}

fn kind<T: std::fmt::Debug>(outcome: &Result<T, FetchError>) -> &'static str {
    outcome.as_ref().map_or_else(FetchError::kind, |_| "ok")
}

#[tokio::test]
async fn asks_as_it_should() {
    let server = Server::start(None).await;
    let document = server.fetch().fetch().await.unwrap();
    assert_eq!(document.body, key_set(&[1]));
    let head = server.seen.head.lock().unwrap().clone();
    assert!(head.starts_with("get /keys http/1.1\r\n"), "{head}");
    for line in ["accept: application/jwk-set+json, application/json", "accept-encoding: identity"] {
        assert!(head.contains(&format!("{line}\r\n")), "{head}");
    }
    assert!(head.contains(&format!("host: localhost:{}\r\n", server.port)), "{head}");
}

/// Every way to fail, against a set that goes on serving.
#[tokio::test]
async fn the_last_good_set_serves_whatever_the_source_does() {
    let server = Server::start(None).await;
    let clock = Arc::new(ManualClock::new(SIGNED));
    let fetch = server.fetch().timeout(Duration::from_millis(500));
    let keys = RemoteKeys::new(
        Verifier::builder("gemini").key_set(KeySet::default()).build().unwrap(),
        Jwks::new(fetch, Config::default(), Arc::clone(&clock)),
    );
    assert!(matches!(keys.refresh(&keys.verifier()).await, Refreshed::Newer(_)));
    let good = key_set(&[1]);
    let cut_short = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{good}", good.len() + 1);
    let too_large = [good.as_bytes(), &b" ".repeat(256 * 1024)].concat();
    let compressed = "content-encoding: gzip";
    let cases = [
        ("500", Answer::new("500 Internal Server Error", &[], &good), "status"),
        ("404", Answer::new("404 Not Found", &[], &good), "status"),
        ("204", Answer::raw("HTTP/1.1 204 No Content\r\n\r\n"), "status"),
        ("206", Answer::new("206 Partial Content", &[], &good), "status"),
        ("301", Answer::new("301 Moved Permanently", &["location: /other"], &good), "redirect"),
        ("302", Answer::new("302 Found", &["location: https://example.com/"], &good), "redirect"),
        ("307", Answer::new("307 Temporary Redirect", &["location: /keys"], ""), "redirect"),
        ("304", Answer::raw("HTTP/1.1 304 Not Modified\r\n\r\n"), "redirect"),
        ("silence", Answer::Hang(Vec::new()), "timeout"),
        ("half an answer", Answer::Hang(cut_short.clone().into()), "timeout"),
        ("10 MB", Answer::ok(b" ".repeat(10_000_000)), "too_large"),
        ("one byte too many", Answer::ok(too_large), "too_large"),
        (
            "more announced than is read",
            Answer::Hang(b"HTTP/1.1 200 OK\r\ncontent-length: 262145\r\n\r\n".into()),
            "too_large",
        ),
        ("no end", Answer::Endless, "too_large"),
        ("a huge head", Answer::new("200 OK", &[&format!("x: {}", "y".repeat(200_000))], &good), "interrupted"),
        ("HTML", Answer::new("200 OK", &["content-type: text/html"], "<html>Sign in</html>"), "not_a_key_set"),
        ("nothing", Answer::ok(""), "not_a_key_set"),
        ("an empty set", Answer::ok(r#"{"keys":[]}"#), "no_usable_key"),
        ("too many keys", Answer::ok(json!({ "keys": vec![jwk(1); 65] }).to_string()), "too_many_keys"),
        ("compressed", Answer::new("200 OK", &[compressed], &good), "encoding"),
        ("dropped at once", Answer::raw(""), "interrupted"),
        ("dropped in the head", Answer::raw("HTTP/1.1 200 OK\r\ncontent-"), "interrupted"),
        ("dropped in the body", Answer::raw(&cut_short), "interrupted"),
        ("no HTTP", Answer::raw("SSH-2.0-OpenSSH_9.6\r\n\r\n"), "interrupted"),
    ];
    for (number, (name, answer, kind)) in (1..).zip(cases) {
        server.answers(answer);
        clock.advance(DEMAND_INTERVAL);
        let before = keys.jwks().stats().failures.get(kind).copied().unwrap_or_default();
        assert!(matches!(keys.refresh(&keys.verifier()).await, Refreshed::Unavailable), "{name}");
        let stats = keys.jwks().stats();
        assert_eq!(stats.failures.get(kind), Some(&(before + 1)), "{name}: {:?}", stats.failures);
        assert_eq!((stats.state, stats.fetches), (State::Stale, number + 1), "{name}");
        assert!(verify(&keys.verifier(), &delivery(1)).is_ok(), "{name}");
    }
    assert_eq!(server.requests(), keys.jwks().stats().fetches, "one request for a fetch, and no redirect followed");
    assert!(server.seen.sent.load(Ordering::SeqCst) < 8_000_000, "it does not read on");

    server.answers(Answer::ok(key_set(&[2])));
    clock.advance(DEMAND_INTERVAL);
    assert!(matches!(keys.refresh(&keys.verifier()).await, Refreshed::Newer(_)));
    assert_eq!(keys.jwks().stats().state, State::Fresh);
    assert!(verify(&keys.verifier(), &delivery(2)).is_ok());
    assert!(verify(&keys.verifier(), &delivery(1)).is_err());
}

#[tokio::test]
async fn one_bad_key_does_not_spoil_the_good_ones() {
    let server = Server::start(None).await;
    let bad = json!({"kty": "OKP", "crv": "Ed25519", "kid": "bad", "x": "AAAA"});
    let odd = json!({"kty": 7});
    server.answers(Answer::ok(json!({ "keys": [bad, jwk(1), odd, 5, jwk(2)] }).to_string()));
    let jwks = Jwks::new(server.fetch(), Config::default(), ManualClock::new(SIGNED));
    let set = jwks.refresh().await.unwrap();
    assert_eq!(set.labels().map(|(label, _)| label).collect::<Vec<_>>(), ["key-1", "key-2"]);
}

#[tokio::test]
async fn a_document_may_be_as_large_as_the_limit_and_come_in_chunks() {
    let server = Server::start(None).await;
    let mut document = key_set(&[1]).into_bytes();
    document.resize(256 * 1024, b' ');
    server.answers(Answer::ok(&document));
    assert_eq!(server.fetch().fetch().await.unwrap().body, document);
    let chunks = document.chunks(1000).flat_map(|chunk| {
        let size = format!("{:x}\r\n", chunk.len());
        [size.as_bytes(), chunk, b"\r\n"].concat()
    });
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunked: Vec<u8> = head.iter().copied().chain(chunks).chain(*b"0\r\n\r\n").collect();
    server.answers(Answer::Bytes(chunked));
    assert_eq!(server.fetch().fetch().await.unwrap().body, document);
}

#[tokio::test]
async fn cache_control_is_passed_on() {
    let server = Server::start(None).await;
    let cases: [(&[&str], _); 5] = [
        (&["cache-control: public, max-age=19801"], Some(Duration::from_secs(19801))),
        (&["cache-control: public, max-age=19800", "age: 19000"], Some(Duration::from_secs(800))),
        (&["cache-control: no-store"], Some(Duration::ZERO)),
        (&["cache-control: max-age=999999999999999999999999"], Some(Duration::MAX)),
        (&[], None),
    ];
    for (headers, max_age) in cases {
        server.answers(Answer::new("200 OK", headers, key_set(&[1])));
        assert_eq!(server.fetch().fetch().await.unwrap().max_age, max_age, "{headers:?}");
    }
}

#[tokio::test]
async fn nobody_listens() {
    let server = Server::start(None).await;
    let fetch = server.fetch();
    server.task.abort();
    while !server.task.is_finished() {
        tokio::task::yield_now().await;
    }
    let outcome = fetch.fetch().await;
    assert_eq!(kind(&outcome), "connect", "{outcome:?}");
}

#[tokio::test]
async fn https_proves_whom_it_talks_to() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let cases = [
        ("good", Some(ours.server("localhost", false)), "ok"),
        ("of another authority", Some(theirs.server("localhost", false)), "tls"),
        ("for another name", Some(ours.server("example.com", false)), "tls"),
        ("expired", Some(ours.server("localhost", true)), "tls"),
        ("no TLS", None, "tls"),
    ];
    for (name, tls, expected) in cases {
        let server = Server::start(tls).await;
        let fetch = HttpFetch::with_ca(server.url("https"), ours.pem().as_bytes()).unwrap();
        let outcome = fetch.timeout(Duration::from_secs(5)).fetch().await;
        assert_eq!(kind(&outcome), expected, "{name}: {outcome:?}");
        assert_eq!(server.requests(), u64::from(expected == "ok"), "{name}: nothing is asked of a stranger");
    }
    let server = Server::start(Some(ours.server("localhost", false))).await;
    let outcome = HttpFetch::new(server.url("https")).fetch().await;
    assert_eq!(kind(&outcome), "tls", "a private authority is not trusted unasked: {outcome:?}");
}

#[tokio::test]
async fn a_proxy_is_used_for_https_and_never_for_this_machine_by_http() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let proxy = || Some(Proxy::parse(&nobody).unwrap());
    let authority = Authority::new();
    let server = Server::start(Some(authority.server("localhost", false))).await;
    let fetch = HttpFetch::with_ca(server.url("https"), authority.pem().as_bytes()).unwrap();
    let outcome = fetch.clone().proxy(proxy()).fetch().await;
    assert_eq!((kind(&outcome), server.requests()), ("proxy", 0), "nothing goes around the proxy: {outcome:?}");
    // The order of the settings makes no difference.
    let outcome = fetch.proxy(proxy()).timeout(Duration::from_secs(5)).proxy(None).fetch().await;
    assert_eq!(kind(&outcome), "ok", "{outcome:?}");

    let plain = Server::start(None).await;
    let outcome = plain.fetch().proxy(proxy()).fetch().await;
    assert_eq!(kind(&outcome), "ok", "whoever runs the proxy could replace the keys: {outcome:?}");
}

#[tokio::test]
async fn rotates_over_https() {
    let authority = Authority::new();
    let server = Server::start(Some(authority.server("localhost", false))).await;
    let fetch = HttpFetch::with_ca(server.url("https"), authority.pem().as_bytes()).unwrap();
    let clock = Arc::new(ManualClock::new(SIGNED));
    let jwks = Jwks::new(fetch, Config::default(), Arc::clone(&clock));
    let keys = RemoteKeys::new(Verifier::builder("gemini").key_set(KeySet::default()).build().unwrap(), jwks);
    let mut accepted = Vec::new();
    for published in [&[1][..], &[1, 2], &[2]] {
        server.answers(Answer::ok(key_set(published)));
        clock.advance(DEMAND_INTERVAL);
        assert!(matches!(keys.refresh(&keys.verifier()).await, Refreshed::Newer(_)));
        accepted.push([1, 2].map(|key| verify(&keys.verifier(), &delivery(key)).is_ok()));
    }
    assert_eq!(accepted, [[true, false], [true, true], [false, true]]);
}

#[tokio::test]
async fn spawned_keys_are_fetched_at_once_and_until_the_last_clone_is_dropped() {
    let server = Server::start(None).await;
    let alone = tasks();
    let base = || Verifier::builder("gemini").key_set(KeySet::default()).build().unwrap();
    let keys = RemoteKeys::spawn(base(), server.url("http"));
    let clone = keys.clone();
    until(|| keys.jwks().stats().state == State::Fresh && tasks() == alone + 1).await;
    assert_eq!(server.requests(), 1, "no delivery asked for it");
    assert!(verify(&clone.verifier(), &delivery(1)).is_ok());
    drop(keys);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(tasks(), alone + 1, "a clone needs the keys");
    drop(clone);
    until(|| tasks() == alone).await;
    // A delivery that arrives before the first fetch has ended waits for it.
    let keys = RemoteKeys::spawn(base(), server.fetch());
    assert!(matches!(keys.refresh(&keys.verifier()).await, Refreshed::Newer(_)));
    assert_eq!(server.requests(), 2);
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap();
}

#[test]
fn what_is_no_authority_is_refused() {
    use countersign_jwks::http::CaError;
    let url = || JwksUrl::parse("https://example.com/keys").unwrap();
    assert_eq!(HttpFetch::with_ca(url(), b"").unwrap_err(), CaError::Empty);
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(HttpFetch::with_ca(url(), broken).unwrap_err(), CaError::Malformed(_)));
}
