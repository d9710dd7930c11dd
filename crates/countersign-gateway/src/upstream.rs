//! The backends of a route, as the code that forwards to them sees them.

use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderValue;
use http::uri::Authority;

/// The backends of one route. Something else resolves their names and checks their health.
pub trait Upstreams: Send + Sync {
    /// How many addresses there are, which is also how many attempts are useful.
    fn count(&self) -> usize;

    /// The next backend in turn that is not in `tried`: a healthy one, or any if none is healthy.
    ///
    /// Concurrent requests share the turns, so each request has to remember what it tried.
    fn next(&self, tried: &[Arc<Upstream>]) -> Option<Arc<Upstream>>;
}

/// One backend: its address and its name. Both are built when the name is resolved, not for each request.
#[derive(Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The address and port to connect to.
    pub address: SocketAddr,
    /// The configured name, sent as `Host`.
    pub host: HeaderValue,
}

impl Upstream {
    /// The backend with this configured name at this address, or `None` if the name is no valid header value.
    pub fn new(name: &Authority, address: SocketAddr) -> Option<Self> {
        Some(Self { address, host: HeaderValue::from_str(name.as_str()).ok()? })
    }

    /// The configured name.
    pub fn name(&self) -> &str {
        self.host.to_str().unwrap_or_default()
    }
}
