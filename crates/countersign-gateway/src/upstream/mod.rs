//! The upstreams of a route: their addresses, their health, and which one gets a request.

mod check;
mod counts;
mod ejection;
mod last_failed;
mod names;
mod result;
mod single;
mod upstreams;

pub use counts::UpstreamCounts;
pub use result::UpstreamResult;
pub use single::Upstream;
pub use upstreams::{Upstreams, resolve};
