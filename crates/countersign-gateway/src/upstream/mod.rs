//! The upstreams of a route: their addresses, their health, and which one gets a request.

mod address;
mod check;
mod counts;
mod ejection;
mod last_failed;
mod names;
mod result;
mod single;
mod stream;
mod tls;
mod upstreams;

pub use address::Address;
pub use counts::UpstreamCounts;
pub use result::UpstreamResult;
pub use single::{ConnectionKey, Upstream};
pub use stream::Stream;
pub use tls::UpstreamTls;
pub(crate) use upstreams::Reached;
pub use upstreams::{Upstreams, resolve};
