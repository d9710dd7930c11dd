//! The emulator as a sender, with what tests ask of it.

#![expect(clippy::expect_used, reason = "what a test cannot do is its failure")]

use std::net::SocketAddr;

pub use countersign_emulator::Dynamic;
use countersign_emulator::{Config, Emulator};
use countersign_test::wait::{PATIENCE, eventually};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Whom its tokens are for.
pub const AUDIENCE: &str = "https://hooks.example.com/gemini";

/// An emulator whose only webhook points nowhere until it is told where.
#[derive(Debug)]
pub struct Sender {
    emulator: Emulator,
    webhook: String,
    secret: String,
}

impl Sender {
    /// Starts it, with the machine's own time, which [`advance`](Self::advance) moves on.
    pub async fn start() -> Self {
        Self::signing(Dynamic::V1a).await
    }

    /// The same, with dynamic webhooks signed so.
    pub async fn signing(dynamic: Dynamic) -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let audience = Some(AUDIENCE.to_owned());
        let config = Config { listen, dynamic, audience, timeout: PATIENCE, ..Config::default() };
        let emulator = Emulator::start(config, None).await.expect("an emulator");
        let mut sender = Self { emulator, webhook: String::new(), secret: String::new() };
        // Before the receiver, which is to be given the secret.
        let events = ["batch.succeeded", "batch.failed", "video.generated"];
        let webhook = json!({ "uri": "http://127.0.0.1:9/", "subscribed_events": events });
        let made = sender.call("POST", "/v1/webhooks", &webhook).await;
        let text = |name: &str| made[name].as_str().expect("a text").to_owned();
        (sender.webhook, sender.secret) = (text("id"), text("new_signing_secret"));
        sender
    }

    /// The secret of its webhook.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Where the keys of dynamic webhooks are published.
    pub fn jwks_url(&self) -> String {
        self.emulator.jwks_url()
    }

    /// Has its webhook sent here from now on.
    pub async fn point_at(&self, uri: &str) {
        self.call("PATCH", &format!("/v1/webhooks/{}", self.webhook), &json!({ "uri": uri })).await;
    }

    /// Lets an event happen, as `/_emulator/events:emit` takes it, and gives the ids of its deliveries.
    pub async fn emit(&self, event: &Value) -> Vec<String> {
        let made = self.call("POST", "/_emulator/events:emit", event).await;
        let ids = made["ids"].as_array().expect("a list");
        ids.iter().map(|id| id.as_str().expect("an id").to_owned()).collect()
    }

    /// Lets an event happen that has one delivery, and gives its id.
    pub async fn emit_one(&self, event: &Value) -> String {
        let ids = self.emit(event).await;
        let [id] = &ids[..] else { panic!("{event} has other deliveries than one: {ids:?}") };
        id.clone()
    }

    /// Lets things go wrong.
    pub async fn faults(&self, faults: &Value) {
        self.call("POST", "/_emulator/faults", faults).await;
    }

    /// Lets time pass, so that what is to be retried is.
    pub async fn advance(&self) {
        self.call("POST", "/_emulator/clock:advance", &json!({ "by": "1h" })).await;
    }

    /// Sends once more, whatever came of it.
    pub async fn redeliver(&self, id: &str) {
        self.call("POST", &format!("/_emulator/deliveries/{id}:redeliver"), &json!({})).await;
    }

    /// What each attempt at this delivery was answered, once there are so many.
    pub async fn answers(&self, id: &str, attempts: usize) -> Vec<u64> {
        let path = format!("/_emulator/deliveries/{id}");
        eventually("so many attempts", async || {
            let delivery = self.call("GET", &path, &json!({})).await;
            let made = delivery["attempts"].as_array().expect("a list");
            let status = |attempt: &Value| attempt["answer"]["status"].as_u64().unwrap_or(0);
            (made.len() >= attempts).then(|| made.iter().map(status).collect())
        })
        .await
    }

    /// Waits until every delivery has ended, and ends.
    pub async fn stop(self) {
        eventually("nothing is left to send", async || (self.emulator.totals().open == 0).then_some(())).await;
        self.emulator.stop().await;
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.emulator.base_url());
        let headers = format!("x-goog-api-key: {}\r\n", Config::API_KEY);
        let (status, answer) = request(method, &url, &headers, &body.to_string()).await;
        assert_eq!(status, 200, "{method} {path}: {answer}");
        serde_json::from_str(&answer).expect("JSON")
    }
}

/// One request over HTTP/1.1 on a connection of its own, with these lines more in its head: the status of its
/// answer, and the body.
pub async fn request(method: &str, url: &str, headers: &str, body: &str) -> (u16, String) {
    let rest = url.strip_prefix("http://").expect("a URL of this machine");
    let (authority, path) = rest.split_once('/').expect("a path");
    let length = body.len();
    let request = format!(
        "{method} /{path} HTTP/1.1\r\nhost: {authority}\r\n{headers}content-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    );
    let exchange = async {
        let mut stream = TcpStream::connect(authority).await.expect("it listens");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        answer
    };
    let answer = tokio::time::timeout(PATIENCE, exchange).await.expect("it answers in time");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole head");
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    (status, body.to_owned())
}
