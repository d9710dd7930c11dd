use std::net::SocketAddr;

use http::Method;
use serde_json::Value;

use super::Raw;

/// The response of the emulator's API to the project with this key.
pub(crate) async fn call(address: SocketAddr, key: &str, method: Method, path: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut raw = Raw::open(address).await;
    raw.write(format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nx-goog-api-key: {key}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    let reply = raw.answer().await.expect("an answer");
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    serde_json::from_slice(&reply.body).expect("JSON")
}
