//! `--ca`, `--proxy` and `--proxy-from-env`: private certificate authorities, and the way out through a proxy.

use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use countersign_test::tls::Authority;
use rustls::{ServerConnection, StreamOwned};

use crate::common::dynamic::jwks;
use crate::common::{Captured, Ran, SECRET, command};

/// A name that no resolver knows: only a proxy gets there.
const NAME: &str = "hooks.example.invalid";

/// A server with TLS for `NAME` and `localhost`, the authority that it takes to trust it, and a proxy in front of it.
struct Stage {
    port: u16,
    ca: String,
    proxy: String,
    connects: Receiver<String>,
    folder: Captured,
}

impl Stage {
    fn start() -> Self {
        let authority = Authority::new();
        let folder = Captured::authentic();
        let ca = folder.write("ca.pem", authority.pem());
        let port = serve_tls(&authority);
        let (proxy, connects) = tunnel();
        Self { port, ca, proxy, connects, folder }
    }

    fn url(&self, host: &str) -> String {
        format!("https://{host}:{}/hooks", self.port)
    }

    fn send(&self, host: &str, args: &[&str], env: &[(&str, &str)]) -> Ran {
        let url = self.url(host);
        let mut command = command();
        command.args(["send", &url, "--event", "x", "--secret", SECRET]).args(args);
        for name in ["HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"] {
            command.env_remove(name);
        }
        command.envs(env.iter().copied()).output().expect("the program runs").into()
    }
}

#[test]
fn a_private_authority_is_trusted_if_it_is_given() {
    let stage = Stage::start();
    let ran = stage.send("localhost", &["--ca", &stage.ca], &[]);
    assert_eq!((ran.code, ran.stdout.ends_with("1: 200 OK\n")), (0, true), "{ran:?}");
    let ran = stage.send("localhost", &[], &[]);
    assert_eq!((ran.code, ran.stdout.contains("1: no response: TLS failed")), (1, true), "{ran:?}");

    let set = command().args(["jwks", "show", &stage.url("localhost"), "--ca", &stage.ca]).output();
    let ran = Ran::from(set.expect("the program runs"));
    assert_eq!((ran.code, ran.stdout.contains("key-2  v1a     usable")), (0, true), "{ran:?}");
}

#[test]
fn a_proxy_is_used_for_deliveries_and_key_sets_if_it_is_given() {
    let stage = Stage::start();
    let ran = stage.send(NAME, &["--ca", &stage.ca, "--proxy", &stage.proxy], &[]);
    assert_eq!((ran.code, ran.stdout.ends_with("1: 200 OK\n")), (0, true), "{ran:?}");
    let head = stage.connects.recv().expect("a CONNECT");
    assert!(head.starts_with(&format!("CONNECT {NAME}:{} HTTP/1.1\r\n", stage.port)), "{head}");
    // `user:s3cret`.
    assert!(head.contains("Proxy-Authorization: Basic dXNlcjpzM2NyZXQ=\r\n"), "{head}");

    let show = ["jwks", "show", &stage.url(NAME), "--ca", &stage.ca, "--proxy", &stage.proxy];
    let ran = Ran::from(command().args(show).output().expect("the program runs"));
    assert_eq!((ran.code, ran.stdout.contains("key-2  v1a     usable")), (0, true), "{ran:?}");
    assert!(stage.connects.recv().expect("a CONNECT").starts_with("CONNECT "));
}

#[test]
fn the_environments_proxy_is_used_only_if_asked_for() {
    let stage = Stage::start();
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a socket").local_addr().expect("an address").to_string();
    // Unasked, a proxy in the environment does not matter, even one that is not there.
    let ran = stage.send("localhost", &["--ca", &stage.ca], &[("HTTPS_PROXY", &nobody)]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let asked = ["--ca", &stage.ca, "--proxy-from-env"];
    let ran = stage.send("localhost", &asked, &[("HTTPS_PROXY", &nobody)]);
    assert_eq!((ran.code, ran.stdout.contains("opened no tunnel")), (1, true), "{ran:?}");
    let ran = stage.send("localhost", &asked, &[("HTTPS_PROXY", &nobody), ("NO_PROXY", "localhost")]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = stage.send(NAME, &asked, &[("HTTPS_PROXY", &stage.proxy)]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = stage.send("localhost", &asked, &[]);
    assert_eq!(ran.code, 0, "without the variable there is no proxy: {ran:?}");
}

#[test]
fn what_is_no_authority_or_no_proxy_is_a_usage_error() {
    let stage = Stage::start();
    let empty = stage.folder.write("empty.pem", "no PEM");
    for (args, env, expected) in [
        (vec!["--ca", &empty], vec![], "empty.pem: the file contains no certificate"),
        (vec!["--ca", "/does/not/exist.pem"], vec![], "cannot be read"),
        (vec!["--proxy", "socks5://user:s3cret@p:1"], vec![], "unsupported proxy type `socks5`"),
        (vec!["--proxy", "http://user:s3cret@p:0"], vec![], "invalid proxy URL"),
        (vec!["--proxy", "p:1", "--proxy-from-env"], vec![], "cannot be used with"),
        (
            vec!["--proxy-from-env"],
            vec![("HTTPS_PROXY", "https://user:s3cret@p:1")],
            "HTTPS_PROXY: unsupported proxy type `https`",
        ),
    ] {
        let ran = stage.send("localhost", &args, &env);
        assert_eq!((ran.code, ran.stderr.contains(expected)), (2, true), "{args:?}: {ran:?}");
        assert!(!ran.stderr.contains("s3cret"), "the password is not repeated: {ran:?}");
    }
}

/// Serves a key set to everything, by TLS.
fn serve_tls(authority: &Authority) -> u16 {
    let config = Arc::new(authority.server_for(&[NAME, "localhost"], false));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let mut stream = StreamOwned::new(connection, stream.expect("a client"));
            // A client that does not trust this server hangs up.
            if head(&mut stream).is_some() {
                let set = jwks().to_string();
                let response =
                    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{set}", set.len());
                let _ = stream.write_all(response.as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    port
}

/// A proxy that connects to this machine, whatever name it is given.
fn tunnel() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let url = format!("http://user:s3cret@{}", listener.local_addr().expect("an address"));
    let (sender, connects) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut client = stream.expect("a client");
            let Some(head) = head(&mut client) else { continue };
            let port = head.split_whitespace().nth(1).and_then(|target| target.rsplit(':').next()?.parse::<u16>().ok());
            let mut server = TcpStream::connect(("127.0.0.1", port.expect("a port"))).expect("a server");
            let _ = sender.send(head);
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("a client");
            let (mut from, mut to) = (client.try_clone().expect("a clone"), server.try_clone().expect("a clone"));
            thread::spawn(move || std::io::copy(&mut from, &mut to));
            let _ = std::io::copy(&mut server, &mut client);
        }
    });
    (url, connects)
}

/// Reads a request with its body; `None` if there is none.
fn head(stream: &mut impl std::io::Read) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<u64>().ok());
    std::io::copy(&mut reader.by_ref().take(length.unwrap_or(0)), &mut std::io::sink()).ok()?;
    Some(head)
}
