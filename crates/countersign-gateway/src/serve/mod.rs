//! Serves HTTP on accepted streams with hyper, and limits the memory and time that a client can use.
//!
//! It is independent of webhooks, and of how streams are accepted.
//!
//! `connection.rs` serves a connection, first without a request and then as HTTP/1.1 or HTTP/2. `preamble.rs` does
//! what a listener requires before that: the PROXY protocol and TLS. `activity.rs` decides when a connection must end.
//! `link.rs` is the stream below hyper. It counts heads (`scan/`), and closes the stream so that a response still
//! arrives if the rest of its request is not read.

mod activity;
mod body;
mod client_slots;
mod connection;
mod discard;
mod ending;
pub mod fuzzing;
pub mod head;
mod link;
mod plain;
mod preamble;
mod proxy_header;
mod scan;
mod service;
mod slots;
mod sni;
mod socket;
mod stream;
mod streams;
mod tls;
mod watch;

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::connection::Address;
pub use activity::Timeouts;
pub use body::RequestBody;
pub use client_slots::ClientSlots;
pub use connection::Server;
pub use ending::Ending;
pub use preamble::Preamble;
pub use slots::{Phase, Slot, Slots};
pub use socket::Socket;
pub use tls::Tls;

/// The maximum size of a request head, in bytes.
pub const MAX_HEAD: usize = 64 * 1024;

/// A service that [`Server`] can serve. Every [`Service`] of this form implements it.
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

/// Called when a connection is closed, or a request is rejected, before it reaches the service.
pub type OnEnding = Arc<dyn Fn(Ending, Address) + Send + Sync>;

/// In the extensions of a request whose head had both `Content-Length` and `Transfer-Encoding`, of which hyper removes
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TwoFramings;
