//! Unusual responses of backends: a response that can be parsed reaches the sender with exactly one correct framing,
//! and one that cannot is `upstream_malformed`.

use crate::common::{Gateway, InProcess, Peer, Raw, Running, SOURCE, Upstream, Wire, delivery, noise, route_to, soon};
use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt;

const TIMEOUT: &str = "upstream_timeout = \"10s\"";
const WIRES: [Wire; 2] = [Wire::Http1Length, Wire::Http2Length];

/// A backend that responds to the delivery `case_N_…` with the bytes of case N, and closes the connection.
async fn responding(cases: Vec<Bytes>) -> Upstream {
    Upstream::start(move |_, mut peer: Peer| {
        let cases = cases.clone();
        async move {
            if let Some(id) = peer.request().await {
                let case: usize = id.split('_').nth(1).expect("a number").parse().expect("a number");
                peer.write(&cases[case]).await;
            }
        }
    })
    .await
}

/// A gateway in the process of the test before such a backend.
async fn in_process(cases: Vec<Bytes>) -> (Upstream, InProcess) {
    let upstream = responding(cases).await;
    let gateway = InProcess::before_upstreams(&[upstream.address], TIMEOUT);
    (upstream, gateway)
}

/// A gateway as a process, for what a response is on the wire.
async fn on_sockets(cases: Vec<Bytes>) -> (Upstream, Gateway) {
    let upstream = responding(cases).await;
    let gateway = Gateway::start(&[SOURCE, &route_to(&[upstream.address], TIMEOUT)].concat()).await;
    (upstream, gateway)
}

fn handled(upstream: &Upstream, id: &str) -> usize {
    upstream.ids().iter().filter(|read| *read == id).count()
}

fn many_headers(count: usize) -> String {
    (0..count).fold(String::new(), |headers, n| headers + &format!("x-{n}: y\r\n"))
}

/// The response head as it is on the wire of HTTP/1.1, with names in lower case.
async fn raw_head(gateway: &Gateway, id: &str) -> String {
    let mut raw = Raw::open(gateway.address).await;
    raw.write(delivery(id, "{}").set("connection", "close").bytes()).await;
    let bytes = raw.rest().await;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    String::from_utf8_lossy(&bytes[..end + 2]).to_ascii_lowercase()
}

#[tokio::test]
async fn what_can_be_understood_reaches_the_sender_with_one_true_framing() {
    let ok = |head: &str| format!("HTTP/1.1 200 OK\r\n{head}\r\nok");
    let length = |headers: &str| ok(&format!("{headers}content-length: 2\r\n"));
    let cases: Vec<(&str, String)> = vec![
        ("a folded header", length("x-a: one\r\n two\r\n")),
        ("a policy folded over lines", length("Content-Security-Policy:\r\n    default-src 'self';\r\n\tscript-src 'self'\r\n")),
        ("a fold behind lines that end in LF", "HTTP/1.1 200 OK\nx-a: one\n two\ncontent-length: 2\n\nok".into()),
        ("an empty fold", length("x-a:\r\n \r\n")),
        ("a folded length", ok("content-length:\r\n 2\r\n")),
        ("a space before the colon", length("Access-Control-Allow-Credentials : true\r\n")),
        ("a tab before the colon of the length", ok("content-length\t: 2\r\n")),
        ("a space in a name", length("X Powered By: me\r\n")),
        ("an empty name", length(": x\r\n")),
        ("no colon", length("nonsense\r\n")),
        ("no colon, then a fold", length("nonsense\r\n more of it\r\n")),
        ("a fold before the first header", length(" x: y\r\n")),
        ("a control character in a value", length("set-cookie: ___utmva=dmo\u{1}OZPF; path=/\r\n")),
        ("a control character in a name", length("x\u{7}y: z\r\n")),
        ("bytes above ASCII in a name", length("x-\u{e9}: z\r\n")),
        ("bytes above ASCII in a value", length("x-name: caf\u{e9}\r\n")),
        ("a reason phrase above ASCII", "HTTP/1.1 200 \u{c7}a va\r\ncontent-length: 2\r\n\r\nok".into()),
        ("no reason phrase", "HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok".into()),
        ("the length twice", length("content-length: 2\r\n")),
        ("the length as a list", ok("content-length: 2, 2\r\n")),
        ("chunked and a length", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n".into()),
        ("chunked and another length", "HTTP/1.1 200 OK\r\ncontent-length: 17\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".into()),
        ("chunked and two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 7\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".into()),
        ("chunk extensions", "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2;a=b;c=\"d\"\r\nok\r\n0;x\r\n\r\n".into()),
        ("chunk sizes with zeros", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0000001\r\no\r\n0001\r\nk\r\n000\r\n\r\n".into()),
        ("trailers", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-a\r\n\r\n2\r\nok\r\n0\r\nx-a: b\r\ncountersign-outcome: duplicate\r\ncontent-length: 9\r\n\r\n".into()),
        ("early hints", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".into()),
        ("several interim responses", format!("{}{}", "HTTP/1.1 102 P\r\n\r\n".repeat(20), length(""))),
        ("no length", ok("")),
        ("an unknown length of HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nok".into()),
        ("a length of HTTP/1.0", "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok".into()),
        ("identity", ok("transfer-encoding: identity\r\n")),
        ("connection: close", length("connection: close\r\n")),
        ("connection lists headers", length("connection: x-hop, keep-alive\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\n")),
        ("hop-by-hop headers", length("upgrade: h2c\r\nte: trailers\r\nproxy-connection: close\r\ntrailer: x\r\n")),
        ("bytes after the response", format!("{}EXTRA", length(""))),
        ("another response after it", format!("{0}{0}", length("x-n: 1\r\n"))),
        ("an empty line before it", format!("\r\n{}", length(""))),
        ("an outcome that is not the backend's to tell", length("countersign-outcome: duplicate\r\nCountersign_Verdict: x\r\n")),
    ];
    let (upstream, gateway) = on_sockets(cases.iter().map(|(_, bytes)| latin1(bytes)).collect()).await;
    for (case, (name, _)) in cases.iter().enumerate() {
        for wire in WIRES {
            let id = format!("case_{case}_{wire:?}");
            let reply = gateway.send(&delivery(&id, "{}"), wire).await;
            assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, &b"ok"[..]), "{name}: {reply:?}");
            assert_eq!(reply.outcome(), None, "{name}");
            let lengths: Vec<_> = reply.headers.get_all("content-length").iter().collect();
            assert!(lengths.is_empty() || lengths == ["2"], "{name}: {reply:?}");
            for header in ["x-hop", "keep-alive", "upgrade", "te", "proxy-connection", "trailer", "countersign_verdict"]
            {
                assert!(!reply.headers.contains_key(header), "{name}: {reply:?}");
            }
            let again = gateway.send(&delivery(&id, "{}"), wire).await;
            assert_eq!((again.status, again.outcome()), (StatusCode::OK, Some("duplicate")), "{name}");
            assert_eq!(handled(&upstream, &id), 1, "{name}");
        }
        let head = raw_head(&gateway, &format!("case_{case}_raw")).await;
        let framings = ["\r\ncontent-length: 2\r\n", "\r\ntransfer-encoding: chunked\r\n"];
        let found = framings.map(|framing| head.matches(framing).count());
        assert!(found == [1, 0] || found == [0, 1], "{name}: {head}");
        assert_eq!(
            head.matches("content-length").count() + head.matches("transfer-encoding").count(),
            1,
            "{name}: {head}"
        );
    }
}

#[tokio::test]
async fn a_folded_header_reaches_the_sender_on_one_line() {
    let text = "HTTP/1.1 200 OK\r\nx-a: one\r\n\t two\r\nx-b : 3\r\nbad name: 4\r\ncontent-length: 2\r\n\r\nok";
    let (_upstream, gateway) = in_process(vec![latin1(text)]).await;
    for wire in WIRES {
        let reply = gateway.send(&delivery(&format!("case_0_{wire:?}"), "{}"), wire).await;
        assert_eq!((reply.header("x-a"), reply.header("x-b")), (Some("one two"), Some("3")), "{reply:?}");
    }
}

#[tokio::test]
async fn a_head_of_many_headers_reaches_the_sender_whole() {
    let length = |headers: String| latin1(&format!("HTTP/1.1 200 OK\r\n{headers}content-length: 2\r\n\r\nok"));
    let counts = [101, 150, 500];
    let mut cases: Vec<_> = counts.iter().map(|count| length(many_headers(*count))).collect();
    cases.push(length(format!("x-long: {}\r\n", "y".repeat(60 * 1024))));
    let (_upstream, gateway) = on_sockets(cases).await;
    for (case, count) in counts.iter().enumerate() {
        let head = raw_head(&gateway, &format!("case_{case}_raw")).await;
        assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
        assert_eq!(head.matches("\r\nx-").count(), *count);
    }
    let head = raw_head(&gateway, "case_3_raw").await;
    assert!(head.starts_with("http/1.1 200 ok\r\n") && head.contains(&"y".repeat(60 * 1024)), "{}", head.len());
}

#[tokio::test]
async fn trailers_reach_the_sender_without_those_that_look_like_the_gateways() {
    let text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-a: b\r\n\
                countersign-outcome: duplicate\r\ncontent-length: 9\r\nconnection: close\r\n\r\n";
    let (_upstream, gateway) = in_process(vec![latin1(text)]).await;
    let response = gateway.call(Wire::Http2Length.received(&delivery("case_0_trailers", "{}"))).await;
    let body = soon(response.into_body().collect()).await.expect("a whole body");
    let trailers: Vec<_> = body.trailers().expect("trailers").iter().collect();
    assert_eq!(trailers.len(), 1, "{trailers:?}");
    assert_eq!(trailers[0].0, "x-a");
}

#[tokio::test]
async fn a_status_without_a_body_has_none_and_no_length() {
    let cases = [
        "HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
    ];
    let (upstream, gateway) = on_sockets(cases.map(latin1).to_vec()).await;
    for case in 0..cases.len() {
        for wire in WIRES {
            let id = format!("case_{case}_{wire:?}");
            let reply = gateway.send(&delivery(&id, "{}"), wire).await;
            assert_eq!((reply.status, reply.body.len()), (StatusCode::NO_CONTENT, 0));
            assert!(!reply.headers.contains_key("content-length"), "{reply:?}");
            assert_eq!(handled(&upstream, &id), 1);
        }
        let head = raw_head(&gateway, &format!("case_{case}_raw")).await;
        assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{head}");
    }
}

#[tokio::test]
async fn what_cannot_be_understood_is_malformed_and_the_retry_is_forwarded() {
    let ok = |head: &str| format!("HTTP/1.1 200 OK\r\n{head}\r\nok");
    let length = |headers: &str| ok(&format!("{headers}content-length: 2\r\n"));
    let status = |status: &str| format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok");
    let cases: Vec<(&str, String)> = vec![
        ("ICY", "ICY 200 OK\r\ncontent-length: 2\r\n\r\nok".into()),
        ("HTTP/0.9", "<html>ok</html>".into()),
        ("HTTP/2.0", "HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\nok".into()),
        ("frames of HTTP/2", "\0\0\u{6}\u{4}\0\0\0\0\0\0\u{5}\0\0@\0".into()),
        ("a TLS alert", "\u{15}\u{3}\u{1}\0\u{2}\u{2}F".into()),
        ("a greeting of another protocol", "220 mail.example.com ESMTP\r\n".into()),
        ("101", "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n".into()),
        ("600", status("600")),
        ("999", status("999")),
        ("099", status("099")),
        ("20", status("20")),
        ("2000", status("2000")),
        ("two lengths", length("content-length: 3\r\n")),
        ("a list of two lengths", ok("content-length: 2, 3\r\n")),
        ("a list with a gap", ok("content-length: 2,\r\n")),
        ("a signed length", ok("content-length: +2\r\n")),
        ("a negative length", ok("content-length: -2\r\n")),
        ("a hexadecimal length", ok("content-length: 0x2\r\n")),
        ("an empty length", ok("content-length:\r\n")),
        ("a length in words", ok("content-length: two\r\n")),
        ("a length too large", ok("content-length: 99999999999999999999\r\n")),
        ("gzip", ok("transfer-encoding: gzip\r\n")),
        ("gzip, chunked", "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".into()),
        ("chunked twice", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".into()),
        (
            "chunked on two lines",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".into(),
        ),
        ("chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".into()),
        ("a NUL in a value", length("x: a\0b\r\n")),
        ("a bare CR in a value", length("x: a\rcontent-length: 7\r\n")),
        ("600 headers", length(&many_headers(600))),
        ("a head of 100 KiB", length(&format!("x-a: {}\r\n", "y".repeat(100 * 1024)))),
        (
            "300 KiB of interim responses",
            format!("{}{}", "HTTP/1.1 103 E\r\nlink: </a>\r\n\r\n".repeat(10_000), length("")),
        ),
        ("half a head", "HTTP/1.1 200 OK\r\ncontent-le".into()),
        ("a status line alone", "HTTP/1.1 200 OK\r\n".into()),
        ("one byte", "H".into()),
        ("an interim response alone", "HTTP/1.1 100 Continue\r\n\r\n".into()),
    ];
    let (upstream, gateway) = in_process(cases.iter().map(|(_, bytes)| latin1(bytes)).collect()).await;
    for (case, (name, _)) in cases.iter().enumerate() {
        let id = format!("case_{case}_x");
        for (attempt, wire) in WIRES.into_iter().enumerate() {
            let reply = gateway.send(&delivery(&id, "{}"), wire).await;
            assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "{name}: {reply:?}");
            assert_eq!(reply.code(), "upstream_malformed", "{name}");
            assert_eq!(handled(&upstream, &id), attempt + 1, "{name}");
        }
    }
    let expected = 2 * cases.len();
    assert_eq!(gateway.count("released", "upstream_malformed").await.to_string(), expected.to_string());
    let output = gateway.output();
    let lines: Vec<_> = output.lines().filter(|line| line.contains(" WARN ")).collect();
    assert_eq!(lines.len(), expected, "{output}");
    for line in lines {
        assert!(line.contains("no response from the upstream"), "{line}");
        assert!(line.contains(&format!("upstream=\"{}\"", upstream.address)), "{line}");
        assert!(line.contains(&format!("address={}", upstream.address)) && line.contains("error="), "{line}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_never_looks_complete() {
    let chunked = |body: &str| format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}");
    let cases: Vec<(&str, String)> = vec![
        ("less than its length", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhel".into()),
        ("nothing of its length", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n".into()),
        ("half a chunk", chunked("5\r\nhel")),
        ("no last chunk", chunked("5\r\nhello\r\n")),
        ("half a last chunk", chunked("5\r\nhello\r\n0\r\n")),
        ("no chunk", chunked("")),
        ("a chunk size that is not one", chunked("5\r\nhello\r\nzz\r\nhel\r\n0\r\n\r\n")),
        ("a chunk size too large", chunked("5\r\nhello\r\nfffffffffffffffff\r\nhel\r\n0\r\n\r\n")),
        ("a chunk longer than its size", chunked("2\r\nhello\r\n0\r\n\r\n")),
        ("a huge chunk", chunked("5\r\nhello\r\nffffffffffff\r\nhel")),
        ("extensions without end", chunked(&format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(20_000)))),
        ("trailers without end", chunked(&format!("5\r\nhello\r\n0\r\n{}\r\n", "x: y\r\n".repeat(20_000)))),
        ("an error of HTTP/1.0", "HTTP/1.0 500 X\r\ncontent-length: 10\r\n\r\nhel".into()),
    ];
    let (upstream, gateway) = in_process(cases.iter().map(|(_, bytes)| latin1(bytes)).collect()).await;
    for (case, (name, _)) in cases.iter().enumerate() {
        for wire in WIRES {
            let id = format!("case_{case}_{wire:?}");
            let reply = gateway.try_send(&delivery(&id, "{}"), wire).await;
            assert!(reply.is_none(), "{name}, {wire:?}: {reply:?}");
            assert_eq!(handled(&upstream, &id), 1, "{name}");
        }
    }
    let output = gateway.output();
    let lines = output.lines().filter(|line| line.contains(" WARN "));
    assert!(lines.clone().all(|line| line.contains("the upstream's response is incomplete")), "{output}");
    assert_eq!(lines.count(), 2 * cases.len(), "{output}");
}

#[tokio::test]
async fn a_large_body_arrives_whole_however_it_is_framed() {
    let large = noise(5_000_000);
    let framed =
        |head: &str, body: &[u8]| Bytes::from([b"HTTP/1.1 200 OK\r\n", head.as_bytes(), b"\r\n\r\n", body].concat());
    let pieces =
        large.chunks(70_001).flat_map(|piece| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
    let chunked: Vec<u8> = pieces.chain(*b"0\r\n\r\n").collect();
    let cases = vec![
        framed(&format!("content-length: {}", large.len()), &large),
        framed("transfer-encoding: chunked", &chunked),
        framed("x: y", &large),
    ];
    let (_upstream, gateway) = in_process(cases).await;
    for case in 0..3 {
        for wire in WIRES {
            let reply = gateway
                .try_send(&delivery(&format!("case_{case}_{wire:?}"), "{}"), wire)
                .await
                .expect("a whole response");
            assert!(reply.status == StatusCode::OK && reply.body == large, "{case}: {} bytes", reply.body.len());
        }
    }
}

/// A text whose characters are bytes.
fn latin1(text: &str) -> Bytes {
    text.chars().map(|character| u8::try_from(u32::from(character)).expect("a byte")).collect()
}
