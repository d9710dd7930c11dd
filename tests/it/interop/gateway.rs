//! The way through a gateway, over sockets, to a backend that notes what it is sent.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use countersign_gateway::{config::Config, log::Log, process};
use countersign_test::process::free_address;
use tempfile::TempDir;

use super::{CURRENT, CURRENT_WITHOUT_PREFIX, Delivery, FOREIGN, PREVIOUS};

/// Each has a source and a route of its own; the path is the position.
const KEYRINGS: [&[&str]; 5] = [&[CURRENT], &[CURRENT_WITHOUT_PREFIX], &[PREVIOUS], &[FOREIGN], &[FOREIGN, PREVIOUS]];

/// What the gateway says to a delivery, having looked that its backend saw it, or did not.
pub(crate) fn verdict(secrets: &[&str], delivery: &Delivery) -> Result<(), String> {
    static RUNNING: OnceLock<Gateway> = OnceLock::new();
    let keyring = KEYRINGS.iter().position(|keyring| *keyring == secrets).expect("a keyring of the list");
    RUNNING.get_or_init(Gateway::start).deliver(&format!("/{keyring}"), delivery)
}

struct Gateway {
    address: SocketAddr,
    backend: Arc<Backend>,
}

impl Gateway {
    fn start() -> Self {
        let backend = Backend::start();
        let address = free_address();
        let folder = TempDir::new().expect("a folder can be made");
        let config = folder.path().join("gateway.toml");
        fs::write(&config, configuration(&folder, address, backend.address)).expect("a file can be written");
        let config = Config::load(&config).expect("a good configuration");
        std::thread::spawn(move || process::run(&config, &Log::default()).expect("the gateway runs"));

        let give_up = SystemClock.instant() + Duration::from_secs(30);
        while TcpStream::connect(address).is_err() {
            assert!(SystemClock.instant() < give_up, "the gateway does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { address, backend }
    }

    fn deliver(&self, path: &str, delivery: &Delivery) -> Result<(), String> {
        let (status, body) = post(self.address, path, delivery);
        let forwarded = self.backend.saw(path, delivery);
        if status == 200 {
            assert!(forwarded, "answered 200 and not forwarded as it was: {delivery:?}");
            return Ok(());
        }
        assert!(!forwarded, "answered {status} and forwarded: {delivery:?}");
        let problem: serde_json::Value = serde_json::from_slice(&body).expect("a problem in JSON");
        Err(problem["code"].as_str().expect("a problem has a code").to_owned())
    }
}

fn configuration(folder: &TempDir, gateway: SocketAddr, backend: SocketAddr) -> String {
    let keyring = |(keyring, secrets): (usize, &&[&str])| {
        let file = |(number, secret): (usize, &&str)| {
            let name = format!("{keyring}-{number}.secret");
            fs::write(folder.path().join(&name), secret).expect("a file can be written");
            format!("{{ file = \"{name}\" }}")
        };
        let secrets: Vec<_> = secrets.iter().enumerate().map(file).collect();
        format!(
            r#"
[sources.{keyring}]
secrets = [{}]

[[routes]]
path = "/{keyring}"
source = "{keyring}"
upstream = ["http://{backend}"]
"#,
            secrets.join(", ")
        )
    };
    let keyrings: Vec<_> = KEYRINGS.iter().enumerate().map(keyring).collect();
    format!("server.listen = [\"{gateway}\"]\n{}", keyrings.concat())
}

fn post(to: SocketAddr, path: &str, delivery: &Delivery) -> (u16, Vec<u8>) {
    let body = &delivery.message.body;
    let signed = delivery.headers().map(|(name, value)| format!("{name}: {value}\r\n")).concat();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n{signed}content-length: {}\r\n\r\n",
        body.len()
    );

    let mut stream = TcpStream::connect(to).expect("the gateway listens");
    stream.write_all(&[head.as_bytes(), body].concat()).expect("the gateway reads");
    let mut stream = BufReader::new(stream);
    let head = read_head(&mut stream).expect("the gateway answers");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let mut body = Vec::new();
    stream.read_to_end(&mut body).expect("an answer that ends");
    (status, body)
}

/// Answers 200 to everything.
struct Backend {
    address: SocketAddr,
    requests: Mutex<Vec<(String, Vec<u8>)>>,
}

impl Backend {
    fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let backend = Arc::new(Self { address, requests: Mutex::default() });
        let accepting = Arc::clone(&backend);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, backend) = (stream.expect("a connection"), Arc::clone(&accepting));
                std::thread::spawn(move || backend.serve(stream));
            }
        });
        backend
    }

    fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Some(head) = read_head(&mut stream) {
            let length = header(&head, "content-length").and_then(|length| length.parse().ok());
            let mut body = vec![0; length.expect("the gateway says how long a body is")];
            stream.read_exact(&mut body).expect("a whole body");
            self.requests.lock().expect("no thread has panicked").push((head, body));
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").expect("the gateway reads");
        }
    }

    /// Whether exactly this body came to this path, with the verdict and the id beside it.
    fn saw(&self, path: &str, delivery: &Delivery) -> bool {
        let requests = self.requests.lock().expect("no thread has panicked");
        requests.iter().any(|(head, body)| {
            head.starts_with(&format!("POST {path} "))
                && header(head, "countersign-verdict") == Some("verified")
                && header(head, "countersign-message-id") == Some(&delivery.message.id)
                && *body == delivery.message.body
        })
    }
}

/// Up to the empty line; `None` where the connection ends instead.
fn read_head(stream: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}
