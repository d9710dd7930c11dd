//! Receives static and dynamic Gemini API webhooks, responds at once, and does the work afterwards.
//!
//! The layer verifies a delivery, and the inbox stores it and responds. A worker then handles it from there. Acknowledged
//! work survives a crash.
//!
//! - `task.rs` reads stored events and routes them by `user_metadata`,
//! - `imports.rs` writes to a database,
//! - `slack.rs` notifies Slack,
//! - `worker.rs` does the work.

mod imports;
mod slack;
mod task;
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
use clap::Parser;
use countersign::replay::MemoryStore;
use countersign::{KeySet, Secret, TokenPolicy, Verifier};
use countersign_inbox::Schedule;
use countersign_inbox::service::InboxService;
use countersign_jwks::{JwksUrl, RemoteKeys};
use countersign_sqlite::{Options, SqliteStore};
use countersign_tower::{BodyBudget, Report, VerifyLayer};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::imports::Imports;
use crate::slack::Slack;
use crate::worker::Work;

/// Events are small: a larger body is not an event.
const BODY_LIMIT: usize = 64 * 1024;
/// The memory for all bodies together.
const BODY_BUDGET: usize = 16 * 1024 * 1024;
/// How long a shutdown waits for requests in progress, and then for the worker.
const GRACE: Duration = Duration::from_secs(15);
/// The maximum time of the work for an event, longer than a request to Slack. After a crash, the events in progress are
/// handled again once it has passed.
const ATTEMPT: Duration = Duration::from_secs(12);
/// The longest pause before an event is handled again.
const MAX_PAUSE: Duration = Duration::from_mins(5);

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
    /// The SQLite file of the inbox
    #[arg(long, value_name = "FILE", env = "INBOX", default_value = "inbox.db")]
    inbox: PathBuf,
    /// The SQLite database for imported results
    #[arg(long, value_name = "FILE", env = "DATABASE", default_value = "imports.db")]
    database: PathBuf,
    /// The maximum number of events in the inbox, which keeps handled ones for a week; above it, senders get 503
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    max_messages: u64,
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
    let imports = Imports::open(&args.database)
        .map_err(|error| format!("cannot use the database {}: {error}", args.database.display()))?;
    let store = SqliteStore::open(&args.inbox, Options::default().max_messages(args.max_messages))
        .map_err(|error| format!("cannot use the inbox {}: {error}", args.inbox.display()))?;
    let inbox = InboxService::new(Arc::new(store), "work");
    let schedule = Schedule { first: Duration::from_secs(1), longest: MAX_PAUSE, ..Schedule::default() };
    let worker = inbox.worker(Work { imports, slack }).schedule(schedule).timeout(ATTEMPT).concurrency(4).build();
    let app = app(secret, args.jwks, args.audience, &inbox)?;

    // Installed before the server listens, so that a signal after that always stops it gracefully.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stop = CancellationToken::new();
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error} (choose another with --listen)", args.listen))?;
    println!("listening on {}", listener.local_addr()?);

    // It finishes what it is doing. Waiting events stay in the inbox.
    let worker = tokio::spawn(worker.run(stop.clone().cancelled_owned(), GRACE));
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
    Ok(worker.await?)
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
    inbox: &InboxService,
) -> Result<Router, Box<dyn Error>> {
    // Shared by both routes: one replay store and one limit on memory.
    let (store, budget) = (Arc::<MemoryStore>::default(), BodyBudget::new(BODY_BUDGET));

    let verifier = Verifier::builder("gemini").secret(secret).build()?;
    let layer = VerifyLayer::new(verifier).on_report(report);
    let layer = layer.store(Arc::clone(&store)).body_budget(budget.clone()).body_limit(BODY_LIMIT);
    let mut app = Router::new().route_service("/gemini", inbox.clone().verified_by(layer));

    if let Some(url) = jwks {
        let mut verifier = Verifier::builder("gemini-dynamic").key_set(KeySet::default());
        if let Some(audience) = audience {
            verifier = verifier.token(TokenPolicy::new([audience]));
        }
        let layer = VerifyLayer::new(RemoteKeys::spawn(verifier.build()?, url)).on_report(report);
        let layer = layer.store(store).body_budget(budget).body_limit(BODY_LIMIT);
        app = app.route_service("/gemini/dynamic", inbox.clone().verified_by(layer));
    }
    Ok(app)
}

/// Logs the reason for a rejection. The response has it too, but few senders show it.
fn report(report: &Report) {
    if let Some(refusal) = report.rejection() {
        tracing::warn!(code = refusal.code(), "rejected: {refusal}");
    }
}
