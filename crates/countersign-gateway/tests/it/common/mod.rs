//! What all tests of the gateway share: the binary as a child process, a backend that does as it is
//! told and remembers what it saw, a sender, and connections on which anything can be written.

mod backend;
mod client;
mod delivery;
mod gateway;
mod jwks;
mod upstream;

use std::time::Duration;

pub(crate) use backend::{Answer, Backend, Seen};
pub(crate) use client::{Connection, Raw, Reply, Wire, get, raw_answers, send};
pub(crate) use delivery::{Delivery, OTHER_SECRET, SECRET, delivery, noise};
pub(crate) use gateway::{Gateway, SOURCE, binary, finished, free_address, route, route_to, run, secret_of};
pub(crate) use jwks::{Authority, BODY, Issuer, Publish, Publisher, jwk, key, keys, signed_by, source};
pub(crate) use upstream::{Peer, Upstream};

/// How long anything may take that is to happen at all.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Fails a test that would hang.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(SOON, future).await.expect("it happens soon, or never")
}

/// Waits until this is so.
pub(crate) async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(SOON, waiting).await.is_ok(), "in vain: {what}");
}
