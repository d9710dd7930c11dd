//! Ids and secrets from the emulator's random numbers: the same seed gives the same ones.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::MessageId;
use fastrand::Rng;

/// A message id in Gemini's form: `msg_` and a UUID.
pub(crate) fn message(rng: &mut Rng) -> MessageId {
    let uuid = uuid::Builder::from_random_bytes(rng.u128(..).to_be_bytes()).into_uuid();
    #[expect(clippy::expect_used, reason = "letters, digits and hyphens make an id")]
    MessageId::parse(&format!("msg_{uuid}")).expect("a valid id")
}

/// The length of the id of a webhook or a batch.
pub(crate) const WEBHOOK: usize = 36;

/// A resource id in the API's form: lower-case letters and digits.
pub(crate) fn resource(rng: &mut Rng, len: usize) -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    (0..len).map(|_| char::from(LETTERS[rng.usize(..LETTERS.len())])).collect()
}

/// A signing secret in the API's form: base64 of 32 ASCII letters and digits.
pub(crate) fn secret(rng: &mut Rng) -> String {
    format!("whsec_{}", STANDARD.encode(resource(rng, 32)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_is_a_uuid_of_version_4() {
        let mut rng = Rng::with_seed(3);
        for _ in 0..100 {
            let id = message(&mut rng);
            let parts: Vec<_> = id.as_str().strip_prefix("msg_").expect("the prefix").split('-').collect();
            assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
            assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{id}");
        }
    }
}
