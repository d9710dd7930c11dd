//! A function on AWS Lambda that receives webhooks through an HTTP API of API Gateway, or a function URL.

use std::env;
use std::io;

use bytes::Bytes;
use countersign::{Secret, Verified, Verifier};
use countersign_tower::{DeliveryBody, Report, VerifyLayer};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use tower::{ServiceBuilder, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let verifier = Verifier::builder("gemini").secret(secret()?).build()?;
    // Each instance of the function remembers the ids of its own messages, for as long as it lives. With a shared store
    // (`VerifyLayer::replay_store`, `RedisStore`), no instance handles a message again.
    let layer = VerifyLayer::new(verifier).on_report(|report: &Report| {
        if let Some(rejection) = report.rejection() {
            eprintln!("rejected: {rejection}");
        }
    });
    lambda_http::run(ServiceBuilder::new().layer(layer).service(service_fn(receive))).await
}

fn secret() -> Result<Secret, String> {
    let text = env::var("GEMINI_WEBHOOK_SECRET")
        .map_err(|_| "GEMINI_WEBHOOK_SECRET is not set: add it to the environment of the function")?;
    Secret::parse(&text).map_err(|error| format!("GEMINI_WEBHOOK_SECRET is not a valid secret: {error}"))
}

/// Runs only for authentic, recent, non-duplicate deliveries. After an error or any status other than 2xx, the
/// sender retries.
async fn receive(request: Request<DeliveryBody>) -> io::Result<Response<Empty<Bytes>>> {
    let verified = request.extensions().get::<Verified>().ok_or(io::ErrorKind::PermissionDenied)?;
    // Hand the event to a queue here. The function is frozen as soon as it has responded.
    println!("{} {}", verified.message_id(), verified.event_type().as_deref().unwrap_or("(no event)"));
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}
