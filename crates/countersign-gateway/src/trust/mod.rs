//! The headers that a backend receives: they describe the verified request, and the client cannot use them to
//! forge that description or to steer the backend.

mod folded;
mod known;
mod names;
mod opened;
mod polled;
mod request;
mod response;
mod set;
mod stored;
#[cfg(test)]
mod tests;

pub use names::{ASSERTION, EVENT_TYPE, KEY, SCHEME, SOURCE};
pub use opened::Opened;
pub use polled::{is_polled, polled_headers};
pub use request::{BackendHeaders, is_header_text};
pub use response::SenderHeaders;
pub use set::{SetHeaders, are_alike, settable};
pub use stored::StoredHeaders;
