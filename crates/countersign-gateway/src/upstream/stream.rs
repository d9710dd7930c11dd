//! The stream of a connection to an upstream.

use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use crate::serve::Socket;

/// The stream of a connection to an upstream: a socket in plain text, or TLS on it.
pub type Stream = Either<Socket, Box<TlsStream<Socket>>>;
