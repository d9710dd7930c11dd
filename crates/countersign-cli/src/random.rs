//! Random bytes, and the ids made of them.

use countersign::MessageId;

use crate::error::Error;

/// Fills the buffer with random bytes of the system.
pub(crate) fn fill(buffer: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(buffer).map_err(Error::Random)
}

/// A message id in Gemini's form: `msg_` and a UUID.
pub(crate) fn message_id() -> Result<MessageId, Error> {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
    #[expect(clippy::expect_used, reason = "letters, digits and hyphens make an id")]
    Ok(MessageId::parse(&format!("msg_{uuid}")).expect("a valid id"))
}

/// A short name for the job of an example event.
pub(crate) fn short_name() -> Result<String, Error> {
    let mut bytes = [0; 6];
    fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}
