//! Deliveries that the published `standardwebhooks` packages sign pass our verification, in the core
//! and through a gateway, and ours pass theirs.

#![expect(clippy::expect_used, reason = "what a test cannot do is its failure")]

mod delivery;
mod gateway;
mod ours;
mod peer;

use delivery::{Delivery, Message, messages};
use peer::{JavaScript, Peer, Python, Rust};

const CURRENT: &str = "whsec_NnZ2aTU5MzdqOXY2bXFwZjgzb2R2cXM1Y3B6cTlyMnM=";
const CURRENT_WITHOUT_PREFIX: &str = "NnZ2aTU5MzdqOXY2bXFwZjgzb2R2cXM1Y3B6cTlyMnM=";
const PREVIOUS: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const FOREIGN: &str = "whsec_4ARnQSXAMHOcEW2cWXlc/ZFYZN+5MCXm";

#[test]
fn python_signs_and_we_verify() {
    peer_signs_and_we_verify(&Python::installed());
}

#[test]
fn we_sign_and_python_verifies() {
    we_sign_and_peer_verifies(&Python::installed());
}

#[test]
fn javascript_signs_and_we_verify() {
    peer_signs_and_we_verify(&JavaScript::installed());
}

#[test]
fn we_sign_and_javascript_verifies() {
    we_sign_and_peer_verifies(&JavaScript::installed());
}

#[test]
fn rust_signs_and_we_verify() {
    peer_signs_and_we_verify(&Rust);
}

#[test]
fn we_sign_and_rust_verifies() {
    we_sign_and_peer_verifies(&Rust);
}

fn peer_signs_and_we_verify(peer: &impl Peer) {
    for secret in [CURRENT, CURRENT_WITHOUT_PREFIX] {
        let deliveries = signed_by(peer, secret, &messages());
        for delivery in &deliveries {
            expect_ok(&ours::verdict(&[secret], delivery), delivery);
            expect_refused(&ours::verdict(&[secret], &delivery.tampered()), &delivery.tampered());
            expect_refused(&ours::verdict(&[FOREIGN], delivery), delivery);
        }
        let tampered: Vec<_> = deliveries.iter().map(Delivery::tampered).collect();
        for (delivery, verdict) in tampered.iter().zip(peer.verify(secret, &tampered)) {
            assert!(verdict.is_err(), "the peer takes what was changed: {delivery:?}");
        }
    }

    let messages = messages();
    let rotated: Vec<_> = signed_by(peer, CURRENT, &messages)
        .into_iter()
        .zip(signed_by(peer, PREVIOUS, &messages))
        .map(|(current, previous)| current.also_signed(&previous.signature))
        .collect();
    for delivery in &rotated {
        for secrets in [&[CURRENT][..], &[PREVIOUS], &[FOREIGN, PREVIOUS]] {
            expect_ok(&ours::verdict(secrets, delivery), delivery);
        }
        expect_refused(&ours::verdict(&[FOREIGN], delivery), delivery);
    }
}

fn we_sign_and_peer_verifies(peer: &impl Peer) {
    for secret in [CURRENT, CURRENT_WITHOUT_PREFIX] {
        let deliveries: Vec<_> = messages().iter().map(|message| ours::sign(&[secret], message)).collect();
        for (delivery, verdict) in deliveries.iter().zip(peer.verify(secret, &deliveries)) {
            expect_ok(&verdict, delivery);
        }
        let tampered: Vec<_> = deliveries.iter().map(Delivery::tampered).collect();
        for (delivery, verdict) in tampered.iter().zip(peer.verify(secret, &tampered)) {
            assert!(verdict.is_err(), "the peer takes what was changed: {delivery:?}");
            expect_refused(&ours::verdict(&[secret], delivery), delivery);
        }
    }

    let rotated: Vec<_> = messages().iter().map(|message| ours::sign(&[CURRENT, PREVIOUS], message)).collect();
    for secret in [CURRENT, PREVIOUS] {
        for (delivery, verdict) in rotated.iter().zip(peer.verify(secret, &rotated)) {
            expect_ok(&verdict, delivery);
        }
    }
    for (delivery, verdict) in rotated.iter().zip(peer.verify(FOREIGN, &rotated)) {
        assert!(verdict.is_err(), "the peer takes a foreign secret's: {delivery:?}");
    }
}

fn signed_by(peer: &impl Peer, secret: &str, messages: &[Message]) -> Vec<Delivery> {
    let signed = messages.iter().zip(peer.sign(secret, messages));
    signed.map(|(message, signature)| message.clone().signed(signature)).collect()
}

fn expect_ok(verdict: &Result<(), String>, delivery: &Delivery) {
    assert_eq!(verdict, &Ok(()), "{delivery:?}");
}

fn expect_refused(verdict: &Result<(), String>, delivery: &Delivery) {
    assert_eq!(verdict, &Err("signature_mismatch".to_owned()), "{delivery:?}");
}
