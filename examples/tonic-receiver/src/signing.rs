use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use countersign::MessageId;
use countersign::clock::{Clock, SystemClock};
use countersign::sign::Signer;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tonic::body::Body;
use tonic::transport::Channel;
use tower::{Service, ServiceExt};

/// A channel that signs each call. The signature covers the request body: the message including its frame.
#[derive(Clone, Debug)]
pub struct Signing {
    channel: Channel,
    signer: Signer,
    id: MessageId,
}

impl Signing {
    /// Signs calls with this message id. Use the same id for every attempt, and a new id for each message.
    pub fn new(channel: Channel, signer: Signer, id: MessageId) -> Self {
        Self { channel, signer, id }
    }
}

impl Service<Request<Body>> for Signing {
    type Response = Response<Body>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // `call` waits for the channel before it signs, so that no signature ages while it waits.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { mut channel, signer, id } = self.clone();
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let channel = channel.ready().await?;
            head.headers.extend(signer.sign(&id, SystemClock.now(), &body));
            Ok(channel.call(Request::from_parts(head, Body::new(Full::new(body)))).await?)
        })
    }
}
