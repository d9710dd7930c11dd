//! Random bytes and what is made of them.

use countersign::MessageId;

use crate::error::Error;

/// Fills the buffer from the system's source of randomness.
pub(crate) fn fill(buffer: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(buffer).map_err(Error::Random)
}

/// A message id as Gemini makes them: `msg_` and a UUID.
pub(crate) fn message_id() -> Result<MessageId, Error> {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex(&bytes);
    let text = format!("msg_{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    #[expect(clippy::expect_used, reason = "letters, digits and hyphens make an id")]
    Ok(MessageId::parse(&text).expect("a good id"))
}

/// A short name for something that an event is about.
pub(crate) fn short() -> Result<String, Error> {
    let mut bytes = [0; 6];
    fill(&mut bytes)?;
    Ok(hex(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
