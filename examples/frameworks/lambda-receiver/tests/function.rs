//! Runs the function as a process, with a runtime API on loopback that hands it the events of an API Gateway.

#![expect(clippy::expect_used, reason = "a failed expectation fails the test")]

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use countersign_test::delivery::Delivery;
use countersign_test::process::Process;
use countersign_test::wait::soon;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const BODY: &str = "{\"type\":\"batch.succeeded\",\"data\":{\"id\":\"batch_é\"}}";

/// The runtime API of Lambda, as far as a function needs it.
struct Runtime {
    address: SocketAddr,
    events: mpsc::UnboundedSender<Value>,
    responses: mpsc::UnboundedReceiver<Value>,
}

struct Ends {
    events: Mutex<mpsc::UnboundedReceiver<Value>>,
    responses: mpsc::UnboundedSender<Value>,
}

impl Runtime {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener");
        let ((events, waiting), (done, responses)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let ends = Arc::new(Ends { events: Mutex::new(waiting), responses: done });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{end}", post(end))
            .with_state(ends);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, events, responses }
    }

    /// Invokes the function, and returns its response.
    async fn invoke(&mut self, event: Value) -> Value {
        self.events.send(event).expect("the runtime API runs");
        soon(self.responses.recv()).await.expect("a response")
    }
}

async fn next(State(ends): State<Arc<Ends>>) -> Response {
    let Some(event) = ends.events.lock().await.recv().await else { return StatusCode::GONE.into_response() };
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-central-1:123456789012:function:receiver"),
        ("content-type", "application/json"),
    ];
    (headers, event.to_string()).into_response()
}

async fn end(State(ends): State<Arc<Ends>>, Path((_, end)): Path<(String, String)>, body: String) -> StatusCode {
    let body = serde_json::from_str(&body).unwrap_or(Value::Null);
    let _ = ends.responses.send(json!({ "end": end, "response": body }));
    StatusCode::ACCEPTED
}

/// The event that an HTTP API makes of this request (payload format 2.0).
fn event(delivery: &Delivery, body: &str, is_base64: bool) -> Value {
    let headers: serde_json::Map<_, _> = delivery
        .request()
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.to_str().expect("text").into()))
        .collect();
    let body = if is_base64 { BASE64_STANDARD.encode(body) } else { body.to_owned() };
    json!({
        "version": "2.0", "routeKey": "POST /gemini", "rawPath": "/gemini", "rawQueryString": "", "headers": headers,
        "requestContext": {
            "accountId": "123456789012", "apiId": "api", "domainName": "hooks.example.com", "domainPrefix": "hooks",
            "http": {
                "method": "POST", "path": "/gemini", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "sender"
            },
            "requestId": "id", "routeKey": "POST /gemini", "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 1_767_225_600_000_u64
        },
        "body": body, "isBase64Encoded": is_base64
    })
}

#[tokio::test]
async fn a_function_verifies_the_events_of_an_api_gateway() {
    let mut runtime = Runtime::start().await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_lambda-receiver"));
    command.env("AWS_LAMBDA_RUNTIME_API", runtime.address.to_string()).env("GEMINI_WEBHOOK_SECRET", SECRET);
    let function = [
        ("AWS_LAMBDA_FUNCTION_NAME", "receiver"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "group"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "stream"),
    ];
    let _function = Process::spawn(command.envs(function));
    let signed = |id: &str| Delivery::signed([SECRET], 0, id, BODY);
    // In each form of the body, byte for byte.
    for (id, is_base64) in [("msg_text", false), ("msg_base64", true)] {
        let (first, again) = (event(&signed(id), BODY, is_base64), event(&signed(id), BODY, is_base64));
        let first = runtime.invoke(first).await;
        assert_eq!((&first["end"], &first["response"]["statusCode"]), (&json!("response"), &json!(204)), "{first}");
        let again = runtime.invoke(again).await;
        assert_eq!(again["response"]["statusCode"], 200, "{again}");
        assert_eq!(again["response"]["headers"]["countersign-outcome"], "duplicate", "{again}");
    }
    let forged = runtime.invoke(event(&signed("msg_forged"), "{}", false)).await;
    assert_eq!(forged["response"]["statusCode"], 401, "{forged}");
    let problem: Value = serde_json::from_str(forged["response"]["body"].as_str().expect("a body")).expect("JSON");
    assert_eq!(problem["code"], "signature_mismatch", "{problem}");
}

#[test]
fn without_a_secret_it_says_what_is_missing() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lambda-receiver"));
    let output = command.env_remove("GEMINI_WEBHOOK_SECRET").output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("GEMINI_WEBHOOK_SECRET is not set"), "{text}");
}
