//! What a server cannot make the client do: read without end, wait without end, go elsewhere.

use bytes::Bytes;
use countersign_client::{Client, Error};
use http::{Method, Request, StatusCode};

use crate::server::{Act, Server, response};
use crate::{PATIENT, SHORT, get};

const LIMIT: usize = 1000;

fn client() -> Client {
    Client::builder().timeout(PATIENT).max_body(LIMIT).build()
}

#[tokio::test]
async fn a_body_up_to_the_limit_is_read_and_no_byte_more() {
    for (name, act, expected) in [
        ("as large as the limit", Act::ok(&[b'x'; LIMIT]), Ok(LIMIT)),
        ("one byte more", Act::ok(&[b'x'; LIMIT + 1]), Err(Error::TooLarge(LIMIT))),
        // Nothing of it is waited for.
        (
            "announced",
            Act::Hang(b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n".into()),
            Err(Error::TooLarge(LIMIT)),
        ),
        ("as large as the limit, in chunks", Act::Send(chunked(LIMIT)), Ok(LIMIT)),
        ("one byte more, in chunks", Act::Send(chunked(LIMIT + 1)), Err(Error::TooLarge(LIMIT))),
        ("without end", Act::Endless, Err(Error::TooLarge(LIMIT))),
        ("until the connection closes", Act::Send(b"HTTP/1.1 200 OK\r\n\r\nabc".into()), Ok(3)),
    ] {
        let server = Server::start(act).await;
        let outcome = get(&client(), &server.url("http")).await;
        assert_eq!(outcome.map(|(_, body)| body.len()), expected, "{name}");
    }
}

fn chunked(len: usize) -> Vec<u8> {
    let chunks = vec![b'x'; len];
    let chunks =
        chunks.chunks(300).flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    head.iter().copied().chain(chunks).chain(*b"0\r\n\r\n").collect()
}

#[tokio::test]
async fn the_head_comes_before_the_body_and_decides_alone() {
    let server =
        Server::start(Act::Hang(b"HTTP/1.1 503 Down\r\ncontent-length: 5\r\nretry-after: 7\r\n\r\nab".into())).await;
    let request = Request::get(server.url("http")).body(Bytes::new()).unwrap();
    let response = client().send(request).await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].as_bytes()), (503, &b"7"[..]));
}

#[tokio::test]
async fn silence_at_any_point_ends_in_the_timeout() {
    for sent in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab"] {
        let server = Server::start(Act::Hang(sent.into())).await;
        let client = Client::builder().timeout(SHORT).build();
        assert_eq!(get(&client, &server.url("http")).await, Err(Error::Timeout(SHORT)), "{sent:?}");
    }
    // A server that accepts and never answers TLS holds the connect timeout, not the whole one.
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::builder().timeout(PATIENT).connect_timeout(SHORT).build();
    let url = format!("https://{}/", server.local_addr().unwrap());
    assert_eq!(get(&client, &url).await, Err(Error::ConnectTimeout(SHORT)));
}

#[tokio::test]
async fn a_broken_response_says_what_broke() {
    let huge_head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(200_000));
    for (name, bytes) in [
        ("nothing", &b""[..]),
        ("half a head", b"HTTP/1.1 200 OK\r\ncontent-"),
        ("half a body", b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"),
        ("no HTTP", b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
        ("a huge head", huge_head.as_bytes()),
    ] {
        let server = Server::start(Act::Send(bytes.into())).await;
        let outcome = get(&client(), &server.url("http")).await;
        assert!(matches!(outcome, Err(Error::Interrupted(_))), "{name}: {outcome:?}");
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let outcome = get(&client(), &format!("http://{free}/")).await;
    assert!(matches!(&outcome, Err(Error::Connect(why)) if why.contains("refused")), "{outcome:?}");
}

#[tokio::test]
async fn a_redirect_is_returned_and_not_followed() {
    let elsewhere = Server::start(Act::ok(b"")).await;
    let head = format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", elsewhere.url("http"));
    let server = Server::start(Act::Send(head.into())).await;
    let outcome = get(&client(), &server.url("http")).await;
    assert_eq!(outcome, Ok((StatusCode::FOUND, Bytes::new())));
    assert_eq!((server.connections(), elsewhere.connections()), (1, 0));
}

#[tokio::test]
async fn a_request_is_sent_as_it_is() {
    let server = Server::start(Act::ok(b"")).await;
    let request = Request::builder().method(Method::POST).uri(server.url("http")).header("x-own", "a");
    client().send(request.body(Bytes::from_static(b"body")).unwrap()).await.unwrap();
    let head = server.heads().remove(0);
    assert!(head.starts_with("post /path?q=1 http/1.1\r\n"), "{head}");
    for line in ["x-own: a", "content-length: 4", &format!("host: localhost:{}", server.port)] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{head}");
    }
    assert!(!head.contains("accept-encoding") && !head.contains("user-agent"), "nothing is added: {head}");
}

#[tokio::test]
async fn connections_are_kept_only_if_asked_for() {
    for (kept, connections) in [(0, 3), (1, 1)] {
        let server = Server::start(Act::Keep(response("200 OK", b"x"))).await;
        let client = Client::builder().timeout(PATIENT).max_idle_connections(kept).build();
        for _ in 0..3 {
            get(&client, &server.url("http")).await.unwrap();
            // The connection returns to the pool on a task of its own.
            tokio::task::yield_now().await;
        }
        assert_eq!(server.connections(), connections, "{kept} kept");
    }
}

#[tokio::test]
async fn only_http_urls_with_a_host_are_requested() {
    for url in ["/path", "localhost:1", "ftp://localhost/", "ws://localhost/"] {
        assert_eq!(get(&client(), url).await, Err(Error::Url), "{url}");
    }
}
