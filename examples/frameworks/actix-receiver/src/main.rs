//! An actix application that receives webhooks. actix has no Tower services, so this calls the core itself.

mod webhooks;

use std::env;
use std::error::Error;

use actix_web::web::{self, Data, Payload};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use countersign::{Secret, Verified, Verifier};

use webhooks::Webhooks;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // All workers share the ids of the messages.
    let webhooks = Data::new(Webhooks::new(Verifier::builder("gemini").secret(secret()?).build()?));
    let app = move || App::new().app_data(webhooks.clone()).route("/gemini", web::post().to(gemini));
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let server = HttpServer::new(app).shutdown_timeout(15).bind(address)?;
    for address in server.addrs() {
        println!("listening on {address}");
    }
    Ok(server.run().await?)
}

fn secret() -> Result<Secret, String> {
    let text = env::var("GEMINI_WEBHOOK_SECRET").map_err(|_| {
        "GEMINI_WEBHOOK_SECRET is not set: export the secret that was shown when the webhook was created \
         (`countersign emulate` prints one)"
    })?;
    Secret::parse(&text).map_err(|error| format!("GEMINI_WEBHOOK_SECRET is not a valid secret: {error}"))
}

async fn gemini(request: HttpRequest, body: Payload, webhooks: Data<Webhooks>) -> HttpResponse {
    webhooks.receive(&request, body, handle).await
}

/// Runs only for authentic, recent, non-duplicate deliveries. After an error, the sender retries.
async fn handle(verified: Verified) -> Result<(), Box<dyn Error>> {
    println!("{} {}", verified.message_id(), verified.event_type().as_deref().unwrap_or("(no event)"));
    Ok(())
}
