//! Signs requests as a sender does, for clients and for tests of receivers. Requires the feature `sign`.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use countersign::MessageId;
use countersign::clock::{Clock, SystemClock};
use countersign::sign::Signer;
use http::Request;
use http_body::Body;
use http_body_util::BodyExt;
use tower_layer::Layer;
use tower_service::Service;

use crate::body::BodyError;

/// Adds the headers of [Standard Webhooks] to each request of a client.
///
/// The message id is the [`MessageId`] in the request's extensions, or else a random one. A retry with another id
/// would be another message. A client that retries must therefore put the id into the extensions, or retry inside this
/// layer.
///
/// ```
/// use axum::{Router, body::Body, routing::post};
/// use countersign::sign::Signer;
/// use countersign::{Secret, Verifier};
/// use countersign_tower::{SignLayer, VerifyLayer};
/// use http::Request;
/// use tower::{Layer, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let secret = Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
/// let verifier = Verifier::builder("jobs").secret(secret.clone()).build()?;
/// let app = Router::new().route("/jobs", post(|| async { "done" }).layer(VerifyLayer::new(verifier)));
///
/// let client = SignLayer::new(Signer::new([secret])?).layer(app);
/// let response = client.oneshot(Request::post("/jobs").body(Body::from("{}"))?).await?;
/// assert_eq!(response.status(), 200);
/// # Ok(())
/// # }
/// ```
///
/// [Standard Webhooks]: https://www.standardwebhooks.com
#[derive(Clone)]
#[must_use]
pub struct SignLayer {
    signer: Arc<Signer>,
    clock: Arc<dyn Clock>,
}

impl SignLayer {
    /// Signs with `signer` and the time of the system clock.
    pub fn new(signer: Signer) -> Self {
        Self { signer: Arc::new(signer), clock: Arc::new(SystemClock) }
    }

    /// Reads the time from `clock`, for tests. Default: [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }
}

impl<S> Layer<S> for SignLayer {
    type Service = Sign<S>;

    fn layer(&self, inner: S) -> Sign<S> {
        Sign { inner, layer: self.clone() }
    }
}

impl fmt::Debug for SignLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignLayer").finish_non_exhaustive()
    }
}

/// A client that signs its requests. See [`SignLayer`].
///
/// A body is read to its end before the request is sent, because its signature is in the head.
#[derive(Clone, Debug)]
pub struct Sign<S> {
    inner: S,
    layer: SignLayer,
}

impl<S, B> Service<Request<B>> for Sign<S>
where
    S: Service<Request<B>, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<BodyError>> + From<Bytes> + Send + 'static,
{
    type Response = S::Response;
    type Error = SignError<S::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, SignError<S::Error>>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SignError<S::Error>>> {
        self.inner.poll_ready(cx).map_err(SignError::Client)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that was polled for readiness must be the one that is called, so the clone stays behind.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let SignLayer { signer, clock } = self.layer.clone();
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            let body = body.collect().await.map_err(|error| SignError::Body(error.into()))?.to_bytes();
            let id = head.extensions.get().cloned().unwrap_or_else(MessageId::random);
            head.headers.extend(signer.sign(&id, clock.now(), &body));
            inner.call(Request::from_parts(head, B::from(body))).await.map_err(SignError::Client)
        })
    }
}

/// Why a request was not sent, or got no response.
#[derive(Debug)]
pub enum SignError<E> {
    /// The body could not be read, so the request was not signed or sent.
    Body(BodyError),
    /// The inner client failed.
    Client(E),
}

impl<E: fmt::Display> fmt::Display for SignError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(error) => write!(f, "cannot read the body of the request to sign it: {error}"),
            Self::Client(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for SignError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Body(error) => Some(&**error),
            Self::Client(error) => error.source(),
        }
    }
}
