//! Receives webhooks with plain hyper, without a framework, and appends each event to a file as one line.

use std::env;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use countersign::{Secret, Verified, Verifier};
use countersign_tower::{DeliveryBody, Report, VerifyLayer};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tower::{ServiceBuilder, service_fn};

/// How long a shutdown waits for requests in progress.
const GRACE: Duration = Duration::from_secs(15);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hyper-receiver: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let secret = secret()?;
    let file = PathBuf::from(env::var("EVENTS").unwrap_or_else(|_| "events.jsonl".into()));
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".into());

    let verifier = Verifier::builder("gemini").secret(secret).build()?;
    let layer = VerifyLayer::new(verifier).on_report(|report: &Report| {
        if let Some(refusal) = report.rejection() {
            eprintln!("rejected: {refusal}");
        }
    });
    // A Tower layer around a function is all that hyper needs.
    let service = ServiceBuilder::new().layer(layer).service(service_fn(move |request| receive(request, file.clone())));

    // Installed before the server listens, so that a signal after that always stops it gracefully.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error} (choose another with LISTEN=127.0.0.1:3001)"))?;
    println!("listening on {}", listener.local_addr()?);

    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Probably out of file descriptors. Wait for connections to close.
                eprintln!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // With a timer, hyper limits the time to receive request headers.
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service.clone()));
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("connection error: {error}");
            }
        });
    }
    if timeout(GRACE, connections.shutdown()).await.is_err() {
        eprintln!("some requests did not finish in time: their senders will retry");
    }
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
async fn receive(request: Request<DeliveryBody>, file: PathBuf) -> io::Result<Response<Empty<Bytes>>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = match (request.method(), request.uri().path()) {
        (&Method::POST, "/gemini") => match append(&request, file).await {
            Ok(()) => StatusCode::NO_CONTENT,
            Err(error) => {
                eprintln!("cannot save an event: {error}");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        },
        (_, "/gemini") => StatusCode::METHOD_NOT_ALLOWED,
        _ => StatusCode::NOT_FOUND,
    };
    Ok(response)
}

async fn append(request: &Request<DeliveryBody>, file: PathBuf) -> io::Result<()> {
    let verified = request.extensions().get::<Verified>().ok_or(io::ErrorKind::PermissionDenied)?;
    println!("{} {}", verified.message_id(), verified.event_type().as_deref().unwrap_or("(no event)"));
    // One write for each line, so that concurrent events are not interleaved.
    let mut line = verified.body().to_vec();
    line.push(b'\n');
    let mut file = File::options().create(true).append(true).open(file).await?;
    file.write_all(&line).await?;
    file.sync_data().await
}
