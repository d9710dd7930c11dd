//! Signed deliveries, as they arrive at a server.

#![expect(clippy::expect_used, reason = "the deliveries are the benches' own, and known to be sound")]

use bytes::Bytes;
use countersign::clock::{Clock, SystemClock};
use countersign::sign::Signer;
use countersign::{MessageId, Secret, UnixTime, Verifier};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;

use crate::traffic::{Connections, Traffic};

/// The secret of all benches: no secret at all.
pub const SECRET: &str = "whsec_bGFiLWMta2V5LTAxMjM0NTY3ODlhYmNkZWZnaGlqa2w=";

/// One delivery, in the form in which a server hands it on.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// All headers of the request.
    pub headers: HeaderMap,
    /// The body. A clone shares it.
    pub body: Bytes,
    /// When it was signed.
    pub signed_at: UnixTime,
}

impl Delivery {
    /// A delivery of `body_len` bytes, signed now.
    pub fn signed_now(body_len: usize) -> Self {
        let signed_at = SystemClock.now();
        let body = Bytes::from(event(7, body_len));
        let mut headers = signer().sign(&message_id(0, 7), signed_at, &body);
        for (name, value) in [
            ("host", "hooks.example.com"),
            ("user-agent", "sender/1"),
            ("accept", "*/*"),
            ("content-type", "application/json"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers.insert("content-length", HeaderValue::from(body_len));
        Self { headers: as_received(&headers), body: shared(body), signed_at }
    }

    /// The same with another body of the same length, which nobody signed.
    #[must_use]
    pub fn forged(self) -> Self {
        Self { body: shared(Bytes::from(event(8, self.body.len()))), ..self }
    }

    /// The same with as many signatures in the header as are looked at, of which none fits.
    #[must_use]
    pub fn with_a_long_list(mut self) -> Self {
        let wrong = format!("v1,{}=", "A".repeat(43));
        let list = vec![wrong; MOST_ENTRIES].join(" ");
        self.headers.insert("webhook-signature", HeaderValue::from_str(&list).expect("base64 may stand in a header"));
        Self { headers: as_received(&self.headers), ..self }
    }
}

/// Signed deliveries as they go over the wire. Each has an id that no other has.
#[derive(Debug)]
pub struct Requests(Vec<Request>);

/// One request, which may be written in two parts.
#[derive(Debug)]
pub struct Request {
    /// The request line and the headers.
    pub head: Box<[u8]>,
    /// The body, which may be shared with other requests.
    pub body: Bytes,
}

impl Requests {
    /// Signs this many deliveries now. A verifier accepts them for the next five minutes.
    pub fn signed_now(count: u32, traffic: &Traffic) -> Self {
        let (signer, now) = (signer(), SystemClock.now());
        // Two runs differ in the millisecond that they begin in, or else in their process.
        let run = scatter(now.as_millis()) ^ u64::from(std::process::id());
        // Large bodies are shared, so that they fit into memory.
        let bodies: Vec<_> = (0..DISTINCT_BODIES).map(|number| event(number, traffic.body_len)).collect();
        let sent: Vec<_> =
            bodies.iter().map(|body| if traffic.forged { altered(body) } else { body.clone().into() }).collect();
        let bodies = bodies.iter().zip(&sent).cycle();
        let request = |(number, (signed, sent)): (u64, (&Vec<u8>, &Bytes))| {
            let id = message_id(run, number);
            let mut headers = signer.sign(&id, now, signed);
            if traffic.body_signature {
                headers.insert("x-hub-signature-256", body_signature(signed));
            }
            Request { head: head(&headers, traffic), body: sent.clone() }
        };
        Self((0..u64::from(count)).zip(bodies).map(request).collect())
    }
}

impl Request {
    /// The head and the body in one piece.
    pub fn to_vec(&self) -> Vec<u8> {
        [&self.head, &self.body[..]].concat()
    }
}

impl std::ops::Deref for Requests {
    type Target = [Request];

    fn deref(&self) -> &[Request] {
        &self.0
    }
}

const DISTINCT_BODIES: u64 = 256;

/// The head of a request with these headers.
fn head(signature: &HeaderMap, traffic: &Traffic) -> Box<[u8]> {
    let mut text =
        b"POST /webhook HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: sender/1\r\ncontent-type: application/json\r\n"
            .to_vec();
    for (name, value) in signature {
        text.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    if traffic.connections == Connections::OnePerRequest {
        text.extend(b"connection: close\r\n");
    }
    text.extend(format!("content-length: {}\r\n\r\n", traffic.body_len).into_bytes());
    text.into()
}

/// What GitHub sends: an HMAC of the body, whose key is the text of the secret.
fn body_signature(body: &[u8]) -> HeaderValue {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body);
    let digits = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    HeaderValue::from_str(&format!("sha256={digits}")).expect("digits may stand in a header")
}

/// The body with one letter of its padding changed, so that it is still an event.
fn altered(body: &[u8]) -> Bytes {
    let mut body = body.to_vec();
    let at = body.len() - 10;
    body[at] ^= 1;
    body.into()
}

/// As many entries of a signature header as a verifier looks at.
const MOST_ENTRIES: usize = 32;

/// Signs with [`SECRET`].
pub fn signer() -> Signer {
    Signer::new([secret()]).expect("one secret is enough")
}

/// Verifies what [`signer`] signed.
pub fn verifier() -> Verifier {
    Verifier::builder("bench").secret(secret()).build().expect("a sound verifier")
}

/// The id of the `number`-th message of this run, in the form that Gemini uses: `msg_<uuid>`.
pub fn message_id(run: u64, number: u64) -> MessageId {
    let (high, low) = (scatter(run ^ scatter(number)), number);
    let text = format!(
        "msg_{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        (run >> 36) & 0xfff,
        (low ^ run) & 0xffff_ffff_ffff
    );
    MessageId::parse(&text).expect("a uuid may be an id")
}

/// The body of an event, `len` bytes long.
pub fn event(number: u64, len: usize) -> Vec<u8> {
    let scattered = scatter(number);
    let mut body = format!(
        r#"{{"type":"batch.succeeded","version":"v1","timestamp":"2026-10-20T12:00:00Z","data":{{"id":"batch_{scattered:016x}","output_file_uri":"gs://my-bucket/{scattered:016x}/results.jsonl","#
    );
    let end = "}}";
    let padding = len.checked_sub(body.len() + r#""pad":"""#.len() + end.len()).expect("an event is longer than that");
    body.push_str(r#""pad":""#);
    body.extend(std::iter::repeat_n('x', padding));
    body.push('"');
    body.push_str(end);
    body.into_bytes()
}

fn secret() -> Secret {
    Secret::parse(SECRET).expect("a good secret")
}

/// A server cuts headers out of one shared buffer; a value made alone becomes shared on its first clone.
fn as_received(headers: &HeaderMap) -> HeaderMap {
    let all: Vec<u8> = headers.values().flat_map(|value| value.as_bytes().to_vec()).collect();
    let mut rest = shared(Bytes::from(all));
    let mut cut = |value: &HeaderValue| {
        HeaderValue::from_maybe_shared(rest.split_to(value.len())).expect("it was a value before")
    };
    headers.iter().map(|(name, value)| (name.clone(), cut(value))).collect()
}

fn shared(bytes: Bytes) -> Bytes {
    drop(bytes.clone());
    bytes
}

/// Spreads a counter over all 64 bits (the finaliser of `SplitMix64`), one to one.
pub(crate) fn scatter(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::GATEWAY_BODY_LEN;
    use countersign::Reason;

    #[test]
    fn a_delivery_verifies_and_a_forged_one_does_not() {
        let genuine = Delivery::signed_now(GATEWAY_BODY_LEN);
        let verdict = |delivery: &Delivery| {
            let attempt = verifier().begin(&delivery.headers, delivery.signed_at)?;
            attempt.finish(delivery.body.clone())
        };
        assert_eq!(genuine.body.len(), GATEWAY_BODY_LEN);
        assert!(verdict(&genuine).is_ok());
        for refused in [genuine.clone().forged(), genuine.with_a_long_list()] {
            let rejection = verdict(&refused).expect_err("nobody signed it");
            assert_eq!(rejection.reason(), Reason::SignatureMismatch);
        }
    }
}
