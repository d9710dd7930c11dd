//! Receives static and dynamic Gemini API webhooks, responds at once, and does the work afterwards.
//!
//! The layer verifies a delivery, and the handler saves it to the database and acknowledges it. A worker then
//! reads it from there and does the work. Acknowledged work survives a crash.
//!
//! - `inbox.rs` writes to the database,
//! - `routing.rs` routes events by `user_metadata`,
//! - `slack.rs` notifies Slack,
//! - `worker.rs` does the work.

mod inbox;
mod routing;
mod slack;
mod worker;

use std::error::Error;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use clap::Parser;
use countersign::replay::MemoryStore;
use countersign::{KeySet, Secret, TokenPolicy, Verifier, gemini};
use countersign_jwks::{JwksUrl, RemoteKeys};
use countersign_tower::extract::{VerifiedDelivery, Webhook, WebhookRejection};
use countersign_tower::{BodyBudget, Report, VerifyLayer};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::inbox::{Inbox, Received, Task};
use crate::slack::Slack;

/// Events are small: a larger body is not an event.
const BODY_LIMIT: usize = 64 * 1024;
/// The memory for all bodies together.
const BODY_BUDGET: usize = 16 * 1024 * 1024;
/// How long a shutdown waits for requests in progress, and then for the worker.
const GRACE: Duration = Duration::from_secs(15);

/// Receives Gemini API webhooks at `/gemini` and, with `--jwks`, dynamic ones at `/gemini/dynamic`.
///
/// The environment variable `GEMINI_WEBHOOK_SECRET` holds the secret of the static webhook. Set
/// `SLACK_WEBHOOK_URL` to the URL of an incoming webhook of Slack. Without it, messages are printed.
#[derive(Parser)]
struct Args {
    /// The address to listen on; port 0 selects a free port
    #[arg(long, value_name = "ADDRESS", env = "LISTEN", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// The JWKS with the keys of dynamic webhooks
    #[arg(long, value_name = "URL", env = "GEMINI_WEBHOOK_JWKS")]
    jwks: Option<JwksUrl>,
    /// Also accept RS256 tokens for this audience: the URL in `webhook_config`
    #[arg(long, value_name = "URL", requires = "jwks")]
    audience: Option<String>,
    /// The SQLite database file
    #[arg(long, value_name = "FILE", env = "DATABASE", default_value = "events.db")]
    database: PathBuf,
    /// The maximum number of events that wait for the worker; above it, senders get 503
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    max_waiting: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal()).init();
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("axum-receiver: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let secret = secret()?;
    let slack = Slack::from_env()?;
    let inbox = Inbox::open(&args.database, args.max_waiting)
        .map_err(|error| format!("cannot use the database {}: {error}", args.database.display()))?;
    let app = app(secret, args.jwks, args.audience, inbox.clone())?;

    // Installed before the server listens, so that a signal after that always stops it gracefully.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stop = CancellationToken::new();
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error} (choose another with --listen)", args.listen))?;
    println!("listening on {}", listener.local_addr()?);

    let worker = tokio::spawn(worker::run(inbox, slack, stop.clone()));
    let mut serving =
        pin!(axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned()).into_future());
    tokio::select! {
        ended = &mut serving => return Ok(ended?),
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    stop.cancel();
    if timeout(GRACE, serving).await.is_err() {
        tracing::warn!("some requests did not finish in time: their senders will retry");
    }
    // The worker finishes its current event. Waiting events stay in the database.
    timeout(GRACE, worker).await??;
    Ok(())
}

fn secret() -> Result<Secret, String> {
    let text = std::env::var("GEMINI_WEBHOOK_SECRET").map_err(|_| {
        "GEMINI_WEBHOOK_SECRET is not set: export the secret that was shown when the webhook was created \
         (`countersign emulate` prints one)"
    })?;
    Secret::parse(&text).map_err(|error| format!("GEMINI_WEBHOOK_SECRET is not a valid secret: {error}"))
}

/// Builds the routes, each with its own source: the project's static webhook, and dynamic webhooks.
fn app(
    secret: Secret,
    jwks: Option<JwksUrl>,
    audience: Option<String>,
    inbox: Inbox,
) -> Result<Router, Box<dyn Error>> {
    // Shared by both routes: one replay store and one limit on memory.
    let (store, budget) = (Arc::<MemoryStore>::default(), BodyBudget::new(BODY_BUDGET));

    let verifier = Verifier::builder("gemini").secret(secret).build()?;
    let layer = VerifyLayer::new(verifier).on_report(report);
    let layer = layer.store(Arc::clone(&store)).body_budget(budget.clone()).body_limit(BODY_LIMIT);
    let mut app = Router::new().route("/gemini", post(receive).layer(layer));

    if let Some(url) = jwks {
        let mut verifier = Verifier::builder("gemini-dynamic").key_set(KeySet::default());
        if let Some(audience) = audience {
            verifier = verifier.token(TokenPolicy::new([audience]));
        }
        let layer = VerifyLayer::new(RemoteKeys::spawn(verifier.build()?, url)).on_report(report);
        let layer = layer.store(store).body_budget(budget).body_limit(BODY_LIMIT);
        app = app.route("/gemini/dynamic", post(receive).layer(layer));
    }
    Ok(app.with_state(inbox))
}

/// Logs the reason for a rejection. The response has it too, but few senders show it.
fn report(report: &Report) {
    if let Some(refusal) = report.rejection() {
        tracing::warn!(code = refusal.code(), "rejected: {refusal}");
    }
}

/// Runs only for authentic, recent, non-duplicate deliveries. Saves the event and acknowledges it.
async fn receive(
    State(inbox): State<Inbox>,
    VerifiedDelivery(delivery): VerifiedDelivery,
    webhook: Result<Webhook<gemini::Event>, WebhookRejection>,
) -> Response {
    let event = match webhook {
        Ok(Webhook(event)) => event,
        // Authentic, but not an event: the body of a ping is not documented. After a rejection, the sender would
        // retry for a day.
        Err(WebhookRejection::UnexpectedPayload(why)) => {
            tracing::info!(%why, "acknowledged a delivery that is not an event");
            return StatusCode::NO_CONTENT.into_response();
        }
        Err(rejection) => return rejection.into_response(),
    };
    match inbox.receive(Task::new(&delivery, &event)).await {
        Ok(Received::New) => StatusCode::ACCEPTED.into_response(),
        Ok(Received::Known) => StatusCode::OK.into_response(),
        // Any status other than 2xx releases the claim, so that the sender's retry is handled.
        Ok(Received::NoRoom) => come_back(),
        Err(error) => {
            tracing::error!(%error, "cannot save a delivery");
            come_back()
        }
    }
}

fn come_back() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "30")]).into_response()
}
