//! Takes Gemini API webhooks, static and dynamic ones, answers at once, and does the work afterwards.
//!
//! A delivery is verified by the layer, written to the database by its handler, and acknowledged. From there
//! a worker takes it and does what it is for. What was acknowledged is done, also after a crash.
//!
//! - `inbox.rs` writes to a database,
//! - `routing.rs` routes by `user_metadata`,
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
use countersign::{MemoryStore, Secret, SystemClock, TokenPolicy, Verifier};
use countersign_jwks::{Config, HttpFetch, Jwks, JwksUrl, RemoteKeys};
use countersign_tower::axum::{VerifiedDelivery, Webhook, WebhookRejection};
use countersign_tower::{BodyBudget, Report, VerifyLayer};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::inbox::{Inbox, Received, Task};
use crate::slack::Slack;

/// The events are thin: more than this is none.
const BODY_LIMIT: usize = 64 * 1024;
/// What all bodies together may take.
const BODY_BUDGET: usize = 16 * 1024 * 1024;
/// How long requests, and then the worker, have to end what they are at when the service is asked to stop.
const GRACE: Duration = Duration::from_secs(15);

/// Takes Gemini API webhooks at `/gemini` and, with `--jwks`, dynamic ones at `/gemini/dynamic`.
///
/// The secret of the static webhook is in the environment, as `GEMINI_WEBHOOK_SECRET`, and so is the address
/// of an incoming webhook of Slack, as `SLACK_WEBHOOK_URL`; without that, messages are printed.
#[derive(Parser)]
struct Args {
    /// Where to listen; port 0 is a free one
    #[arg(long, value_name = "ADDRESS", env = "LISTEN", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Where the keys of dynamic webhooks are published
    #[arg(long, value_name = "URL", env = "GEMINI_WEBHOOK_JWKS")]
    jwks: Option<JwksUrl>,
    /// Take RS256 tokens too, if they are for this audience: the address that senders are given
    #[arg(long, value_name = "URL", requires = "jwks")]
    audience: Option<String>,
    /// The SQLite database
    #[arg(long, value_name = "FILE", env = "DATABASE", default_value = "events.db")]
    database: PathBuf,
    /// How many events may wait for the worker; with more, senders are told to come back
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

    // Before it listens, so that whoever sees it listen can end it.
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
        tracing::warn!("some requests did not end in time: their senders will come again");
    }
    // The worker ends what it is at. What waits is in the database.
    timeout(GRACE, worker).await??;
    Ok(())
}

fn secret() -> Result<Secret, String> {
    let text = std::env::var("GEMINI_WEBHOOK_SECRET").map_err(|_| {
        "GEMINI_WEBHOOK_SECRET is not set: export the secret that was shown when the webhook was made \
         (`countersign emulate` prints one)"
    })?;
    Secret::parse(&text).map_err(|error| format!("GEMINI_WEBHOOK_SECRET is no secret: {error}"))
}

/// A source for each route: what the project's webhook signs, and what a request's own `webhook_config` does.
fn app(
    secret: Secret,
    jwks: Option<JwksUrl>,
    audience: Option<String>,
    inbox: Inbox,
) -> Result<Router, Box<dyn Error>> {
    // Shared: they bound and remember the deliveries of both routes together.
    let (store, budget) = (Arc::<MemoryStore>::default(), BodyBudget::new(BODY_BUDGET));

    let verifier = Verifier::builder("gemini").secret(secret).build()?;
    let layer = VerifyLayer::new(verifier).on_report(report);
    let layer = layer.store(Arc::clone(&store)).body_budget(budget.clone()).body_limit(BODY_LIMIT);
    let mut app = Router::new().route("/gemini", post(receive).layer(layer));

    if let Some(url) = jwks {
        let jwks = Jwks::new(HttpFetch::new(url), Config::default(), SystemClock);
        tokio::spawn(jwks.run());
        let mut verifier = Verifier::builder("gemini-dynamic");
        if let Some(audience) = audience {
            verifier = verifier.token(TokenPolicy::new([audience]));
        }
        let layer = VerifyLayer::new(RemoteKeys::new(verifier.build()?, jwks)).on_report(report);
        let layer = layer.store(store).body_budget(budget).body_limit(BODY_LIMIT);
        app = app.route("/gemini/dynamic", post(receive).layer(layer));
    }
    Ok(app.with_state(inbox))
}

/// Says why a delivery was refused. Its sender is told, and seldom shows it.
fn report(report: &Report) {
    if let Some(refusal) = report.refusal() {
        tracing::warn!(code = refusal.code(), "refused: {refusal}");
    }
}

/// Runs for what is genuine, fresh and new: writes it down, and says so.
async fn receive(
    State(inbox): State<Inbox>,
    VerifiedDelivery(delivery): VerifiedDelivery,
    webhook: Result<Webhook, WebhookRejection>,
) -> Response {
    let event = match webhook {
        Ok(Webhook(event)) => event,
        // Genuine, and no event: the body of a ping is not documented. A refusal would be retried for a day.
        Err(WebhookRejection::UnexpectedPayload(why)) => {
            tracing::info!(%why, "a delivery that is no event");
            return StatusCode::NO_CONTENT.into_response();
        }
        Err(rejection) => return rejection.into_response(),
    };
    match inbox.receive(Task::new(&delivery, &event)).await {
        Ok(Received::New) => StatusCode::ACCEPTED.into_response(),
        Ok(Received::Known) => StatusCode::OK.into_response(),
        // Anything but 2xx releases the delivery: the sender's retry is handled as if it were the first.
        Ok(Received::NoRoom) => come_back(),
        Err(error) => {
            tracing::error!(%error, "a delivery could not be written down");
            come_back()
        }
    }
}

fn come_back() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "30")]).into_response()
}
