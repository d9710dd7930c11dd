//! The accelerator: serves plain HTTP/1.1 requests without hyper.
//!
//! Nearly all deliveries are plain: `POST`, one `Host`, one `Content-Length`, nothing that changes how the connection
//! works. Parsing and writing these is little work, and hyper's generality is most of the cost. `head.rs` decides
//! whether a request is plain. Everything else is passed to hyper, with every byte that was read.
//!
//! Both call the same service, so the steps of a delivery are defined in one place. A test sends the
//! same bytes through both and compares the backend's request, the response, and the records.

mod body;
mod connection;
mod head;
mod response;

pub(super) use body::PlainBody;
pub(super) use connection::{Buffers, Handover, Plain};
pub(super) use head::PlainHead;
