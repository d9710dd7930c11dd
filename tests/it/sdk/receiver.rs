//! A receiver on a socket, as a user of ours would write it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::routing::post;
use countersign::clock::{Clock, SystemClock};
use countersign::gemini::Event;
use countersign::{Reason, Secret, TokenPolicy, UnixTime, Verified, Verifier};
use countersign_jwks::{JwksUrl, RemoteKeys};
use countersign_tower::VerifyLayer;
use http::HeaderMap;
use serde_json::Value;
use tokio::net::TcpListener;

/// Whom tokens are for.
pub(crate) const AUDIENCE: &str = "https://hooks.example.com/gemini";
/// No event is as long.
const BODY_LIMIT: usize = 64 << 10;

/// What has arrived, in that order.
#[derive(Clone, Default)]
struct Arrivals(Arc<Mutex<Vec<Delivery>>>);

/// One delivery, as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) path: String,
    headers: HeaderMap,
    body: Bytes,
    at: UnixTime,
    /// What the layer says, where there is one.
    verified: Option<Verified>,
}

/// Takes what is signed by the published keys under `/dynamic`, and anything under `/static`, whose
/// secrets are made only while it runs: what is taken there is verified once it is looked at. Under `/gone` it
/// says that it is.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    arrivals: Arrivals,
}

impl Receiver {
    /// To be called in a runtime, which it ends with.
    pub(crate) async fn start(jwks_url: &str) -> Self {
        let url = JwksUrl::parse(jwks_url).expect("a URL of this machine");
        let verifier = Verifier::builder("gemini").token(TokenPolicy::new([AUDIENCE])).build().expect("a verifier");
        let arrivals = Arrivals::default();
        let app = Router::new()
            .route("/dynamic/{*rest}", post(receive).layer(VerifyLayer::new(RemoteKeys::spawn(verifier, url))))
            .route("/static/{*rest}", post(receive))
            .route("/gone/{*rest}", post(async || StatusCode::GONE))
            .with_state(arrivals.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves to its end") });
        Self { address, arrivals }
    }

    /// What has arrived at this path and below it.
    pub(crate) fn at(&self, path: &str) -> Vec<Delivery> {
        let below = format!("{path}/");
        let arrivals = self.arrivals.0.lock().expect("no thread has panicked");
        arrivals.iter().filter(|one| one.path == path || one.path.starts_with(&below)).cloned().collect()
    }
}

async fn receive(State(arrivals): State<Arrivals>, request: Request) -> StatusCode {
    let (head, body) = request.into_parts();
    let delivery = Delivery {
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body: to_bytes(body, BODY_LIMIT).await.expect("a whole body"),
        at: SystemClock.now(),
        verified: head.extensions.get::<Verified>().cloned(),
    };
    arrivals.0.lock().expect("no thread has panicked").push(delivery);
    StatusCode::NO_CONTENT
}

impl Delivery {
    /// What the layer let through, for the body that its handler read.
    pub(crate) fn verified(&self) -> &Verified {
        let verified = self.verified.as_ref().expect("a layer is before this path");
        assert_eq!(verified.body(), &self.body);
        verified
    }

    /// What somebody says who has this secret alone.
    pub(crate) fn verified_by(&self, secret: &str) -> Result<Event, Reason> {
        let secret = Secret::parse(secret).expect("a secret that can be used");
        let verifier = Verifier::builder("gemini").secret(secret).build().expect("a verifier");
        let attempt = verifier.begin(&self.headers, self.at).map_err(|rejection| rejection.reason())?;
        let proof = attempt.finish(self.body.clone()).map_err(|rejection| rejection.reason())?;
        Ok(proof.event().expect("an event"))
    }

    /// Its body, which has to be verified beside this.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().expect("ASCII")
    }
}
