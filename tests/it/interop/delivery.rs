//! What is signed and sent, in terms that every implementation shares.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign::clock::{Clock, SystemClock};

/// What a sender has to say, before it is signed.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) timestamp: u64,
    pub(crate) body: Vec<u8>,
}

/// A message with the value of its signature header.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) message: Message,
    pub(crate) signature: String,
}

/// The bodies to try. All are JSON, for the peers parse what they have verified.
pub(crate) fn messages() -> Vec<Message> {
    let bodies = [
        r#"{"type":"batch.succeeded","version":"v1","data":{"id":"batch_123456"}}"#.to_owned(),
        "{}".to_owned(),
        " {\"n\" : 1.0,\r\n\t\"n\":1e0 }\n".to_owned(),
        r#"{"Größe":"ß\u00df","名前":"ジェミニ","emoji":"👩‍🚀"}"#.to_owned(),
        format!(r#"{{"pad":"{}"}}"#, "x".repeat(100 * 1024)),
    ];
    // The peers ask the system's clock, so the deliveries are of now.
    let timestamp = SystemClock.now().as_secs();
    bodies.map(|body| Message { id: new_id(), timestamp, body: body.into() }).into()
}

/// No id comes twice, for a gateway would take it for a retry.
fn new_id() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    format!("msg_interop_{}", LAST.fetch_add(1, Ordering::Relaxed))
}

impl Message {
    pub(crate) fn signed(self, signature: String) -> Delivery {
        Delivery { message: self, signature }
    }
}

impl Delivery {
    pub(crate) fn headers(&self) -> [(&'static str, String); 3] {
        [
            ("webhook-id", self.message.id.clone()),
            ("webhook-timestamp", self.message.timestamp.to_string()),
            ("webhook-signature", self.signature.clone()),
        ]
    }

    /// The same with a space behind the body: equal as JSON, and not what was signed.
    pub(crate) fn tampered(&self) -> Self {
        let mut tampered = self.clone();
        tampered.message.body.push(b' ');
        tampered
    }

    /// The same with one more signature in the list, as in a rotation.
    pub(crate) fn also_signed(mut self, signature: &str) -> Self {
        self.signature = format!("{} {signature}", self.signature);
        self
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start: String = String::from_utf8_lossy(&self.message.body).chars().take(60).collect();
        write!(f, "{} of {} bytes, {start:?}…, {}", self.message.id, self.message.body.len(), self.signature)
    }
}
