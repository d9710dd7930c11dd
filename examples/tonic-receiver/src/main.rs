//! Serves webhooks over HTTP and gRPC calls on one port, both behind one layer.

use std::env;
use std::error::Error;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use countersign::{Verified, Verifier, gemini};
use countersign_tower::extract::{VerifiedDelivery, Webhook};
use countersign_tower::{Report, VerifyLayer};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_receiver::jobs_server::{Jobs, JobsServer};
use tonic_receiver::{JobEnded, Receipt};

/// How long a shutdown waits for requests in progress.
const GRACE: Duration = Duration::from_secs(15);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tonic-receiver: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let secret = tonic_receiver::secret()?;
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".into());

    let verifier = Verifier::builder("gemini").secret(secret).build()?;
    let layer = VerifyLayer::new(verifier).grpc(true).on_report(|report: &Report| {
        if let Some(refusal) = report.rejection() {
            eprintln!("rejected: {refusal}");
        }
    });
    let grpc = Routes::new(JobsServer::new(Reports)).into_axum_router();
    let http = Router::new().route("/gemini", post(receive));
    // One layer around both. With `grpc(true)`, it rejects gRPC calls with a gRPC status, and other requests with an
    // HTTP status.
    let app = grpc.merge(http).layer(layer);

    // Installed before the server listens, so that a signal after that always stops it gracefully.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error} (choose another with LISTEN=127.0.0.1:3001)"))?;
    println!("listening on {}", listener.local_addr()?);

    let (stop, stopped) = oneshot::channel::<()>();
    let serving = axum::serve(listener, app).with_graceful_shutdown(async { drop(stopped.await) });
    let mut serving = pin!(serving.into_future());
    tokio::select! {
        ended = &mut serving => return Ok(ended?),
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    drop(stop);
    if timeout(GRACE, serving).await.is_err() {
        eprintln!("some requests did not finish in time: their senders will retry");
    }
    Ok(())
}

/// Handles a Gemini API webhook over HTTP.
async fn receive(Webhook(event): Webhook<gemini::Event>, VerifiedDelivery(delivery): VerifiedDelivery) {
    println!("http {} {}", delivery.message_id(), event.event_type);
}

/// Handles gRPC calls from another service.
struct Reports;

#[tonic::async_trait]
impl Jobs for Reports {
    async fn report(&self, request: Request<JobEnded>) -> Result<Response<Receipt>, Status> {
        let verified: Option<&Verified> = request.extensions().get();
        let verified = verified.ok_or_else(|| Status::internal("no layer has verified this call"))?;
        let message_id = verified.message_id().to_string();
        let JobEnded { name } = request.into_inner();
        if name.is_empty() {
            // Any status other than OK releases the claim, so that a retry is handled again.
            return Err(Status::failed_precondition("the job has no name"));
        }
        println!("grpc {message_id} {name}");
        Ok(Response::new(Receipt { message_id }))
    }
}
