use bytes::Bytes;
use http_body::Frame;

/// All remaining bytes, as one frame.
pub(super) fn take_frame(bytes: &mut Bytes) -> Option<Frame<Bytes>> {
    let bytes = std::mem::take(bytes);
    (!bytes.is_empty()).then(|| Frame::data(bytes))
}
