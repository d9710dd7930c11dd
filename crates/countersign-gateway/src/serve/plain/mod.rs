//! The accelerator: plain requests of HTTP/1.1, before hyper.
//!
//! Nearly all deliveries are plain: `POST`, one `Host`, one `Content-Length`, nothing that changes how the connection
//! works. For these, parsing and writing is little work, and hyper's generality is most of the cost. `head.rs` decides
//! whether a request is plain. Everything else is handed to hyper, with every byte that was read.
//!
//! The service that is called is the same, so the order of what happens to a delivery stands once. A test sends the
//! same bytes through both and compares what the backend gets, the response, and what is recorded.

mod body;
mod connection;
mod discard;
mod head;
mod response;

pub(super) use body::PlainBody;
pub(super) use connection::{Handover, Plain};
