#![expect(clippy::format_push_string, reason = "a test may allocate")]

use super::*;

/// Reads the bytes in pieces of this size.
fn scan(bytes: &[u8], piece: usize) -> Scan {
    let mut scan = Scan::new();
    bytes.chunks(piece).for_each(|piece| scan.read(piece));
    scan
}

const PIECES: [usize; 5] = [1, 2, 3, 7, 10_000];

#[test]
fn the_heads_of_pipelined_requests_are_found_whatever_their_framing() {
    let heads = [
        "POST /a HTTP/1.1\r\nhost: h\r\nContent-Length:  5 \r\n\r\n",
        "\r\nPOST /b HTTP/1.1\r\nTransfer-ENCODING: chunked\r\n\r\n",
        "GET /c HTTP/1.1\nhost: h\n\n",
        "POST /d HTTP/1.1\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n",
    ];
    let bodies =
        ["\r\n\r\nx", "5;name=\"a\"\r\n\r\n\r\nx\r\n00A\r\n0123456789\r\n0\r\nx: transfer-encoding\r\n\r\n", "", ""];
    let all: String = heads.iter().zip(bodies).map(|(head, body)| [*head, body].concat()).collect();
    for piece in PIECES {
        let mut scan = scan(all.as_bytes(), piece);
        assert_eq!(scan.head_bytes(), heads.iter().map(|head| head.len()).sum::<usize>());
        for head in heads {
            assert!(scan.is_complete() && !scan.is_between_requests());
            let seen = scan.next_head();
            assert_eq!((seen.bytes, seen.two_framings), (head.len(), false), "{head} in pieces of {piece}");
        }
        assert!(scan.is_between_requests() && scan.head_bytes() == 0);
    }
}

#[test]
fn a_length_beside_an_encoding_is_seen_in_either_order() {
    for framing in [
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        "content-length: 5\r\nTRANSFER-encoding: chunked\r\n",
        "content-length: nonsense\r\nx: y\r\ntransfer-encoding:chunked\r\n",
        "content-length:                                                                              5\r\n\
         transfer-encoding:                                                                     chunked\r\n",
    ] {
        for piece in PIECES {
            let text = format!("POST / HTTP/1.1\r\n{framing}\r\n0\r\n\r\n");
            assert!(scan(text.as_bytes(), piece).next_head().two_framings, "{framing}");
        }
    }
}

#[test]
fn once_the_framing_is_lost_every_encoding_is_in_doubt() {
    for start in [
        "POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n10000000000000000\r\n",
    ] {
        let mut scan = scan(format!("{start}POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n").as_bytes(), 3);
        scan.next_head();
        assert!(scan.is_lost() && !scan.is_between_requests(), "{start}");
        assert!(scan.next_head().two_framings, "{start}");
    }
    let mut scan = scan(b"", 1);
    assert!(!scan.is_lost());
    assert!(scan.next_head().two_framings && scan.is_lost(), "hyper has seen a head that is not there");
}

const NOISE: [&str; 9] = [" ", "\t", "0", "a", "\r", ";", "\n", "\r\n", "POST /000025 HTTP/1.1\r\n\r\n"];

fn pick<'a>(random: &mut fastrand::Rng, pieces: &[&'a str]) -> &'a str {
    pieces[random.usize(..pieces.len())]
}

/// Those that end no line.
const IN_LINE: &[&str] = NOISE.split_at(6).0;

/// Nothing in most cases, and otherwise something that may make the request invalid.
fn noise(random: &mut fastrand::Rng, pieces: &[&'static str]) -> &'static str {
    if random.u8(..) < 8 { pick(random, pieces) } else { "" }
}

fn blank(random: &mut fastrand::Rng) -> String {
    pick(random, &[" ", "\t"]).repeat([0, 1, 70][random.usize(..3)])
}

/// A number as few write it.
fn number(random: &mut fastrand::Rng, digits: &str) -> String {
    "0".repeat([0, 0, 1, 15, 70][random.usize(..5)]) + digits
}

/// A request whose path is the length of its head, without blank lines before it.
fn request(random: &mut fastrand::Rng) -> String {
    let start = pick(random, &["", "", "\r\n", "\n"]).repeat(random.usize(..3));
    let end = pick(random, &["\r\n", "\r\n", "\n"]);
    let body = pick(random, &["", "x", "\r\n\r\n0\r\n", "POST /000025 HTTP/1.1\r\n\r\n"]);
    let mut head = String::new();
    let mut content = String::new();
    let is_chunked = random.bool();
    if is_chunked {
        let name = pick(random, &["transfer-encoding", "Transfer-Encoding"]);
        head += &format!("{name}:{}chunked{}{}{end}", blank(random), blank(random), noise(random, IN_LINE));
        let extension = |random: &mut fastrand::Rng| {
            let value = "a".repeat(random.usize(..100));
            blank(random) + pick(random, &["", ";", ";a=", ";\""]) + pick(random, &["", &value]) + noise(random, &NOISE)
        };
        if !body.is_empty() {
            let size = pick(random, &[&format!("{:x}", body.len()), &format!("{:X}", body.len())]).to_owned();
            content +=
                &format!("{}{}\r\n{body}{}\r\n", number(random, &size), extension(random), noise(random, &NOISE));
        }
        content += &format!("{}{}\r\n", number(random, "0"), extension(random));
        let trailers = ["x: y\r\n", "\n\r\n", "x: y\n\nPOST /0 HTTP/1.1\r\n", "a: \n\r\n", "b:\n"];
        for _ in 0..random.usize(..3) {
            content += pick(random, &trailers);
        }
        content += noise(random, &NOISE);
        content += "\r\n";
    }
    if !is_chunked || random.u8(..) < 20 {
        let name = pick(random, &["content-length", "Content-Length"]);
        for _ in 0..random.usize(usize::from(!body.is_empty())..3) {
            let value = number(random, &body.len().to_string());
            head += &format!("{name}:{}{value}{}{}{end}", blank(random), noise(random, IN_LINE), blank(random));
            if !is_chunked {
                content = body.to_owned();
            }
        }
    }
    let bytes = "POST /000000 HTTP/1.1".len() + end.len() + head.len() + end.len();
    format!("{start}POST /{bytes:06} HTTP/1.1{end}{head}{end}{content}")
}

/// The paths of the requests that hyper accepts, and whether it has rejected anything.
async fn read_by_hyper(bytes: &[u8]) -> (Vec<String>, bool) {
    let (mut client, server) = tokio::io::duplex(1024 * 1024);
    tokio::io::AsyncWriteExt::write_all(&mut client, bytes).await.unwrap();
    tokio::io::AsyncWriteExt::shutdown(&mut client).await.unwrap();
    let seen = std::sync::Mutex::new((Vec::new(), false));
    let service = hyper::service::service_fn(async |request: http::Request<hyper::body::Incoming>| {
        seen.lock().unwrap().0.push(request.uri().path().to_owned());
        let body = http_body_util::BodyExt::collect(request.into_body()).await;
        seen.lock().unwrap().1 |= body.is_err();
        body.map(|_| http::Response::new(http_body_util::Empty::<bytes::Bytes>::new()))
    });
    let mut server_side = hyper::server::conn::http1::Builder::new();
    let io = hyper_util::rt::TokioIo::new(server);
    let ended = server_side.half_close(true).serve_connection(io, service).await;
    let (paths, has_bad_body) = seen.into_inner().unwrap();
    (paths, has_bad_body || ended.is_err())
}

#[tokio::test]
async fn whatever_hyper_accepts_is_followed() {
    let mut random = fastrand::Rng::with_seed(2);
    let (mut whole, mut all) = (0, 0);
    for _ in 0..3000 {
        let text: String = (0..random.usize(1..6)).map(|_| request(&mut random)).collect();
        let (paths, mut is_cut) = read_by_hyper(text.as_bytes()).await;
        let mut scan = scan(text.as_bytes(), PIECES[random.usize(..PIECES.len())]);
        for path in &paths {
            let head = scan.next_head();
            let bytes: usize = path[1..].parse().unwrap();
            // What is left of an invalid body may be blank lines before the next head.
            assert!(bytes.abs_diff(head.bytes) <= 16, "{path} is {} bytes long in {text:?}", head.bytes);
            // hyper closes the connection behind such a request.
            is_cut |= head.two_framings;
        }
        if !is_cut {
            whole += 1;
            assert!(!scan.is_lost() && scan.is_complete() && scan.complete.is_empty(), "{text:?}");
        }
        all += paths.len();
    }
    assert!(whole > 1000 && all > 4000, "{whole} of 3000 connections were valid, with {all} requests");
}

#[test]
fn an_unfinished_request_is_known_to_be_unfinished() {
    for (text, partial, complete) in [
        ("", 0, true),
        ("\r\n", 2, true),
        ("POST / HT", 9, true),
        ("POST / HTTP/1.1\r\n\r", 18, true),
        ("POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\na", 0, false),
        ("POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nab", 0, true),
        ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", 0, false),
    ] {
        let mut scan = scan(text.as_bytes(), 4);
        assert_eq!(scan.partial_bytes(), partial, "{text:?}");
        if !scan.complete.is_empty() {
            scan.next_head();
        }
        assert_eq!(scan.is_complete(), complete, "{text:?}");
    }
}
