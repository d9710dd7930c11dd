//! Limits the number of open connections of each client.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::connection::Address;

/// A limit on the connections of each client. There are never more entries than open connections.
pub struct ClientSlots {
    max: usize,
    is_exempt: Box<dyn Fn(Address) -> bool + Send + Sync>,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// The client has as many connections as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl ClientSlots {
    /// At most `max` connections of each client that is not exempt.
    pub fn new(max: usize, is_exempt: impl Fn(Address) -> bool + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { max, is_exempt: Box::new(is_exempt), open: Mutex::default() })
    }

    /// Takes a place for one more connection of this client.
    pub(super) fn take(self: &Arc<Self>, client: Address) -> Result<ClientSlot, Full> {
        let network = client.network().filter(|_| !(self.is_exempt)(client));
        let Some(client) = network else { return Ok(ClientSlot(None)) };
        let mut open = self.lock();
        let count = open.entry(client).or_default();
        if *count >= self.max {
            return Err(Full);
        }
        *count += 1;
        Ok(ClientSlot(Some((Arc::clone(self), client))))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ClientSlots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSlots").field("max", &self.max).finish_non_exhaustive()
    }
}

/// The place of one connection, which is free when this is dropped.
#[derive(Debug, Default)]
pub(super) struct ClientSlot(Option<(Arc<ClientSlots>, IpAddr)>);

impl Drop for ClientSlot {
    fn drop(&mut self) {
        let Some((slots, client)) = self.0.take() else { return };
        let mut open = slots.lock();
        if let Some(count) = open.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                open.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_places() {
        let slots = ClientSlots::new(2, |address| address == Address::from(IpAddr::from([10, 0, 0, 1])));
        let take = |text: &str| slots.take(Address::from(text.parse::<IpAddr>().unwrap()));
        let first = take("192.0.2.1").unwrap();
        let _second = take("::ffff:192.0.2.1").unwrap();
        assert_eq!(take("192.0.2.1").unwrap_err(), Full);
        let _others = [take("192.0.2.2").unwrap(), take("2001:db8::1").unwrap(), take("2001:db8::ffff:2").unwrap()];
        assert_eq!(take("2001:db8::3").unwrap_err(), Full);
        drop(take("2001:db8:0:1::3").unwrap());
        assert_eq!(slots.lock().len(), 3);
        drop(first);
        assert!(take("192.0.2.1").is_ok());
        let exempt: Vec<_> = (0..5).map(|_| (take("10.0.0.1").unwrap(), slots.take(Address::Unix).unwrap())).collect();
        assert_eq!((exempt.len(), slots.lock().len()), (5, 3));
    }
}
