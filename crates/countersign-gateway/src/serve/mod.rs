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
mod scan;
mod service;
mod slots;
mod streams;
mod watch;

use bytes::Bytes;
use http::{Request, Response};

pub use activity::Timeouts;
pub use body::RequestBody;
pub use connection::Server;
pub use ending::Ending;
pub use slots::{Phase, Slot, Slots};

use crate::forward::Peer;

/// The most bytes that the head of a request may have.
pub const MAX_HEAD: usize = 64 * 1024;

/// Responds to requests, whatever connection they arrive on.
pub trait Handle: Send + Sync + 'static {
    /// The body of a response.
    type Body: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static;

    /// Responds to one request.
    fn handle(
        &self,
        request: Request<RequestBody>,
        arrival: Arrival,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// A connection was ended, or a request rejected, without `handle`.
    fn on_ending(&self, ending: Ending);
}

/// What the connection knows of a request beyond its head.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The address of the client.
    pub peer: Option<Peer>,
    /// Whether the head had both `Content-Length` and `Transfer-Encoding`, of which hyper drops one.
    pub two_framings: bool,
}
