//! HTTP on a stream: hyper, with limits on what a client may hold, and for how long.
//!
//! Knows nothing of webhooks, and nothing of how streams are accepted.
//!
//! `connection.rs` is the life of a connection: silent, then HTTP/1.1 or HTTP/2. `activity.rs` decides when
//! it has to end. `link.rs` is the stream under hyper; it counts heads (`scan.rs`) and closes in a way that
//! lets a response arrive although the rest of its request is not read.

mod activity;
mod body;
mod connection;
mod ending;
pub mod head;
mod link;
mod plain;
mod scan;
mod service;
mod slots;
mod streams;
mod watch;

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

pub use activity::Timeouts;
pub use body::RequestBody;
pub use connection::Server;
pub use ending::Ending;
pub use slots::{Phase, Slot, Slots};

/// The most bytes that the head of a request may have.
pub const MAX_HEAD: usize = 64 * 1024;

/// A service that responds to requests, whatever connection they arrive on: any [`Service`] of this form is one.
///
/// Each request has a [`Connection`](crate::connection::Connection) in its extensions, and [`TwoFramings`] if it had
/// two.
pub trait Responds:
    Service<
        Request<RequestBody>,
        Response = Response<<Self as Responds>::Body>,
        Error = Infallible,
        Future: Send + 'static,
    > + Clone
    + Send
    + Sync
    + 'static
{
    /// The body of a response.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;
}

impl<S, B> Responds for S
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    type Body = B;
}

/// What is told that a connection was ended, or a request rejected, before the service was called.
pub type OnEnding = Arc<dyn Fn(Ending) + Send + Sync>;

/// In the extensions of a request whose head had both `Content-Length` and `Transfer-Encoding`, of which hyper removes
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TwoFramings;
