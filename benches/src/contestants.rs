//! The ways to verify that are compared.

#![expect(clippy::expect_used, reason = "all of them are set up with a secret that is known to be sound")]

use bytes::Bytes;
use countersign::clock::{Clock, SystemClock};
use countersign::{Rejection, Verified, Verifier};
use hmac::digest::Output;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use standardwebhooks::{Webhook, WebhookError};

use crate::deliveries::{Delivery, SECRET, verifier};

/// The least that any verification has to do: one HMAC with a key whose pads are hashed already.
#[derive(Debug)]
pub struct BareHmac {
    prepared: Hmac<Sha256>,
    id: Bytes,
    timestamp: Bytes,
    body: Bytes,
}

impl BareHmac {
    /// Takes a key of 32 bytes (which one makes no difference), and has what is signed at hand.
    pub fn new(delivery: &Delivery) -> Self {
        let value = |name| Bytes::copy_from_slice(delivery.headers[name].as_bytes());
        Self {
            prepared: Hmac::new_from_slice(&[7; 32]).expect("HMAC takes a key of any length"),
            id: value("webhook-id"),
            timestamp: value("webhook-timestamp"),
            body: delivery.body.clone(),
        }
    }

    /// The tag of what is signed.
    pub fn tag(&self) -> Output<Hmac<Sha256>> {
        let mut mac = self.prepared.clone();
        mac.update(&self.id);
        mac.update(b".");
        mac.update(&self.timestamp);
        mac.update(b".");
        mac.update(&self.body);
        mac.finalize().into_bytes()
    }
}

/// A complete verification: the clock is read, the head checked, then the body.
#[derive(Debug)]
pub struct Countersign(Verifier);

impl Countersign {
    /// With the secret that the deliveries are signed with.
    pub fn new() -> Self {
        Self(verifier())
    }

    /// The verdict on a delivery.
    pub fn verify(&self, delivery: &Delivery) -> Result<Verified, Rejection> {
        self.0.begin(&delivery.headers, SystemClock.now())?.finish(delivery.body.clone())
    }
}

impl Default for Countersign {
    fn default() -> Self {
        Self::new()
    }
}

/// The reference implementation, which reads the clock itself.
pub struct StandardWebhooks(Webhook);

impl StandardWebhooks {
    /// With the secret that the deliveries are signed with.
    pub fn new() -> Self {
        Self(Webhook::new(SECRET).expect("a good secret"))
    }

    /// Its verdict on a delivery.
    pub fn verify(&self, delivery: &Delivery) -> Result<(), WebhookError> {
        self.0.verify(&delivery.body, &delivery.headers)
    }
}

impl Default for StandardWebhooks {
    fn default() -> Self {
        Self::new()
    }
}
