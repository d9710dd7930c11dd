//! A poem application that receives webhooks: the layer around a function, as an endpoint.

use std::env;
use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use countersign::{Secret, Verified, Verifier};
use countersign_tower::{DeliveryBody, VerifyLayer};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use poem::endpoint::TowerCompatExt as _;
use poem::listener::{Acceptor as _, Listener as _, TcpListener};
use poem::{Route, Server, post};
use tokio::signal::unix::{SignalKind, signal};
use tower::{ServiceBuilder, service_fn};

/// How long a shutdown waits for requests in progress.
const GRACE: Duration = Duration::from_secs(15);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let verifier = Verifier::builder("gemini").secret(secret()?).build()?;
    let service = ServiceBuilder::new().layer(VerifyLayer::new(verifier)).service(service_fn(receive));
    let routes = Route::new().at("/gemini", post(service.compat()));

    // Installed before the server listens, so that a signal after that always stops it gracefully.
    let mut terminate = signal(SignalKind::terminate())?;
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let acceptor = TcpListener::bind(address).into_acceptor().await?;
    if let Some(address) = acceptor.local_addr().first().and_then(|address| address.as_socket_addr()) {
        println!("listening on {address}");
    }
    let stop = async move { _ = terminate.recv().await };
    Server::new_with_acceptor(acceptor).run_with_graceful_shutdown(routes, stop, Some(GRACE)).await?;
    Ok(())
}

fn secret() -> Result<Secret, String> {
    let text = env::var("GEMINI_WEBHOOK_SECRET").map_err(|_| {
        "GEMINI_WEBHOOK_SECRET is not set: export the secret that was shown when the webhook was created \
         (`countersign emulate` prints one)"
    })?;
    Secret::parse(&text).map_err(|error| format!("GEMINI_WEBHOOK_SECRET is not a valid secret: {error}"))
}

/// Runs only for authentic, recent, non-duplicate deliveries. After an error or any status other than 2xx, the
/// sender retries.
async fn receive(request: Request<DeliveryBody>) -> poem::Result<Response<Empty<Bytes>>> {
    let verified =
        request.extensions().get::<Verified>().ok_or_else(|| poem::Error::from_status(StatusCode::FORBIDDEN))?;
    println!("{} {}", verified.message_id(), verified.event_type().as_deref().unwrap_or("(no event)"));
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}
