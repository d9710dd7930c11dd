//! A gRPC service, and a client that signs its calls. Both use tonic.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use countersign::Verified;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::codegen::tokio_stream::{Stream, StreamExt};
use tonic::server::{Grpc, NamedService};
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;
use tower::{Service, ServiceExt, service_fn};

use crate::common::{Delivery, delivery, soon};

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Note {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
}

pub(crate) fn note(text: &str) -> Note {
    Note { text: text.to_owned() }
}

/// The text of a call, and its verification.
pub(crate) type Heard = (String, Option<Verified>);

/// The next message or status of a stream, sent by the test.
pub(crate) type Tell = mpsc::UnboundedSender<Result<Note, Status>>;

/// Returns the text that it received (`Say`, `Gather`), fails (`Fail`), or streams the test's messages (`Tell`).
#[derive(Clone, Default)]
pub(crate) struct Notes {
    heard: Arc<Mutex<Vec<Heard>>>,
    tells: Arc<Mutex<Vec<Tell>>>,
}

impl Notes {
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the stream is open, and returns its sender.
    pub(crate) async fn told(&self) -> Tell {
        soon(async {
            loop {
                if let Some(tell) = self.tells.lock().unwrap_or_else(PoisonError::into_inner).pop() {
                    return tell;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }

    fn hear(&self, text: &str, verified: Option<&Verified>) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).push((text.to_owned(), verified.cloned()));
    }
}

impl NamedService for Notes {
    const NAME: &'static str = "test.Notes";
}

impl<B> Service<Request<B>> for Notes
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let this = self.clone();
        let mut grpc = Grpc::new(ProstCodec::<Note, Note>::default());
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/test.Notes/Say" | "/test.Notes/Fail" => {
                    let fails = request.uri().path().ends_with("Fail");
                    let say = service_fn(|request: tonic::Request<Note>| {
                        this.hear(&request.get_ref().text, request.extensions().get());
                        let response = note(&format!("heard {}", request.get_ref().text));
                        async move {
                            if fails {
                                Err(Status::internal("told to fail"))
                            } else {
                                Ok(tonic::Response::new(response))
                            }
                        }
                    });
                    grpc.unary(say, request).await
                }
                "/test.Notes/Gather" => {
                    let gather = service_fn(|request: tonic::Request<Streaming<Note>>| {
                        let this = this.clone();
                        async move {
                            let (_, extensions, mut notes) = request.into_parts();
                            let mut all = String::new();
                            while let Some(note) = notes.next().await {
                                all.push_str(&note?.text);
                            }
                            this.hear(&all, extensions.get());
                            Ok(tonic::Response::new(note(&all)))
                        }
                    });
                    grpc.client_streaming(gather, request).await
                }
                "/test.Notes/Tell" => {
                    let (tell, told) = mpsc::unbounded_channel();
                    this.tells.lock().unwrap_or_else(PoisonError::into_inner).push(tell);
                    let mut told = Some(Told(told));
                    let stream = service_fn(move |_: tonic::Request<Note>| {
                        std::future::ready(Ok(tonic::Response::new(told.take().expect("one call"))))
                    });
                    grpc.server_streaming(stream, request).await
                }
                path => panic!("nobody asks for {path}"),
            })
        })
    }
}

/// A stream of the test's messages.
pub(crate) struct Told(mpsc::UnboundedReceiver<Result<Note, Status>>);

impl Stream for Told {
    type Item = Result<Note, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

/// A channel that signs each call over its framed body, and may change it afterwards.
#[derive(Clone)]
pub(crate) struct Signing {
    channel: Channel,
    id: &'static str,
    change: fn(Delivery) -> Delivery,
}

impl Signing {
    pub(crate) async fn connect(addr: SocketAddr, id: &'static str) -> Self {
        Self::changing(addr, id, |delivery| delivery).await
    }

    pub(crate) async fn changing(addr: SocketAddr, id: &'static str, change: fn(Delivery) -> Delivery) -> Self {
        let endpoint = Channel::from_shared(format!("http://{addr}")).expect("a URL");
        Self { channel: endpoint.connect().await.expect("it listens"), id, change }
    }

    pub(crate) fn client(self) -> tonic::client::Grpc<Self> {
        tonic::client::Grpc::new(self)
    }
}

impl Service<Request<Body>> for Signing {
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, tonic::transport::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), tonic::transport::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { channel, id, change } = self.clone();
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            let body = body.collect().await.expect("messages that can be encoded").to_bytes();
            let Delivery { headers, body, .. } = change(delivery(id, body));
            head.headers.extend(headers);
            channel.oneshot(Request::from_parts(head, Body::new(Full::new(body)))).await
        })
    }
}

/// One unary call.
pub(crate) async fn call(signing: &Signing, method: &str, text: &str) -> Result<tonic::Response<Note>, Status> {
    let mut client = signing.clone().client();
    client.ready().await.expect("a channel");
    let path = format!("/test.Notes/{method}").parse().expect("a path");
    soon(client.unary(tonic::Request::new(note(text)), path, ProstCodec::<Note, Note>::default())).await
}

/// One call at the level of the wire, to inspect its response: head, data, trailers.
pub(crate) async fn raw_call(
    signing: &Signing,
    content_type: &str,
    body: impl Into<Bytes>,
) -> (http::response::Parts, Bytes, Option<HeaderMap>) {
    let request =
        Request::post("http://test/test.Notes/Say").header("content-type", content_type).header("te", "trailers");
    let request = request.body(Body::new(Full::new(body.into()))).expect("a request");
    let response = soon(signing.clone().oneshot(request)).await.expect("a response");
    let (head, body) = response.into_parts();
    let body = soon(body.collect()).await.expect("a whole body");
    let trailers = body.trailers().cloned();
    (head, body.to_bytes(), trailers)
}

/// A framed message.
pub(crate) fn framed(text: &str) -> Bytes {
    let message = prost::Message::encode_to_vec(&note(text));
    let length = u32::try_from(message.len()).expect("a short message").to_be_bytes();
    [&[0][..], &length, &message].concat().into()
}
