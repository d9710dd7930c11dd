//! Our half of every case.

use countersign::clock::{Clock, SystemClock};
use countersign::sign::Signer;
use countersign::{MessageId, Secret, UnixTime, Verifier};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Delivery, Message, gateway};

/// What we say to a delivery: the reason in its stable name, if it is refused.
///
/// Every case goes both ways, and both must agree.
pub(crate) fn verdict(secrets: &[&str], delivery: &Delivery) -> Result<(), String> {
    let verdict = of_the_core(secrets, delivery);
    assert_eq!(gateway::verdict(secrets, delivery), verdict, "the gateway and the core differ: {delivery:?}");
    verdict
}

fn of_the_core(secrets: &[&str], delivery: &Delivery) -> Result<(), String> {
    let verifier = Verifier::builder("interop").secrets(parsed(secrets)).build().expect("a sound verifier");
    let headers: HeaderMap = delivery
        .headers()
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(&value).expect("a header's value")))
        .collect();
    let reason = |rejection: countersign::Rejection| rejection.reason().to_string();

    let attempt = verifier.begin(&headers, SystemClock.now()).map_err(reason)?;
    let proof = attempt.finish(delivery.message.body.clone().into()).map_err(reason)?;
    assert_eq!(proof.message_id().as_str(), delivery.message.id);
    Ok(())
}

/// Signs with each of the secrets.
pub(crate) fn sign(secrets: &[&str], message: &Message) -> Delivery {
    let signer = Signer::new(parsed(secrets)).expect("secrets to sign with");
    let id = MessageId::parse(&message.id).expect("a sound id");
    let headers = signer.sign(&id, UnixTime::from_secs(message.timestamp), &message.body);
    let signature = headers["webhook-signature"].to_str().expect("a signature is ASCII");
    message.clone().signed(signature.to_owned())
}

fn parsed(secrets: &[&str]) -> impl Iterator<Item = Secret> {
    secrets.iter().map(|secret| Secret::parse(secret).expect("a sound secret"))
}
