//! The limit on rejected requests of each client.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::StatusCode;

use crate::connection::{Address, Connection};
use crate::proxies::TrustedProxies;
use crate::rate::Rate;

/// The parts of the table, each with a lock of its own.
const SHARDS: usize = 16;
/// The most clients that one part remembers.
const MOST: usize = 4096;

/// Remembers how often requests of each client were rejected. A client without rejected requests takes no memory, and the
/// number of clients is limited.
#[derive(Debug)]
pub struct ClientLimit {
    rate: Rate,
    trusted: TrustedProxies,
    hasher: RandomState,
    /// For each client, when a whole burst of rejected requests is allowed again.
    shards: [Mutex<HashMap<IpAddr, Instant>>; SHARDS],
}

/// The client of a request, in its extensions if it is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitedClient(IpAddr);

impl ClientLimit {
    /// Limits the rejected requests of each client to this rate.
    pub fn new(rate: Rate, trusted: TrustedProxies) -> Self {
        Self { rate, trusted, hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }

    /// The client of requests on this connection, if it is limited. A trusted proxy that does not name its client is not,
    /// because it stands for all of its clients.
    pub fn client(&self, connection: &Connection) -> Option<LimitedClient> {
        self.client_at(connection.peer_address())
    }

    fn client_at(&self, address: Address) -> Option<LimitedClient> {
        address.network().filter(|_| !self.trusted.contain(address)).map(LimitedClient)
    }

    /// Whether another request of this client would be allowed to be rejected, or how long it has to wait.
    pub fn check(&self, LimitedClient(client): LimitedClient, now: Instant) -> Result<(), Duration> {
        let full_at = self.shard(client).get(&client).copied();
        full_at.map_or(Ok(()), |full_at| self.rate.admit(Some(full_at), now).map(drop))
    }

    /// A request from this address was rejected before its head could be read, with this status if it got a response.
    pub fn note_ending(&self, address: Address, status: Option<StatusCode>, now: Instant) {
        if let (Some(status), Some(client)) = (status, self.client_at(address)) {
            self.note(client, status, now);
        }
    }

    /// A request of this client was rejected with this status.
    pub fn note(&self, LimitedClient(client): LimitedClient, status: StatusCode, now: Instant) {
        // 409 is for a message that is being handled, and 429 follows from a limit.
        let is_its_fault =
            status.is_client_error() && !matches!(status, StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS);
        if !is_its_fault {
            return;
        }
        let mut clients = self.shard(client);
        let known = clients.get(&client).copied();
        // Requests that were in progress when the last one was allowed do not extend the time.
        let Ok(full_at) = self.rate.admit(known, now) else { return };
        if known.is_none() && clients.len() >= MOST {
            make_room(&mut clients, now);
        }
        clients.insert(client, full_at);
    }

    fn shard(&self, client: IpAddr) -> MutexGuard<'_, HashMap<IpAddr, Instant>> {
        let [first, ..] = &self.shards;
        let position = self.hasher.hash_one(client) % (SHARDS as u64);
        let shard = usize::try_from(position).ok().and_then(|position| self.shards.get(position)).unwrap_or(first);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets clients that may have a whole burst again, and if these are few, the half with the fewest rejected requests.
fn make_room(clients: &mut HashMap<IpAddr, Instant>, now: Instant) {
    clients.retain(|_, full_at| *full_at > now);
    if clients.len() > MOST / 2 {
        let mut times: Vec<_> = clients.values().copied().collect();
        let (_, middle, _) = times.select_nth_unstable(MOST / 2);
        let middle = *middle;
        clients.retain(|_, full_at| *full_at > middle);
    }
}

#[cfg(test)]
mod tests {
    use countersign::clock::{Clock, SystemClock};

    use crate::connection::{Client, Scheme};

    use super::*;

    const FORBIDDEN: StatusCode = StatusCode::UNAUTHORIZED;

    fn limit() -> ClientLimit {
        let trusted = TrustedProxies::new(["10.0.0.0/8".parse().unwrap()], true);
        ClientLimit::new(Rate::new(2, Duration::from_secs(10), 3), trusted)
    }

    fn client(limit: &ClientLimit, text: &str) -> Option<LimitedClient> {
        limit.client(&Connection::new(text.parse::<IpAddr>().unwrap(), Scheme::Http))
    }

    #[test]
    fn a_client_is_limited_after_a_burst_of_rejected_requests_until_its_time_has_passed() {
        let (limit, start) = (limit(), SystemClock.instant());
        let one = client(&limit, "192.0.2.1").unwrap();
        for status in [200, 409, 429, 503] {
            (0..9).for_each(|_| limit.note(one, StatusCode::from_u16(status).unwrap(), start));
        }
        for _ in 0..3 {
            assert_eq!(limit.check(one, start), Ok(()));
            limit.note(one, FORBIDDEN, start);
        }
        assert_eq!(limit.check(one, start), Err(Duration::from_secs(5)));
        // Those that were in progress do not make it worse.
        (0..9).for_each(|_| limit.note(one, FORBIDDEN, start));
        assert_eq!(limit.check(one, start + Duration::from_secs(5)), Ok(()));
        assert_eq!(limit.check(client(&limit, "192.0.2.2").unwrap(), start), Ok(()));
    }

    #[test]
    fn a_network_of_ipv6_is_one_client_and_proxies_are_none() {
        let limit = limit();
        assert_eq!(client(&limit, "2001:db8::1"), client(&limit, "2001:db8::ffff:0:0:2"));
        assert_ne!(client(&limit, "2001:db8::1"), client(&limit, "2001:db8:0:1::1"));
        assert_eq!(client(&limit, "::ffff:192.0.2.1"), client(&limit, "192.0.2.1"));
        assert_eq!(client(&limit, "10.0.0.1"), None);
        let proxy = Connection::new(Address::Unix, Scheme::Http);
        assert_eq!(limit.client(&proxy), None);
        let reported = proxy.reports(Client { address: Some([192, 0, 2, 1].into()), ..Client::default() });
        assert_eq!(limit.client(&reported), client(&limit, "192.0.2.1"));
    }

    #[test]
    fn the_table_is_bounded_and_keeps_the_worst() {
        let (limit, start) = (limit(), SystemClock.instant());
        let worst = client(&limit, "192.0.2.1").unwrap();
        (0..3).for_each(|_| limit.note(worst, FORBIDDEN, start));
        for n in 0..200_000_u32 {
            limit.note(LimitedClient(IpAddr::from(n.to_be_bytes())), FORBIDDEN, start);
        }
        let clients: usize = limit.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert!(clients <= SHARDS * MOST, "{clients}");
        assert!(limit.check(worst, start).is_err());
    }
}
