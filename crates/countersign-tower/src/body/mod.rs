//! The body that the service is given, and the body that the sender gets.

mod request;
mod response;

use bytes::Bytes;
use http_body::Frame;

pub use request::{BodyError, DeliveryBody};
pub use response::ResponseBody;

/// All remaining bytes, as one frame.
fn take_frame(bytes: &mut Bytes) -> Option<Frame<Bytes>> {
    let bytes = std::mem::take(bytes);
    (!bytes.is_empty()).then(|| Frame::data(bytes))
}
