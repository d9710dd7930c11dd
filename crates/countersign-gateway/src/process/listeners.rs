//! How the listeners are opened, and what they do with connections.

use std::sync::Arc;

use countersign::clock::{Clock as _, SystemClock};

use super::ServerError;
use super::sockets::{ListeningSocket, Opener};
use crate::client_limit::ClientLimit;
use crate::config::{self, ListenAddress, ListenSpec};
use crate::connection::Address;
use crate::gateway::Gateway;
use crate::ledger::Ledger;
use crate::metrics::Counts;
use crate::serve::{ClientSlots, Ending, Preamble, Server, Tls};
use crate::state::State;

/// Serves webhooks with the accelerator and the limits of this configuration.
pub(super) fn as_configured(
    mut webhooks: Server<Gateway>,
    config: &config::Server,
    counts: &Counts,
) -> Server<Gateway> {
    if config.accelerate {
        webhooks = webhooks.accelerate(counts.accelerated());
    }
    if let Some(max) = config.client_limits.connections {
        let proxies = config.trusted_proxies();
        webhooks = webhooks.limit_clients(ClientSlots::new(max, move |address| proxies.contain(address)));
    }
    webhooks
}

/// What happens when a request or a connection does not reach the gateway.
pub(super) fn on_ending(ledger: Ledger, client_limit: Option<Arc<ClientLimit>>) -> impl Fn(Ending, Address) {
    move |ending, peer| {
        if let Some(limit) = &client_limit {
            limit.note_ending(peer, ending.status(), SystemClock.instant());
        }
        ledger.record_ending(ending, peer);
    }
}

/// The sockets for webhooks, divided among the threads.
pub(super) fn open_webhooks(
    sockets: &mut Opener,
    listen: &[ListenSpec],
    tls: Vec<Option<Arc<Tls>>>,
    threads: usize,
) -> Result<Vec<Vec<(ListeningSocket, Preamble)>>, ServerError> {
    let mut by_thread: Vec<_> = (0..threads).map(|_| Vec::new()).collect();
    for (spec, tls) in listen.iter().zip(tls) {
        let bound = sockets.webhooks(spec, threads).map_err(bind_error(&spec.address))?;
        let preamble = Preamble { proxy_header: spec.proxy_protocol, tls };
        for (position, socket) in bound.into_iter().enumerate() {
            if let Some(thread) = by_thread.get_mut(position % threads) {
                thread.push((socket, preamble.clone()));
            }
        }
    }
    Ok(by_thread)
}

/// The sockets for backends that fetch their messages, if they are configured.
pub(super) fn open_pull(
    sockets: &mut Opener,
    config: &config::Server,
    state: &State,
) -> Result<Option<Vec<(ListeningSocket, Preamble)>>, ServerError> {
    let Some(spec) = &config.pull else { return Ok(None) };
    let opened = open_webhooks(sockets, std::slice::from_ref(spec), vec![state.pull_tls.clone()], 1)?.pop();
    tracing::info!(address = %spec.address, "listening for backends that fetch their messages");
    Ok(opened)
}

pub(super) fn bind_error(address: &ListenAddress) -> impl FnOnce(std::io::Error) -> ServerError {
    let address = address.clone();
    move |error| ServerError::Bind { address, error }
}
