//! `send`, against a server on a socket that verifies what it gets.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use crate::common::dynamic::{AUDIENCE, RSA, jwks, private_text};
use crate::common::{Captured, SECRET, run};
use countersign::clock::{Clock as _, SystemClock};
use countersign::gemini::EventKind;
use countersign::{KeySet, Secret, TokenPolicy, Verified, Verifier};
use http::{HeaderMap, HeaderName, HeaderValue};

const OK: &str = "HTTP/1.1 200 OK\r\ncountersign-outcome: duplicate\r\ncontent-length: 0\r\n\r\n";

#[test]
fn every_type_of_event_is_sent_and_verifies() {
    let names = EventKind::KNOWN.iter().filter_map(|kind| kind.name());
    for name in names.chain(["batch.completed", "agent.dreamt"]) {
        let server = Server::answering(vec![OK]);
        let metadata = r#"{"job":"7"}"#;
        let ran = server.send(&["--event", name, "--user-metadata", metadata]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stdout.ends_with("1: 200 OK, countersign-outcome: duplicate\n"), "{ran:?}");
        let event = server.next().expect("verified").event().expect("an event");
        assert_eq!((event.event_type.as_str(), event.kind), (name, EventKind::from_name(name)));
        assert!(event.data.id.is_some() && event.timestamp.is_some(), "{event:?}");
        assert_eq!(event.data.error_code.is_some(), name.ends_with("failed"));
        assert_eq!(event.user_metadata.expect("metadata")["job"], "7");
    }
}

#[test]
fn a_dynamic_delivery_is_sent_in_both_ways() {
    let folder = Captured::authentic();
    let (private_key, rsa) = (folder.write("private.key", private_text(2)), folder.write("rsa.der", RSA));
    let token = ["--token-key-file", &rsa, "--kid", "rsa-1", "--audience", AUDIENCE];
    for (keys, scheme, key) in [(&["--private-key-file", &private_key][..], "v1a", "key-2"), (&token, "rs256", "rsa-1")]
    {
        let server = Server::answering(vec![OK; 2]);
        let ran = server.send_with(keys, &["--event", "video.generated", "--id", "mine", "--repeat", "2"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        for _ in 0..2 {
            let verified = server.next().expect("verified");
            let found = (verified.scheme().as_str(), verified.key_label(), verified.message_id().as_str());
            assert_eq!(found, (scheme, key, "mine"));
        }
    }
    let body = folder.write("body", "not JSON");
    let ran = run(["send", "http://127.0.0.1:1/", "--body", &body].into_iter().chain(token));
    assert_eq!((ran.code, ran.stderr.contains("not a JSON object")), (2, true), "{ran:?}");
}

#[test]
fn https_begins_with_a_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let url = format!("https://{}/", listener.local_addr().expect("an address"));
    let server = thread::spawn(move || {
        let mut first = [0; 1];
        listener.accept().expect("a connection").0.read_exact(&mut first).expect("a byte");
        first
    });
    let ran = run(["send", &url, "--event", "x", "--secret", SECRET]);
    assert_eq!((ran.code, server.join().expect("a byte")), (1, [0x16]), "{ran:?}");
    assert!(ran.stdout.contains("1: no response: "), "{ran:?}");
}

#[test]
fn a_file_is_sent_byte_for_byte_with_headers_of_ones_own() {
    let server = Server::answering(vec![OK]);
    let folder = Captured::authentic();
    let file = folder.write("body", b"\xff\0\r\n");
    let ran = server.send(&["--body", &file, "--id", "mine", "--header", "X-Own: a:b"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let verified = server.next().expect("verified");
    assert_eq!((verified.message_id().as_str(), &verified.body()[..]), ("mine", &b"\xff\0\r\n"[..]));
}

#[test]
fn repeats_have_one_id() {
    for mode in [&["--repeat", "3"][..], &["--repeat", "3", "--concurrent"], &["--repeat", "3", "--rate", "1000"]] {
        let server = Server::answering(vec![OK; 3]);
        let ran = server.send(&[&["--event", "batch.succeeded"], mode].concat());
        assert_eq!((ran.code, ran.stdout.lines().count()), (0, 4), "{ran:?}");
        let ids: Vec<_> = (0..3).map(|_| server.next().expect("verified").message_id().to_string()).collect();
        assert!(ran.stdout.starts_with(&ids[0]) && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }
}

#[test]
fn a_problem_is_told_and_a_redirect_is_not_followed() {
    let problem = r#"{"type":"about:blank","status":401,"code":"signature_mismatch","detail":"no signature fits"}"#;
    let refused = format!(
        "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\r\n{problem}",
        problem.len()
    );
    let server = Server::answering(vec![refused.leak()]);
    let ran = server.send(&["--event", "x", "--header", "webhook-signature: v1,AAAA"]);
    assert_eq!((ran.code, server.next().is_none()), (1, true), "{ran:?}");
    assert!(ran.stdout.ends_with("1: 401 Unauthorized, signature_mismatch, no signature fits\n"), "{ran:?}");

    let redirect = "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n";
    let server = Server::answering(vec![redirect, OK]);
    let ran = server.send(&["--event", "x"]);
    assert_eq!((ran.code, ran.stdout.ends_with("1: 302 Found\n")), (1, true), "{ran:?}");
}

#[test]
fn a_response_that_does_not_end_is_cut_off() {
    let server = Server::answering(vec![concat!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/problem+json\r\n",
        "content-length: 1000\r\n\r\n{"
    )]);
    let ran = server.send(&["--event", "x", "--timeout", "1s"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.ends_with("1: no response: no response within 1s\n"), "{ran:?}");
}

#[test]
fn a_body_that_is_too_large_is_not_read_and_the_status_counts() {
    let server = Server::answering(vec!["HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n{"]);
    let ran = server.send(&["--event", "x", "--timeout", "20s"]);
    assert_eq!((ran.code, ran.stdout.ends_with("1: 200 OK\n")), (0, true), "{ran:?}");
}

#[test]
fn no_server_is_no_response() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a socket").local_addr().expect("an address");
    let ran = run(["send", &format!("http://{free}/"), "--event", "x", "--secret", SECRET]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("1: no response: ") && ran.stdout.contains("refused"), "{ran:?}");
}

#[test]
fn what_cannot_be_sent_is_a_usage_error() {
    for (args, expected) in [
        (vec!["ftp://example.com/", "--event", "x"], "is not a URL such as"),
        (vec!["example.com", "--event", "x"], "is not a URL such as"),
        (vec!["http://127.0.0.1:1/"], "--event"),
        (vec!["http://127.0.0.1:1/", "--event", "x", "--repeat", "2", "--rate", "0"], "requests per second"),
        (vec!["http://127.0.0.1:1/", "--event", "x", "--user-metadata", "[]"], "write a JSON object"),
        (vec!["http://127.0.0.1:1/", "--event", "x", "--header", "a"], "name: value"),
        (vec!["http://127.0.0.1:1/", "--event", "x", "--id", "a.b"], "without space and `.`"),
    ] {
        let ran = run(["send"].into_iter().chain(args.iter().copied()).chain(["--secret", SECRET]));
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(expected), "{args:?}: {expected:?} is not in {}", ran.stderr);
    }
}

/// Gives one of the answers to each connection, and says what of it verified.
struct Server {
    url: String,
    seen: Receiver<Option<Verified>>,
}

impl Server {
    fn answering(answers: Vec<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let url = format!("http://{}/hooks", listener.local_addr().expect("an address"));
        let (sender, seen) = channel();
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().expect("a connection");
                // The test may have seen enough by now.
                let _ = sender.send(receive(&stream));
                stream.write_all(answer.replacen("\r\n", "\r\nconnection: close\r\n", 1).as_bytes()).expect("a client");
                if answer.contains("content-length: 1000\r\n") {
                    thread::park();
                }
            }
        });
        Self { url, seen }
    }

    fn send(&self, args: &[&str]) -> crate::common::Ran {
        run(["send", &self.url, "--secret", SECRET].into_iter().chain(args.iter().copied()))
    }

    fn send_with(&self, keys: &[&str], args: &[&str]) -> crate::common::Ran {
        run(["send", &self.url].iter().chain(keys).chain(args).copied())
    }

    fn next(&self) -> Option<Verified> {
        self.seen.recv().expect("a request")
    }
}

fn receive(stream: &TcpStream) -> Option<Verified> {
    let mut reader = BufReader::new(stream);
    let mut headers = HeaderMap::new();
    let mut line = String::new();
    reader.read_line(&mut line).expect("a request line");
    assert_eq!(line, "POST /hooks HTTP/1.1\r\n");
    loop {
        line.clear();
        reader.read_line(&mut line).expect("a header");
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        let name: HeaderName = name.parse().expect("a name");
        headers.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    assert_eq!(headers["content-type"], "application/json");
    let len: usize = headers["content-length"].to_str().expect("ASCII").parse().expect("a number");
    let mut body = vec![0; len];
    reader.read_exact(&mut body).expect("a body");
    let set = KeySet::parse(jwks().to_string().as_bytes()).expect("a key set");
    let verifier = Verifier::builder("test").secret(Secret::parse(SECRET).expect("a secret"));
    let verifier = verifier.key_set(set).token(TokenPolicy::new([AUDIENCE])).build().expect("a verifier");
    verifier.begin(&headers, SystemClock.now()).and_then(|attempt| attempt.finish(body.into())).ok()
}
