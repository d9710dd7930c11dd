//! Secrets and public keys as people paste them.

use countersign::MessageId;
use countersign::secret::MIN_LEN;
use countersign::sign::Signer;
use countersign::{PublicKey, Secret, UnixTime};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::keys::NOW;
use crate::texts;

/// A secret that is accepted is the base64 that it looks like, and an error does not repeat it.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let decoded = decode(text.strip_prefix("whsec_").unwrap_or(text));
    match Secret::parse(text) {
        Ok(secret) => {
            let key = decoded.expect("it is base64");
            assert!(key.len() >= MIN_LEN, "{} bytes", key.len());
            let shown = format!("{secret:?} {:?}", secret.doubt());
            assert!(!shown.contains(text.strip_prefix("whsec_").unwrap_or(text)), "{shown}");
            let signer = Signer::new([secret]).expect("a signer");
            let id = MessageId::parse("msg_1").expect("an id");
            let headers = signer.sign(&id, UnixTime::from_secs(NOW), b"{}");
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), format!("msg_1.{NOW}.{{}}").as_bytes());
            assert_eq!(headers["webhook-signature"], format!("v1,{}", STANDARD.encode(tag)));
        }
        Err(error) => {
            let canonical = decoded.filter(|key| key.len() >= MIN_LEN).map(|key| STANDARD.encode(key));
            let is_canonical = canonical.is_some_and(|canonical| text.strip_prefix("whsec_") == Some(&canonical));
            // A secret that decodes is rejected only if it looks like a prefix that was pasted twice.
            let rest = text.get(6..11).unwrap_or_default().to_ascii_lowercase();
            assert!(!is_canonical || ["whsec", "whpk_", "whsk_"].contains(&rest.as_str()), "{error}");
            assert!(text.len() < 12 || !error.to_string().contains(text), "{error}");
        }
    }
    if let Ok(key) = PublicKey::parse(text) {
        let bytes = text.strip_prefix("whpk_").and_then(decode).expect("it is base64");
        assert_eq!(bytes.len(), 32);
        assert_eq!(key.label().len(), 43, "a thumbprint");
    }
}

/// Base64, bit by bit: either alphabet, with or without padding, whatever the last bits are.
fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let is_url_safe = text.contains(['-', '_']);
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for character in digits.chars() {
        let value = match character {
            'A'..='Z' => u32::from(character) - u32::from('A'),
            'a'..='z' => u32::from(character) - u32::from('a') + 26,
            '0'..='9' => u32::from(character) - u32::from('0') + 52,
            '+' if !is_url_safe => 62,
            '/' if !is_url_safe => 63,
            '-' if is_url_safe => 62,
            '_' if is_url_safe => 63,
            _ => return None,
        };
        (bits, count) = (bits << 6 | value, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap_or_default());
            bits &= (1 << count) - 1;
        }
    }
    (text.len() - digits.len() <= 2 && digits.len() % 4 != 1).then_some(bytes)
}

/// Texts that people have pasted.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    texts([
        "whsec_NnZ2aTU5MzdqOXY2bXFwZjgzb2R2cXM1Y3B6cTlyMnM=",
        "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "whsec_C2FVsBQIhrscChlQIMV-b5sSYspob7o_",
        "v1,whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "\"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\"",
        "whsec_whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "whsec_...MnM=",
        "whpk_LgshSTq2B/MysnAgb9hcXRrVK/YdenixALrPznybVrk=",
        "whsk_LgshSTq2B/MysnAgb9hcXRrVK/YdenixALrPznybVrk=",
        "whsec_QUFBQUFBQUFBQUFBQUFBQQ",
        "",
        " \n",
    ])
}
