//! One request on its way from hyper to the handler, and its response on the way back.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use countersign_tower::{
    BodyBudget,
    detach::DetachFuture,
    read::{OverBudget, Reservation},
};
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, request};
use http_body_util::{Either, Full};
use hyper::body::{Body, Incoming};
use tokio_util::task::TaskTracker;

use super::activity::Activity;
use super::body::{Progress, RequestBody, ResponseBody};
use super::link::Link;
use super::{Arrival, Ending, Handle, MAX_HEAD};
use crate::detached::in_tasks;
use crate::forward::Peer;

/// A response, from a handler or of the server's own.
pub(super) type Responded<H> = Response<ResponseBody<Either<<H as Handle>::Body, Full<Bytes>>>>;

/// What all requests of a connection share.
pub(super) struct Requests<H> {
    pub(super) handler: Arc<H>,
    pub(super) activity: Arc<Activity>,
    pub(super) peer: Option<Peer>,
    pub(super) tasks: TaskTracker,
}

impl<H> Clone for Requests<H> {
    fn clone(&self) -> Self {
        let Self { handler, activity, peer, tasks } = self;
        let (handler, activity) = (Arc::clone(handler), Arc::clone(activity));
        Self { handler, activity, peer: peer.clone(), tasks: tasks.clone() }
    }
}

impl<H: Handle> Requests<H> {
    /// A request of HTTP/1.1.
    pub(super) fn http1(
        &self,
        link: &Link,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Responded<H>, Infallible>> + Send + use<H> {
        let (head, reserved) = link.next_head();
        let has_length = request.body().size_hint().exact().is_some();
        let responding = self.respond(request, head.bytes, head.two_framings, reserved, None);
        let (activity, link) = (Arc::clone(&self.activity), link.clone());
        // hyper goes on with pipelined requests as long as they are rejected at once.
        let gives_way = activity.has_had_turn();
        async move {
            if gives_way {
                tokio::task::yield_now().await;
            }
            let mut response = responding.await?;
            // hyper discards the rest of a body that has a length and has arrived; otherwise it closes the
            // connection, and the sender should know before it sends the next request.
            let is_closed = activity.is_body_unread() && !(has_length && link.has_whole_request());
            if is_closed || link.is_lost() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response)
        }
    }

    /// A request of HTTP/2.
    pub(super) fn http2(
        &self,
        budget: &BodyBudget,
        request: Request<Incoming>,
        progress: &Arc<Progress>,
    ) -> impl Future<Output = Result<Responded<H>, Infallible>> + Send + use<H> {
        let (head, body) = request.into_parts();
        let bytes = size_of_head(&head);
        let reserved = budget.reserve(bytes);
        self.respond(Request::from_parts(head, body), bytes, false, reserved, Some(Arc::clone(progress)))
    }

    fn respond(
        &self,
        request: Request<Incoming>,
        head_bytes: usize,
        two_framings: bool,
        reserved: Result<Reservation, OverBudget>,
        progress: Option<Arc<Progress>>,
    ) -> impl Future<Output = Result<Responded<H>, Infallible>> + Send + use<H> {
        let open = self.activity.begin();
        let request = request.map(|incoming| RequestBody::new(incoming, &self.activity));
        let (handler, peer) = (Arc::clone(&self.handler), self.peer.clone());
        let response = async move {
            let rejection = match &reserved {
                Err(OverBudget) => Some(Ending::OverBudget),
                Ok(_) if head_bytes > MAX_HEAD => Some(Ending::HeadTooLarge),
                Ok(_) => None,
            };
            if let Some(rejection) = rejection {
                handler.on_ending(rejection);
                return Ok(rejection.response().map(|body| Either::Right(Full::new(body))));
            }
            Ok::<_, Infallible>(handler.handle(request, Arrival { peer, two_framings }).await.map(Either::Left))
        };
        let response = DetachFuture::new(response, in_tasks(self.tasks.clone()));
        async move { Ok(response.await?.map(|body| ResponseBody::new(body, open, progress))) }
    }
}

/// As HTTP/2 counts the size of a header list.
fn size_of_head(head: &request::Parts) -> usize {
    let headers = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32);
    let authority = head.uri.authority().map_or(0, |authority| authority.as_str().len());
    let path = head.uri.path_and_query().map_or(0, |path| path.as_str().len());
    headers.sum::<usize>() + authority + path
}
