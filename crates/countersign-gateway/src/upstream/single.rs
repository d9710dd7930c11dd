//! One upstream at one address.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderValue;
use http::uri::Authority;

use super::counts::Counters;
use super::ejection::Ejection;
use super::result::UpstreamResult;
use crate::config::EjectSpec;

/// One upstream at one address. It is built when the name is resolved, not for each request.
#[derive(Debug)]
pub struct Upstream {
    /// The address and port to connect to.
    pub address: SocketAddr,
    /// The configured name, sent as `Host`.
    pub host: HeaderValue,
    /// Whether the last health check succeeded.
    is_healthy: AtomicBool,
    /// Whether it has failed since its last response. If not, no lock is needed.
    is_suspect: AtomicBool,
    ejection: Mutex<Ejection>,
    counters: Counters,
}

impl Upstream {
    /// The upstream with this configured name at this address, or `None` if the name is no valid header value.
    pub(super) fn new(name: &Authority, address: SocketAddr, counters: Counters) -> Option<Self> {
        let host = HeaderValue::from_str(name.as_str()).ok()?;
        let (is_healthy, is_suspect) = (AtomicBool::new(true), AtomicBool::new(false));
        Some(Self { address, host, is_healthy, is_suspect, ejection: Mutex::default(), counters })
    }

    /// The configured name.
    pub fn name(&self) -> &str {
        self.host.to_str().unwrap_or_default()
    }

    /// Whether the last health check succeeded, or there was none.
    pub(super) fn is_healthy(&self) -> bool {
        self.is_healthy.load(Relaxed)
    }

    /// Records a health check. Returns whether the result has changed.
    pub(super) fn set_healthy(&self, is_healthy: bool) -> bool {
        self.is_healthy.swap(is_healthy, Relaxed) != is_healthy
    }

    /// Whether it is ejected, or on trial after an ejection.
    pub(super) fn is_ejected(&self) -> bool {
        self.is_suspect.load(Relaxed) && self.ejection().is_ejected()
    }

    /// Whether it may get a request.
    pub(super) fn admits(&self, now: Instant) -> bool {
        !self.is_suspect.load(Relaxed) || self.ejection().admits(now)
    }

    /// It gets a request.
    pub(super) fn begin(&self, spec: &EjectSpec, now: Instant) {
        if self.is_suspect.load(Relaxed) {
            self.ejection().begin(spec, now);
        }
    }

    pub(super) fn count(&self, result: UpstreamResult) {
        self.counters.count(result);
    }

    /// It responded. Returns whether that ends an ejection.
    pub(super) fn succeed(&self) -> bool {
        if !self.is_suspect.load(Relaxed) {
            return false;
        }
        let mut ejection = self.ejection();
        self.is_suspect.store(false, Relaxed);
        ejection.succeed()
    }

    /// It did not respond. If that begins an ejection, returns its length and the number of failures.
    pub(super) fn fail(&self, spec: &EjectSpec, now: Instant) -> Option<(Duration, usize)> {
        let mut ejection = self.ejection();
        self.is_suspect.store(true, Relaxed);
        let length = ejection.fail(spec, now)?;
        Some((length, ejection.failures()))
    }

    fn ejection(&self) -> MutexGuard<'_, Ejection> {
        self.ejection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
