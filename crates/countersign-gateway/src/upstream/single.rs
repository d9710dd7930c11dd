//! One upstream at one address.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Uri};

use super::address::Address;
use super::counts::Counters;
use super::ejection::Ejection;
use super::result::UpstreamResult;
use super::stream::Stream;
use super::tls::Secured;
use crate::config::{EjectSpec, UpstreamSpec};

/// What has to be equal so that a connection can be used for another upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionKey {
    address: Address,
    is_http2: bool,
    /// How the upstream was verified.
    tls: u64,
}

/// One upstream at one address. It is built when the name is resolved, not for each request.
#[derive(Debug)]
pub struct Upstream {
    /// Where it listens.
    pub address: Address,
    /// The configured host and port, sent as `Host`.
    pub host: HeaderValue,
    name: String,
    is_http2: bool,
    tls: Option<Secured>,
    key: ConnectionKey,
    /// Whether the last health check succeeded.
    is_healthy: AtomicBool,
    /// Whether it has failed since its last response. If not, no lock is needed.
    is_suspect: AtomicBool,
    ejection: Mutex<Ejection>,
    counters: Counters,
}

impl Upstream {
    /// The upstream of this configuration at this address, or `None` if its host is no valid header value.
    pub(super) fn new(spec: &UpstreamSpec, address: Address, tls: Option<Secured>, counters: Counters) -> Option<Self> {
        let mut hasher = DefaultHasher::new();
        tls.as_ref().map(Secured::key).hash(&mut hasher);
        Some(Self {
            host: HeaderValue::from_str(spec.authority.as_str()).ok()?,
            name: spec.name(),
            is_http2: spec.scheme.is_http2(),
            key: ConnectionKey { address: address.clone(), is_http2: spec.scheme.is_http2(), tls: hasher.finish() },
            address,
            tls,
            is_healthy: AtomicBool::new(true),
            is_suspect: AtomicBool::new(false),
            ejection: Mutex::default(),
            counters,
        })
    }

    /// The configured name: the host and port, or the Unix socket.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it speaks HTTP/2.
    pub fn is_http2(&self) -> bool {
        self.is_http2
    }

    /// The URI of a request over HTTP/2.
    pub fn absolute(&self, path: PathAndQuery) -> Option<Uri> {
        let scheme = if self.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        Uri::builder().scheme(scheme).authority(self.host.as_bytes()).path_and_query(path).build().ok()
    }

    /// Connections with equal keys may be used for each other.
    pub fn key(&self) -> &ConnectionKey {
        &self.key
    }

    /// Connects, with the TLS handshake.
    pub async fn connect(&self) -> io::Result<Stream> {
        let socket = self.address.connect().await?;
        Ok(match &self.tls {
            Some(tls) => Stream::Right(Box::new(tls.connect(socket).await?)),
            None => Stream::Left(socket),
        })
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
