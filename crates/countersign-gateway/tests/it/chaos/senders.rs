//! Who sends: genuine senders at their pace, some of them slow, and floods of forged deliveries.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::ledger::Ledger;
use crate::common::{Connection, Delivery, OTHER_SECRET, Wire};

/// How long a sender waits for a response.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause of a sender between two messages.
const PACE: Duration = Duration::from_millis(30);

/// What all senders share.
pub(super) struct Traffic {
    pub(super) gateways: Vec<SocketAddr>,
    pub(super) ledger: Arc<Ledger>,
    /// The secret that is signed with.
    pub(super) secret: Mutex<String>,
    /// Whether no new message is to be sent.
    pub(super) is_over: AtomicBool,
    /// Whether forged deliveries are sent.
    pub(super) is_flood: AtomicBool,
    next: AtomicUsize,
}

/// The body of a message: the backend knows it, too.
pub(super) fn body_of(number: usize) -> String {
    format!(
        "{{\"type\":\"batch.succeeded\",\"data\":{{\"id\":\"{number}\",\"text\":\"{}\"}}}}",
        "é".repeat(number % 500)
    )
}

impl Traffic {
    pub(super) fn new(gateways: Vec<SocketAddr>, ledger: Arc<Ledger>, secret: String) -> Self {
        let (is_over, is_flood) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { gateways, ledger, secret: Mutex::new(secret), is_over, is_flood, next: AtomicUsize::new(0) }
    }

    fn secret(&self) -> String {
        self.secret.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn any(&self) -> SocketAddr {
        self.gateways[fastrand::usize(..self.gateways.len())]
    }

    fn genuine(&self, number: usize) -> Delivery {
        Delivery::signed([&*self.secret()], 0, &format!("msg_{number}"), body_of(number))
    }

    /// Sends one message after the other, each until it is acknowledged, and some of them once more.
    pub(super) async fn send_genuine(self: Arc<Self>) {
        while !self.is_over.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            loop {
                let is_slow = number.is_multiple_of(40);
                let status = self.attempt(self.genuine(number), is_slow).await;
                if self.ledger.entries().settled(number, if is_slow { "slow senders" } else { "senders" }, status) {
                    break;
                }
                sleep(Duration::from_millis(50)).await;
            }
            if number.is_multiple_of(10) {
                // The response may have been lost on its way. It is acknowledged again, and not handled again.
                let status = self.attempt(self.genuine(number), false).await;
                self.ledger.entries().responded("duplicates", status);
            }
            sleep(PACE).await;
        }
    }

    /// The status of the response to a request, if there is one in time.
    async fn attempt(&self, delivery: Delivery, is_slow: bool) -> Option<u16> {
        let address = self.any();
        let sent = async {
            if is_slow {
                return slowly(address, &delivery).await;
            }
            let wire = Wire::ALL[fastrand::usize(..Wire::ALL.len())];
            let reply = Connection::open(address, wire).await?.send(&delivery, wire).await?;
            Some(reply.status.as_u16())
        };
        timeout(PATIENCE, sent).await.ok().flatten()
    }

    /// Sends forged deliveries while there is a flood: another secret, another body, or no signature at all.
    pub(super) async fn send_forged(self: Arc<Self>) {
        while !self.is_over.load(Ordering::Relaxed) {
            if !self.is_flood.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(20)).await;
                continue;
            }
            let id = format!("forged_{}", fastrand::u64(..));
            let delivery = match fastrand::u8(..3) {
                0 => Delivery::signed([OTHER_SECRET], 0, &id, body_of(1)),
                1 => Delivery::signed([&*self.secret()], 0, &id, body_of(1)).with_body(body_of(2)),
                _ => Delivery::signed([&*self.secret()], 0, &id, body_of(1)).without("webhook-signature"),
            };
            let status = self.attempt(delivery, false).await;
            let mut entries = self.ledger.entries();
            entries.responded("forged deliveries", status);
            if status.is_some_and(|status| (200..300).contains(&status)) {
                entries.intruders.push(format!("{id} was acknowledged"));
            }
        }
    }
}

/// Sends the request in pieces, with pauses.
async fn slowly(address: SocketAddr, delivery: &Delivery) -> Option<u16> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let bytes = delivery.clone().set("connection", "close").bytes();
    for piece in bytes.chunks(bytes.len().div_ceil(8)) {
        stream.write_all(piece).await.ok()?;
        sleep(Duration::from_millis(100)).await;
    }
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.ok()?;
    str::from_utf8(response.strip_prefix(b"HTTP/1.1 ")?.get(..3)?).ok()?.parse().ok()
}
