//! How an attempt is signed, and how faults change it.

use std::time::Duration;

use bytes::Bytes;
use countersign::header::{HeaderSet, WEBHOOK_HEADERS};
use countersign::sign::{PrivateKey, Signer, TokenIssuer, TokenSigner};
use countersign::{MessageId, Secret, UnixTime};
use countersign_senders::renamed;
use http::HeaderMap;
use serde_json::{Map, Value};

use crate::faults::Fault;

/// The age of a stale timestamp: twice the usual tolerance.
const STALE: Duration = Duration::from_mins(10);

/// How dynamic webhooks are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dynamic {
    /// Ed25519 signatures, as seen on live deliveries.
    #[default]
    V1a,
    /// An RS256 token in place of the signature, as documented.
    Rs256,
}

/// The scheme and keys that sign an attempt.
#[derive(Clone, Debug)]
pub(crate) enum Signing {
    /// `v1`, with each of these secrets.
    Secrets(Vec<Secret>),
    /// `v1a`, with the private key of this id.
    Ed25519(String, PrivateKey),
    /// A token, for this audience.
    Token(TokenSigner, String),
}

/// A signed attempt, as it is sent.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The signed timestamp, in Unix seconds.
    pub(crate) timestamp: u64,
}

impl Signing {
    pub(crate) const fn scheme(&self) -> &'static str {
        match self {
            Self::Secrets(_) => "v1",
            Self::Ed25519(..) => "v1a",
            Self::Token(..) => "rs256",
        }
    }

    /// The labels of the keys: truncated secrets, or the id of a published key.
    pub(crate) fn keys(&self) -> Vec<String> {
        match self {
            Self::Secrets(secrets) => secrets.iter().filter_map(|secret| secret.label().map(str::to_owned)).collect(),
            Self::Ed25519(kid, _) => vec![kid.clone()],
            Self::Token(signer, _) => vec![signer.kid().to_owned()],
        }
    }

    /// Signs an attempt made at `now`, with headers of these names. The body must be a JSON object.
    pub(crate) fn sign(
        self,
        names: &HeaderSet,
        id: &MessageId,
        now: UnixTime,
        body: &Bytes,
        fault: Option<Fault>,
    ) -> Result<Signed, String> {
        let at = if fault == Some(Fault::StaleTimestamp) { now.saturating_sub(STALE) } else { now };
        let headers = match self {
            Self::Secrets(secrets) => list(Signer::new(secrets), id, at, body)?,
            Self::Ed25519(_, key) => list(Signer::with_keys([], [key]), id, at, body)?,
            Self::Token(signer, audience) => {
                let event: Map<String, Value> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
                TokenIssuer::new(signer, [audience]).sign(id, at, &event).map_err(|error| error.to_string())?
            }
        };
        let headers = renamed(headers, &WEBHOOK_HEADERS, names);
        let body = match fault {
            Some(Fault::TamperedBody) => tampered(body),
            Some(Fault::ReserializedBody) => reserialized(body)?,
            _ => body.clone(),
        };
        Ok(Signed { headers, body, timestamp: at.as_secs() })
    }
}

fn list(
    signer: Result<Signer, countersign::sign::SignerError>,
    id: &MessageId,
    now: UnixTime,
    body: &[u8],
) -> Result<HeaderMap, String> {
    signer.map(|signer| signer.sign(id, now, body)).map_err(|error| error.to_string())
}

/// A body that is still an event, but not the signed one.
fn tampered(body: &Bytes) -> Bytes {
    let open = body.strip_suffix(b"}").unwrap_or(body);
    [open, br#","tampered":true}"#].concat().into()
}

/// The same JSON value in other bytes.
fn reserialized(body: &Bytes) -> Result<Bytes, String> {
    let value: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    serde_json::to_vec_pretty(&value).map(Bytes::from).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use countersign::{KeySet, Reason, TokenPolicy, Verifier};

    use super::*;
    use crate::event::Event;
    use crate::keys::{self, PublishedKeys};
    use crate::{Fault, ids};

    const NOW: UnixTime = UnixTime::from_secs(1_795_262_400);
    const AUDIENCE: &str = "http://127.0.0.1:3000/gemini";

    /// What a receiver says to an attempt with this fault.
    fn verdict(verifier: &Verifier, signing: Signing, fault: Option<Fault>) -> Result<String, Reason> {
        let id = ids::message(&mut fastrand::Rng::with_seed(9));
        let body = Event::example("batch.succeeded", "7", NOW).to_body().into();
        let signed = signing.sign(&WEBHOOK_HEADERS, &id, NOW, &body, fault).expect("it signs");
        let reason = |rejection: countersign::Rejection| rejection.reason();
        let attempt = verifier.begin(&signed.headers, NOW).map_err(reason)?;
        let proof = attempt.finish(signed.body).map_err(reason)?;
        assert_eq!((proof.message_id(), proof.body()), (&id, &body));
        Ok(proof.key_label().to_owned())
    }

    #[test]
    fn each_way_of_signing_verifies_and_each_fault_is_found_for_what_it_is() {
        let mut rng = fastrand::Rng::with_seed(1);
        let keys = PublishedKeys::generate(1, &mut rng).expect("keys");
        let secret = Secret::parse(&ids::secret(&mut rng)).expect("a secret").labelled("current");
        let set = KeySet::parse(keys.document().to_string().as_bytes()).expect("a key set");
        let verifier = Verifier::builder("test")
            .secret(secret.clone())
            .key_set(Arc::new(set))
            .token(TokenPolicy::new([AUDIENCE]))
            .build()
            .expect("a verifier");

        let (kid, key) = keys.ed25519(&mut rng).clone();
        let token = |signer: &TokenSigner| Signing::Token(signer.clone(), AUDIENCE.into());
        let good = [
            (Signing::Secrets(vec![secret]), "current", Reason::SignatureMismatch),
            (Signing::Ed25519(kid.clone(), key), kid.as_str(), Reason::SignatureMismatch),
            (token(keys.rsa()), "rsa-1", Reason::BodyNotBound),
        ];
        for (signing, key, tampered) in good {
            assert_eq!(verdict(&verifier, signing.clone(), None).as_deref(), Ok(key));
            assert_eq!(verdict(&verifier, signing.clone(), Some(Fault::TamperedBody)), Err(tampered));
            let stale = verdict(&verifier, signing.clone(), Some(Fault::StaleTimestamp));
            assert!(matches!(stale, Err(Reason::TimestampTooOld | Reason::TokenExpired)), "{stale:?}");
        }
        let wrong = Signing::Ed25519(kid, keys::private_key(&mut rng));
        assert_eq!(verdict(&verifier, wrong, Some(Fault::WrongKey)), Err(Reason::SignatureMismatch));
        assert_eq!(verdict(&verifier, token(keys.unpublished_rsa()), None), Err(Reason::UnknownKey));
    }

    #[test]
    fn a_reserialized_body_is_the_same_json_in_other_bytes() {
        let body = Bytes::from(Event::example("batch.failed", "7", NOW).to_body());
        let other = reserialized(&body).expect("JSON");
        let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
        assert_ne!(other, body);
        assert_eq!(parse(&other), parse(&body));
        assert_ne!(parse(&tampered(&body)), parse(&body));
    }
}
