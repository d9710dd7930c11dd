//! Passes a request from hyper to the service, and the response back.

use std::convert::Infallible;
use std::future::poll_fn;
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
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::activity::Activity;
use super::body::{Progress, RequestBody, ResponseBody};
use super::link::Link;
use super::slots::Phase;
use super::{Ending, MAX_HEAD, OnEnding, Responds, TwoFramings};
use crate::connection::Connection;
use crate::detached::in_tasks;

/// A response from the service or from the server itself.
pub(super) type Responded<S> = Response<ResponseBody<Either<<S as Responds>::Body, Full<Bytes>>>>;

/// The shared parts of all requests on a connection.
#[derive(Clone)]
pub(super) struct Requests<S> {
    pub(super) service: S,
    pub(super) on_ending: OnEnding,
    pub(super) activity: Arc<Activity>,
    pub(super) connection: Connection,
    pub(super) tasks: TaskTracker,
    pub(super) phase: watch::Receiver<Phase>,
}

impl<S: Responds> Requests<S> {
    /// Handles an HTTP/1.1 request.
    pub(super) fn http1(
        &self,
        link: &Link,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Responded<S>, Infallible>> + Send + use<S> {
        let (head, reserved) = link.next_head();
        let has_length = request.body().size_hint().exact().is_some();
        // hyper does not yield between pipelined requests if each gets its response at once.
        let gives_way = self.activity.has_had_turn();
        let responding = self.respond(request, head.bytes, head.two_framings, gives_way, reserved, None);
        let (activity, link, phase) = (Arc::clone(&self.activity), link.clone(), self.phase.clone());
        async move {
            let mut response = responding.await?;
            // hyper discards the rest of a body that has a length and has arrived. Otherwise it closes the connection,
            // and the sender should know that before it sends the next request.
            let is_closed = activity.is_body_unread() && !(has_length && link.has_whole_request());
            if is_closed || link.is_lost() || phase.borrow().is_ending() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response)
        }
    }

    /// Handles an HTTP/2 request.
    pub(super) fn http2(
        &self,
        budget: &BodyBudget,
        request: Request<Incoming>,
        progress: &Arc<Progress>,
    ) -> impl Future<Output = Result<Responded<S>, Infallible>> + Send + use<S> {
        let (head, body) = request.into_parts();
        let bytes = size_of_head(&head);
        let reserved = budget.reserve(bytes);
        self.respond(Request::from_parts(head, body), bytes, false, false, reserved, Some(Arc::clone(progress)))
    }

    fn respond(
        &self,
        request: Request<Incoming>,
        head_bytes: usize,
        two_framings: bool,
        gives_way: bool,
        reserved: Result<Reservation, OverBudget>,
        progress: Option<Arc<Progress>>,
    ) -> impl Future<Output = Result<Responded<S>, Infallible>> + Send + use<S> {
        let gives_way = gives_way || self.activity.was_rejected();
        let open = self.activity.begin();
        let activity = Arc::clone(&self.activity);
        let mut request = request.map(|incoming| RequestBody::new(incoming, &self.activity));
        request.extensions_mut().insert(self.connection.clone());
        if two_framings {
            request.extensions_mut().insert(TwoFramings);
        }
        let rejection = match &reserved {
            Err(OverBudget) => Some(Ending::OverBudget),
            Ok(_) if head_bytes > MAX_HEAD => Some(Ending::HeadTooLarge),
            Ok(_) => None,
        };
        let (mut service, on_ending) = (self.service.clone(), Arc::clone(&self.on_ending));
        let peer = self.connection.peer_address();
        let response = async move {
            if let Some(rejection) = rejection {
                on_ending(rejection, peer);
                return Ok(rejection.response().map(|body| Either::Right(Full::new(body))));
            }
            poll_fn(|cx| service.poll_ready(cx)).await?;
            let response = service.call(request).await?;
            drop(reserved);
            Ok::<_, Infallible>(response.map(Either::Left))
        };
        let response = DetachFuture::new(response, in_tasks(self.tasks.clone()));
        async move {
            if gives_way {
                tokio::task::yield_now().await;
            }
            let response = response.await?;
            activity.note_status(response.status());
            Ok(response.map(|body| ResponseBody::new(body, open, progress)))
        }
    }
}

/// The size of the header list, as defined by HTTP/2.
fn size_of_head(head: &request::Parts) -> usize {
    let headers = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32);
    let authority = head.uri.authority().map_or(0, |authority| authority.as_str().len());
    let path = head.uri.path_and_query().map_or(0, |path| path.as_str().len());
    headers.sum::<usize>() + authority + path
}
