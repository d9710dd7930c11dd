//! CONNECT proxies: those that tunnel, and those that do anything else.

use std::sync::{Arc, Mutex};

use countersign_client::{CaBundle, Client, ClientBuilder, Error, Proxy};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::server::{Act, Server, head};
use crate::{PATIENT, SHORT, get};
use countersign_test::tls::Authority;

/// What a proxy does with a CONNECT.
#[derive(Clone)]
enum Manner {
    /// Connects to this machine's port of the target, and relays; these bytes come first.
    Tunnel(&'static [u8]),
    /// Sends these bytes, and closes.
    Say(Vec<u8>),
    /// Sends these bytes, and nothing more.
    Hang(&'static [u8]),
}

const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

struct TestProxy {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl TestProxy {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(serve(stream, manner.clone(), Arc::clone(&seen)));
            }
        });
        Self { port, heads, task }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn client(&self) -> ClientBuilder {
        Client::builder().timeout(PATIENT).proxy(Some(Proxy::parse(&self.url()).unwrap()))
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for TestProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, manner: Manner, seen: Arc<Mutex<Vec<String>>>) {
    let Some(head) = head(&mut stream).await else { return };
    let port = head.split_whitespace().nth(1).and_then(|target| target.rsplit(':').next()?.parse::<u16>().ok());
    seen.lock().unwrap().push(head);
    match manner {
        Manner::Tunnel(first) => {
            let mut target = TcpStream::connect(("127.0.0.1", port.unwrap())).await.unwrap();
            stream.write_all(first).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut target).await;
        }
        Manner::Say(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Manner::Hang(bytes) => {
            let _ = stream.write_all(bytes).await;
            std::future::pending::<()>().await;
        }
    }
}

#[tokio::test]
async fn a_tunnel_carries_tls_to_the_target_and_its_name_is_resolved_by_the_proxy() {
    let authority = Authority::new();
    // A name that only the proxy knows how to reach.
    let server = Server::with(Some(authority.server("keys.example.invalid", false)), Act::ok(b"through")).await;
    let proxy = TestProxy::start(Manner::Tunnel(ESTABLISHED)).await;
    let ca = CaBundle::from_pem(authority.pem().as_bytes()).unwrap();
    let url = format!("https://keys.example.invalid:{}/", server.port);
    let (status, body) = get(&proxy.client().ca(ca).build(), &url).await.unwrap();
    assert_eq!((status.as_u16(), &body[..]), (200, &b"through"[..]));
    let head = proxy.heads().remove(0);
    let target = format!("keys.example.invalid:{}", server.port);
    assert!(head.starts_with(&format!("connect {target} http/1.1\r\nhost: {target}\r\n")), "{head}");
    assert!(!head.contains("authorization"), "{head}");
}

#[tokio::test]
async fn the_server_behind_a_tunnel_has_to_prove_itself_too() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let server = Server::with(Some(theirs.server("localhost", false)), Act::ok(b"")).await;
    let proxy = TestProxy::start(Manner::Tunnel(ESTABLISHED)).await;
    let client = proxy.client().ca(CaBundle::from_pem(ours.pem().as_bytes()).unwrap()).build();
    let outcome = get(&client, &server.url("https")).await;
    assert!(matches!(outcome, Err(Error::Tls(_))), "{outcome:?}");
    assert_eq!(server.heads(), Vec::<String>::new());
}

#[tokio::test]
async fn credentials_go_to_the_proxy_and_nowhere_else() {
    let server = Server::start(Act::ok(b"")).await;
    let proxy = TestProxy::start(Manner::Tunnel(ESTABLISHED)).await;
    let with_credentials = format!("http://user:pa%3Ass@127.0.0.1:{}", proxy.port);
    let client = Client::builder().timeout(PATIENT).proxy(Some(with_credentials.parse().unwrap())).build();
    assert!(!format!("{client:?}").contains("pa%3Ass"), "{client:?}");
    get(&client, &server.url("http")).await.unwrap();
    // base64 of `user:pa:ss`; the head is in lower case.
    let expected = format!("\r\nproxy-authorization: {}\r\n", "Basic dXNlcjpwYTpzcw==".to_ascii_lowercase());
    assert!(proxy.heads()[0].contains(&expected), "{:?}", proxy.heads());
    assert!(!server.heads()[0].contains("authorization"), "{:?}", server.heads());
}

#[tokio::test]
async fn plain_http_goes_through_a_tunnel_to_port_80() {
    let server = Server::start(Act::ok(b"plain")).await;
    let proxy = TestProxy::start(Manner::Tunnel(ESTABLISHED)).await;
    assert_eq!(get(&proxy.client().build(), &server.url("http")).await.unwrap().1, "plain");
    assert!(server.heads()[0].starts_with("get /path?q=1 "), "the target sees a usual request: {:?}", server.heads());

    let proxy = TestProxy::start(Manner::Say(b"HTTP/1.1 502 Bad Gateway\r\n\r\n".into())).await;
    for (url, target) in [
        ("http://example.invalid/", "example.invalid:80"),
        ("https://example.invalid/", "example.invalid:443"),
        ("http://[::1]/", "[::1]:80"),
    ] {
        assert!(matches!(get(&proxy.client().build(), url).await, Err(Error::Proxy(_))), "{url}");
        let head = proxy.heads().pop().unwrap();
        assert!(head.starts_with(&format!("connect {target} http/1.1\r\n")), "{head}");
    }
}

#[tokio::test]
async fn what_a_proxy_sends_before_the_target_does_is_not_the_targets() {
    let server = Server::start(Act::ok(b"real")).await;
    let forged = b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged";
    let proxy = TestProxy::start(Manner::Tunnel(forged)).await;
    assert_eq!(get(&proxy.client().build(), &server.url("http")).await.unwrap().1, "real");
}

#[tokio::test]
async fn a_proxy_that_opens_no_tunnel_is_an_error_and_the_target_is_left_alone() {
    let server = Server::start(Act::ok(b"direct")).await;
    let endless_head = [b"HTTP/1.1 200 OK\r\nx: ", &b"y".repeat(20_000)[..]].concat();
    for (name, bytes, said) in [
        ("wants credentials", b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n".to_vec(), "authorization required"),
        ("rejects", b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno".to_vec(), "unsuccessful"),
        ("fails", b"HTTP/1.1 502 Bad Gateway\r\n\r\n".to_vec(), "unsuccessful"),
        ("redirects", b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\n\r\n".to_vec(), "unsuccessful"),
        ("says 200 in another way", b"HTTP/1.1 2000 OK\r\n\r\n".to_vec(), "unsuccessful"),
        ("closes", Vec::new(), "unexpected end of file"),
        ("closes in the head", b"HTTP/1.1 200 OK\r\n".to_vec(), "unexpected end of file"),
        ("garbage", b"\x16\x03\x01 garbage\r\n\r\n".to_vec(), "unsuccessful"),
        ("a head without end", endless_head, "too long"),
    ] {
        let proxy = TestProxy::start(Manner::Say(bytes)).await;
        for scheme in ["http", "https"] {
            match get(&proxy.client().build(), &server.url(scheme)).await {
                Err(Error::Proxy(why)) => {
                    assert!(why.contains(said) && why.contains(&proxy.url()), "{name}: {why}");
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = Client::builder().timeout(PATIENT).proxy(Some(Proxy::parse(&free.to_string()).unwrap())).build();
    let outcome = get(&nobody, &server.url("http")).await;
    assert!(matches!(&outcome, Err(Error::Proxy(why)) if why.contains("refused")), "{outcome:?}");
    assert_eq!(server.connections(), 0, "nothing goes around the proxy");
}

#[tokio::test]
async fn a_proxy_that_hangs_ends_in_the_connect_timeout() {
    for sent in [&b""[..], b"HTTP/1.1 200 OK\r\nx: "] {
        let proxy = TestProxy::start(Manner::Hang(sent)).await;
        let client = proxy.client().connect_timeout(SHORT).build();
        assert_eq!(get(&client, "https://example.invalid/").await, Err(Error::ConnectTimeout(SHORT)), "{sent:?}");
    }
    // A tunnel into silence: TLS never begins.
    let proxy = TestProxy::start(Manner::Hang(ESTABLISHED)).await;
    let client = proxy.client().connect_timeout(SHORT).build();
    assert_eq!(get(&client, "https://example.invalid/").await, Err(Error::ConnectTimeout(SHORT)));
}
