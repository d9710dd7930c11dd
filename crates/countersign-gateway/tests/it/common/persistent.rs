use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{Connection, Wire, delivery};

/// Sends a message until one of the gateways acknowledges it. Returns how often it was sent.
pub(crate) async fn send_until_acknowledged(gateways: Vec<SocketAddr>, number: usize) -> usize {
    let id = format!("msg_{number}");
    for attempt in 0.. {
        let address = gateways[(number + attempt) % gateways.len()];
        let sent = delivery(&id, "{}");
        let answer = async { Connection::open(address, Wire::Http1Length).await?.send(&sent, Wire::Http1Length).await };
        match timeout(Duration::from_secs(5), answer).await {
            Ok(Some(reply)) if reply.status.is_success() => return attempt + 1,
            _ => sleep(Duration::from_millis(50)).await,
        }
    }
    unreachable!("the loop has no end")
}
