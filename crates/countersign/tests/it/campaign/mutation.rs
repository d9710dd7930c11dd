//! What an attacker who holds genuine deliveries can do with them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use fastrand::Rng;

use super::pool::{Genuine, Request};

const NAMES: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];
const SPELLINGS: [&str; 10] = [
    "Webhook-Id",
    "WEBHOOK-TIMESTAMP",
    "Webhook-Signature",
    "webhook_id",
    "webhook_timestamp",
    "webhook.signature",
    "svix-id",
    "svix-timestamp",
    "svix-signature",
    "x-webhook-id",
];
/// Bytes that mean something to a parser.
const SPECIAL: &[u8] = b" \t,.=+-/_\"'{}[]:;0019azAZ\0\r\n\x7f\xff";

/// Changes the request in one way, and returns its name.
pub(crate) fn mutate(request: &mut Request, pool: &[Genuine], rng: &mut Rng) -> &'static str {
    let other = &pool[rng.usize(..pool.len())].request;
    let at = rng.usize(..NAMES.len());
    match rng.u8(..14) {
        0 => {
            edit(value(request, at, rng), rng);
            "edit a header"
        }
        1 => {
            edit(&mut request.body, rng);
            "edit the body"
        }
        2 => {
            splice(request, other, rng);
            "take a part of another delivery"
        }
        3 => {
            spell(request, at, rng);
            "spell a name"
        }
        4 => {
            repeat(request, other, at, rng);
            "repeat, remove or move a header"
        }
        5 | 6 => {
            list(value(request, 2, rng), other.headers.last().map_or(&[][..], |(_, value)| value), rng);
            "edit the list"
        }
        7 => {
            encode(value(request, 2, rng), rng);
            "encode the signature differently"
        }
        8 => {
            number(value(request, 1, rng), rng);
            "write the timestamp differently"
        }
        9 => {
            shift(request, rng);
            "move a boundary of what is signed"
        }
        10 => {
            json(&mut request.body, rng);
            "write the body differently"
        }
        11 => {
            token(value(request, 2, rng), rng);
            "edit the token"
        }
        12 => {
            case(value(request, at, rng), rng);
            "change the case"
        }
        _ => {
            let text = b"x-other: 1".to_vec();
            request.headers.insert(rng.usize(..=request.headers.len()), (b"x-other".to_vec(), text));
            "add another header"
        }
    }
}

/// One of the values with this name. Without one, the value of any header.
fn value<'r>(request: &'r mut Request, at: usize, rng: &mut Rng) -> &'r mut Vec<u8> {
    let named = |(name, _): &(Vec<u8>, _)| name.eq_ignore_ascii_case(NAMES[at].as_bytes());
    let index = request.headers.iter().position(named);
    if request.headers.is_empty() {
        return &mut request.body;
    }
    let index = index.unwrap_or_else(|| rng.usize(..request.headers.len()));
    &mut request.headers[index].1
}

/// Bits, bytes and lengths.
fn edit(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let at = rng.usize(..=bytes.len());
    let byte = if rng.bool() { SPECIAL[rng.usize(..SPECIAL.len())] } else { rng.u8(..) };
    match rng.u8(..8) {
        0 | 1 if at < bytes.len() => bytes[at] ^= 1 << rng.u8(..8),
        2 if at < bytes.len() => drop(bytes.remove(at)),
        3 if at < bytes.len() => bytes[at] = byte,
        4 => bytes.truncate(at),
        5 => bytes.push(byte),
        6 => {
            let piece = bytes[at..].to_vec();
            bytes.extend(piece);
        }
        _ => bytes.insert(at, byte),
    }
}

fn splice(request: &mut Request, other: &Request, rng: &mut Rng) {
    match rng.usize(..5) {
        at @ 0..3 => {
            let taken = other.headers.iter().find(|(name, _)| name == NAMES[at].as_bytes());
            if let Some((_, taken)) = taken {
                value(request, at, rng).clone_from(taken);
            }
        }
        3 => request.headers.clone_from(&other.headers),
        _ => request.body.clone_from(&other.body),
    }
}

fn spell(request: &mut Request, at: usize, rng: &mut Rng) {
    let spelling = SPELLINGS[rng.usize(..SPELLINGS.len())];
    for (name, _) in &mut request.headers {
        if name == NAMES[at].as_bytes() {
            *name = if rng.bool() { name.to_ascii_uppercase() } else { spelling.as_bytes().to_vec() };
        }
    }
}

fn repeat(request: &mut Request, other: &Request, at: usize, rng: &mut Rng) {
    let (source, to) = (if rng.bool() { request.clone() } else { other.clone() }, rng.usize(..=request.headers.len()));
    match rng.u8(..4) {
        0 => rng.shuffle(&mut request.headers),
        1 => request.headers.retain(|(name, _)| name != NAMES[at].as_bytes()),
        _ => {
            let repeated = source.headers.into_iter().find(|(name, _)| name == NAMES[at].as_bytes());
            request.headers.splice(to..to, repeated);
        }
    }
}

/// The order, the number and the delimiters of entries, and entries of other deliveries.
fn list(header: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    let mut words: Vec<Vec<u8>> = header.split(|byte| *byte == b' ').map(<[u8]>::to_vec).collect();
    let at = rng.usize(..words.len());
    let more: &[u8] = match rng.u8(..7) {
        0 => other,
        1 => b"v2,aGVsbG8=",
        2 => b"v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        3 => b"v1,",
        4 => b",",
        5 => b"",
        _ => &words[at].clone(),
    };
    let to = rng.usize(..=words.len());
    words.insert(to, more.to_vec());
    match rng.u8(..5) {
        0 => rng.shuffle(&mut words),
        1 => {
            let versions: [&[u8]; 6] = [b"v1,", b"v1a,", b"V1,", b"v01,", b"v1,v1,", b"v1;"];
            let start = words[at].iter().position(|byte| *byte == b',').map_or(0, |comma| comma + 1);
            words[at].splice(..start, versions[rng.usize(..versions.len())].iter().copied());
        }
        2 => words.extend(vec![b"v3,YQ==".to_vec(); rng.usize(..40)]),
        _ => {}
    }
    let delimiters: [&[u8]; 5] = [b" ", b" ", b"  ", b",", b"\t"];
    *header = words.join(delimiters[rng.usize(..delimiters.len())]);
}

/// Other base64, for the first entry or the end of a token.
fn encode(header: &mut Vec<u8>, rng: &mut Rng) {
    let start = header.iter().position(|byte| *byte == b',');
    let start = start.or_else(|| header.iter().rposition(|byte| *byte == b'.')).map_or(0, |at| at + 1);
    let len = header[start..].iter().position(|byte| *byte == b' ').unwrap_or(header.len() - start);
    let text = header[start..start + len].to_vec();
    let Some(bytes) = STANDARD.decode(&text).ok().or_else(|| URL_SAFE_NO_PAD.decode(&text).ok()) else { return };
    let mut text = match rng.u8(..7) {
        0 => STANDARD.encode(&bytes),
        1 => STANDARD_NO_PAD.encode(&bytes),
        2 => URL_SAFE.encode(&bytes),
        3 => URL_SAFE_NO_PAD.encode(&bytes),
        4 => hex::encode(&bytes),
        5 => STANDARD.encode(&bytes[..rng.usize(..=bytes.len())]),
        _ => STANDARD.encode([&bytes[..], &[0; 3][..rng.usize(..=3)]].concat()),
    };
    match rng.u8(..6) {
        0 => text.push('='),
        1 => text.insert(rng.usize(..=text.len()), ['=', ' ', '\t'][rng.usize(..3)]),
        2 if !text.is_empty() => {
            // The last character of the data has bits that belong to no byte.
            let end = text.trim_end_matches('=').len().saturating_sub(1);
            text.replace_range(end..=end, ["A", "B", "g", "h"][rng.usize(..4)]);
        }
        _ => {}
    }
    header.splice(start..start + len, text.into_bytes());
}

fn number(text: &mut Vec<u8>, rng: &mut Rng) {
    let forms: [(&[u8], &[u8]); 12] = [
        (b"+", b""),
        (b"-", b""),
        (b"0", b""),
        (b"00", b""),
        (b" ", b""),
        (b"", b" "),
        (b"", b".0"),
        (b"", b"000"),
        (b"", b"e0"),
        (b"0x", b""),
        (b"", b",1"),
        (b"", b"\t"),
    ];
    let (before, after) = forms[rng.usize(..forms.len())];
    match std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok()) {
        Some(seconds) if rng.bool() => {
            *text = (seconds.wrapping_add(rng.u64(..5)).wrapping_sub(2)).to_string().into_bytes();
        }
        _ => *text = [before, text, after].concat(),
    }
}

/// The same signed bytes, divided into other parts.
fn shift(request: &mut Request, rng: &mut Rng) {
    let [id, timestamp] = [0, 1].map(|at| value(request, at, rng).clone());
    let signed = [&id[..], b".", &timestamp, b".", &request.body].concat();
    let mut dots: Vec<_> = signed.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at).collect();
    rng.shuffle(&mut dots);
    let (Some(one), Some(two)) = (dots.first(), dots.get(1)) else { return };
    let (first, second) = (*one.min(two), *one.max(two));
    *value(request, 0, rng) = signed[..first].to_vec();
    *value(request, 1, rng) = signed[first + 1..second].to_vec();
    request.body = signed[second + 1..].to_vec();
}

/// JSON that means the same, or nearly.
fn json(body: &mut Vec<u8>, rng: &mut Rng) {
    let pretty = |body: &[u8]| {
        let value = serde_json::from_slice::<serde_json::Value>(body).ok()?;
        serde_json::to_vec_pretty(&value).ok()
    };
    match rng.u8(..7) {
        0 => body.push(b'\n'),
        1 => body.insert(0, b' '),
        2 => *body = pretty(body).unwrap_or_default(),
        3 => *body = [b"\xef\xbb\xbf", &body[..]].concat(),
        4 => *body = body.iter().copied().filter(|byte| *byte != b' ').collect(),
        5 => *body = String::from_utf8_lossy(body).replace("\\u00e9", "\u{e9}").into_bytes(),
        _ => *body = String::from_utf8_lossy(body).replacen('{', "{\"type\":\"forged\",", 1).into_bytes(),
    }
}

/// The parts of a token, decoded, changed and encoded again.
fn token(header: &mut Vec<u8>, rng: &mut Rng) {
    let mut parts: Vec<Vec<u8>> = header.split(|byte| *byte == b'.').map(<[u8]>::to_vec).collect();
    if parts.len() != 3 {
        return edit(header, rng);
    }
    let at = rng.usize(..3);
    let Ok(mut part) = URL_SAFE_NO_PAD.decode(&parts[at]) else { return };
    let text = String::from_utf8_lossy(&part).into_owned();
    let replaced = |from: &str, to: &str| text.replace(from, to).into_bytes();
    match rng.u8(..8) {
        0 => part = replaced("RS256", ["none", "HS256", "RS384", "rs256", "PS256", ""][rng.usize(..6)]),
        1 => part = replaced("rsa-1", ["rsa-2", "", "../rsa-1"][rng.usize(..3)]),
        2 => part = replaced("\"iat\":1", "\"iat\":2"),
        3 => part = replaced("jti_", "jti-"),
        4 => part = replaced("{", "{\"crit\":[],"),
        5 => part.clear(),
        6 => part.insert(0, 0),
        _ => edit(&mut part, rng),
    }
    parts[at] = URL_SAFE_NO_PAD.encode(&part).into_bytes();
    *header = parts.join(&b'.');
}

fn case(bytes: &mut Vec<u8>, rng: &mut Rng) {
    if rng.bool() {
        *bytes = bytes.to_ascii_uppercase();
    } else if !bytes.is_empty() {
        let at = rng.usize(..bytes.len());
        bytes[at] ^= 0x20;
    }
}
