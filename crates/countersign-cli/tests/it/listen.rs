//! `listen`, which receives what `send` and raw connections send.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::thread;

use crate::common::listening::{Listening, PATIENCE};
use crate::common::{OTHER_SECRET, SECRET, run};
use serde_json::Value;
use tempfile::TempDir;

#[test]
fn a_verified_request_is_shown_and_a_second_one_of_its_message_is_a_duplicate() {
    let listening = Listening::start(&[]);
    let ran = listening.send(&["--id", "mine", "--repeat", "2"], "/hooks?a=b");
    assert_eq!((ran.code, ran.stdout.matches(": 200 OK").count()), (0, 2), "{ran:?}");
    let first = listening.shown();
    assert!(first[0].starts_with("#1 ") && first[0].ends_with(" POST /hooks?a=b: verified, 200 OK"), "{first:?}");
    assert!(first.iter().any(|line| line == "  message id  mine"), "{first:?}");
    assert!(first.iter().all(|line| !line.contains('\u{1b}') && !line.contains("duplicate")), "{first:?}");
    let second = listening.shown();
    assert!(second.iter().any(|line| line.starts_with("  duplicate   the same message as #1")), "{second:?}");
}

#[test]
fn a_rejected_request_is_explained_and_its_capture_explains_it_again() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().to_str().expect("a plain path");
    let listening = Listening::start(&[
        "--try-secret",
        OTHER_SECRET,
        "--save",
        "failures",
        "--save-dir",
        path,
        "--color",
        "always",
    ]);
    assert_eq!(listening.send(&[], "/").code, 0);
    let ran = listening.send_with(OTHER_SECRET, &[], "/");
    assert_eq!((ran.code, ran.stdout.contains("401 Unauthorized, signature_mismatch")), (1, true), "{ran:?}");

    let verified = listening.shown();
    assert!(verified[0].contains("\u{1b}[32mverified\u{1b}[0m"), "{verified:?}");
    let shown = listening.shown();
    assert!(shown[0].contains("\u{1b}[31mrejected: signature_mismatch\u{1b}[0m, 401"), "{shown:?}");
    let cause = shown.iter().find(|line| line.contains("1. certain: ")).expect("a cause").trim();
    let saved = shown.iter().find_map(|line| line.strip_prefix("  saved as ")).expect("a capture");
    let (file, hint) = saved.split_once(": `countersign ").expect("a command");
    assert_eq!(std::fs::read_dir(path).expect("a folder").count(), 1);

    let args = hint.split_once('`').expect("the end of the command").0.split(' ');
    let again = run(args.chain(["--secret", SECRET, "--try-secret", OTHER_SECRET]));
    assert_eq!((again.code, again.stdout.contains(cause)), (1, true), "{file}: {cause}: {again:?}");
}

#[test]
fn verified_requests_are_forwarded_and_others_are_not() {
    let application = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let base = format!("http://{}/base/", application.local_addr().expect("an address"));
    let listening = Listening::start(&["--forward", &base]);
    let (sender, requests) = channel();
    thread::spawn(move || {
        for stream in application.incoming() {
            let mut stream = stream.expect("a client");
            let _ = sender.send(request(&mut stream));
            let response = "HTTP/1.1 202 Accepted\r\nx-own: 1\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
            stream.write_all(response.as_bytes()).expect("a client");
        }
    });
    assert_eq!(listening.send_with(OTHER_SECRET, &[], "/rejected").code, 1);
    let ran = listening.send(&["--id", "mine", "--header", "x-a: b"], "/hooks?a=b");
    assert!(ran.stdout.ends_with("1: 202 Accepted\n"), "{ran:?}");
    let (head, body) = requests.recv_timeout(PATIENCE).expect("a request");
    assert!(head.starts_with("POST /base/hooks?a=b HTTP/1.1\r\n"), "{head}");
    for line in ["webhook-id: mine\r\n", "x-a: b\r\n", "content-type: application/json\r\n"] {
        assert!(head.contains(line), "{line:?} is not in {head}");
    }
    assert!(body.starts_with(b"{") && requests.try_recv().is_err());
    assert!(listening.shown()[0].contains("/rejected: rejected"));
    assert!(listening.shown().iter().any(|line| line == "  forwarded   202 Accepted"));
}

#[test]
fn an_application_that_is_down_is_a_bad_gateway() {
    let free = countersign_test::process::free_address();
    let listening = Listening::start(&["--forward", &format!("http://{free}")]);
    let ran = listening.send(&[], "/");
    assert!(ran.stdout.contains("1: 502 Bad Gateway, forward_failed, cannot connect"), "{ran:?}");
    let shown = listening.shown();
    assert!(shown[0].ends_with("verified, 502 Bad Gateway"), "{shown:?}");
    assert!(shown.iter().any(|line| line.starts_with("  forwarded   cannot connect")), "{shown:?}");
}

#[test]
fn large_bodies_and_other_methods_are_not_webhooks() {
    let listening = Listening::start(&["--body-limit", "10"]);
    for (sent, status, code) in [
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\n12345678901", "413 ", "body_too_large"),
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", "405 ", "method_not_allowed"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}", "401 ", "header_missing"),
    ] {
        let mut stream = TcpStream::connect(listening.address).expect("a connection");
        stream.write_all(sent.replacen("\r\n", "\r\nconnection: close\r\n", 1).as_bytes()).expect("a server");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("a response");
        assert!(response.starts_with(&format!("HTTP/1.1 {status}")), "{response}");
        assert_eq!(response.contains("\r\nallow: POST\r\n"), status == "405 ", "{response}");
        let shown = listening.shown();
        assert!(shown[0].contains(code) || shown.iter().any(|line| line.contains(code)), "{code}: {shown:?}");
    }
}

#[test]
fn each_request_is_a_line_of_json() {
    let listening = Listening::start(&["--json"]);
    listening.send(&["--id", "mine"], "/");
    listening.send_with(OTHER_SECRET, &["--id", "mine"], "/x");
    let [first, second] = [(); 2].map(|()| -> Value { serde_json::from_str(&listening.line()).expect("JSON") });
    assert_eq!((&first["number"], &first["status"], &first["path"]), (&1.into(), &200.into(), &"/".into()));
    assert_eq!((&first["verification"]["verdict"], &first["duplicate_of"]), (&"verified".into(), &Value::Null));
    assert_eq!((&second["status"], &second["verification"]["reason"]), (&401.into(), &"signature_mismatch".into()));
    assert!(second["verification"]["findings"].as_array().is_some_and(|findings| !findings.is_empty()), "{second}");
}

#[test]
fn a_number_saves_that_request() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().to_str().expect("a plain path");
    let mut listening = Listening::start(&["--save-dir", path]);
    listening.send(&[], "/");
    listening.shown();
    for (typed, expected) in
        [("1", "  saved as "), ("list", "#1 "), ("7", "there is no request #7"), ("?", "type the number of a request")]
    {
        writeln!(listening.stdin, "{typed}").expect("a reader");
        let line = listening.line();
        assert!(line.starts_with(expected), "{typed}: {line}");
    }
    let saved = std::fs::read_dir(path).expect("a folder").next().expect("a file").expect("a file").path();
    let ran = run(["verify", "--request", saved.to_str().expect("a plain path"), "--secret", SECRET]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn what_cannot_be_listened_for_is_a_usage_error() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a socket").local_addr().expect("an address");
    let _holder = TcpListener::bind(taken).expect("the same socket");
    let taken = taken.to_string();
    for (args, expected) in [
        (vec!["--listen", &taken], "cannot be listened on"),
        (vec!["--save-dir", "/does/not/exist"], "is not a folder: create it"),
        (vec!["--forward", "ftp://a"], "is not a URL such as"),
        (vec!["--listen", "127.0.0.1:0", "--forward", "http://a/?b"], "leave out the query"),
        (vec!["--body-limit", "0"], "0 is not in"),
    ] {
        let ran = run(["listen", "--secret", SECRET].into_iter().chain(args.iter().copied()));
        assert_eq!((ran.code, ran.stderr.contains(expected)), (2, true), "{args:?}: {ran:?}");
    }
}

/// The head of a request, and its body.
fn request(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).expect("a head"), 0, "{head}");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.expect("a length")];
    reader.read_exact(&mut body).expect("a body");
    (head, body)
}
