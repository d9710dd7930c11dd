//! The signatures of a request, in every form that is not accepted.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use countersign::header::WEBHOOK_SIGNATURE;
use http::HeaderName;

use super::mac::Hash;
use super::step::Step;
use crate::case::Case;
use crate::finding::Explanation;

/// How many words of a header are tried at most.
const MAX_WORDS: usize = 64;
/// A shorter part of a signature proves nothing.
pub(super) const SHORTEST_PREFIX: usize = 12;

const HMAC_LEN: usize = 32;
const ED25519_LEN: usize = 64;

const URL_ALPHABET: Explanation = Explanation {
    code: "signature_base64url",
    title: "the signature is in base64url",
    advice: "The sender must encode it in standard base64: `+` and `/`, with `=` at the end.",
};
const UNPADDED: Explanation = Explanation {
    code: "signature_unpadded",
    title: "the signature has lost the `=` at its end",
    advice: "The sender must encode it in padded base64; look for something that splits the header at `=`.",
};
const HEXADECIMAL: Explanation = Explanation {
    code: "signature_hex",
    title: "the signature is in hexadecimal",
    advice: "The sender must encode the bytes in base64, after the version and a comma: other senders' conventions use hex.",
};
const HEX_IN_BASE64: Explanation = Explanation {
    code: "signature_hex_in_base64",
    title: "the signature is base64 of hexadecimal digits",
    advice: "The sender must encode the bytes of the HMAC, not their hexadecimal form: `digest()`, not `hexdigest()`.",
};
const ENCODED_TWICE: Explanation = Explanation {
    code: "signature_encoded_twice",
    title: "the signature was encoded in base64 twice",
    advice: "The sender must encode the bytes of the HMAC once: a function that returns base64 (`digest('base64')`) is enough.",
};
const NO_VERSION: Explanation = Explanation {
    code: "signature_without_version",
    title: "the signature has no version in front of it, or the wrong one",
    advice: "The header is `v1,` (or `v1a,` for Ed25519) and base64; look for something that splits the header at the comma.",
};
const JOINED: Explanation = Explanation {
    code: "signature_punctuated",
    title: "the signature has characters other than spaces around it",
    advice: "Signatures are delimited by one space, without quotes; look for what joins or quotes header values.",
};
const ESCAPED: Explanation = Explanation {
    code: "signature_escaped",
    title: "the signature was percent-encoded, decoded as a form, or wrapped",
    advice: "Use the header unchanged: `+`, `/` and `=` are not escaped in it, and it is one line without white space inside.",
};
const SHORTENED: Explanation = Explanation {
    code: "signature_shortened",
    title: "the signature was cut off",
    advice: "Capture the whole header: a log, a column of a database or a mask has cut it. The beginning matches, so everything \
             else is right.",
};
const CASE_LOST: Explanation = Explanation {
    code: "signature_case_lost",
    title: "the signature was changed to capitals or small letters",
    advice: "Use the header unchanged: base64 is case-sensitive, and only the names of headers may change their case.",
};
const DUPLICATED: Explanation = Explanation {
    code: "headers_duplicated",
    title: "a header is present more than once, or its values were joined",
    advice: "Find out what adds it a second time: a proxy, or a client that sets a header that its library sets too. A \
             verifier must not choose between two values, so it rejects both.",
};

/// A signature, and what is wrong with the way it is written.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) form: Form,
    /// Whether it stands behind `v1a,`.
    pub(super) is_v1a: bool,
    pub(super) steps: Vec<Step>,
}

/// What is left of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Whole(Vec<u8>),
    /// Its first bytes.
    Prefix(Vec<u8>),
    /// Its base64, in capitals or in small letters.
    OneCase(String),
}

impl Reading {
    /// What is wrong with it as an Ed25519 signature.
    pub(super) fn steps_as_v1a(&self) -> Vec<Step> {
        if self.steps.is_empty() && !self.is_v1a {
            vec![NO_VERSION.step(once(&NO_VERSION))]
        } else {
            self.steps.clone()
        }
    }
}

impl Form {
    /// The length of the hash that may have made it, in bytes.
    pub(super) fn hash_len(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::Prefix(_) | Self::OneCase(_) => HMAC_LEN,
        }
    }
}

/// Every signature of the request in every reading, with those of other headers.
pub(super) fn readings(case: &Case) -> Vec<Reading> {
    let own = case.values(&WEBHOOK_SIGNATURE);
    let duplicated = (own.len() > 1).then(|| DUPLICATED.step("each value of `webhook-signature` is used alone"));
    let mut readings: Vec<Reading> = own
        .iter()
        .flat_map(|value| of_header(value))
        .map(|mut reading| {
            reading.steps.extend(duplicated.clone());
            reading
        })
        .collect();
    let is_other = |name: &&HeaderName| {
        **name != WEBHOOK_SIGNATURE
            && ["signature", "hmac", "-sig"].iter().any(|part| name.as_str().replace('_', "-").contains(part))
    };
    for name in case.capture.headers.keys().filter(is_other) {
        for value in case.values(name) {
            readings.extend(of_header(&value));
        }
    }
    readings
}

/// The readings of one header, the accepted ones first.
fn of_header(header: &str) -> Vec<Reading> {
    let whole = |(explanation, bytes, is_v1a): (Option<&'static Explanation>, Vec<u8>, bool)| Reading {
        form: Form::Whole(bytes),
        is_v1a,
        steps: explanation.map(|explanation| explanation.step(once(explanation))).into_iter().collect(),
    };
    let mut plain: Vec<_> = words(header).map(whole).collect();
    plain.sort_by_key(|reading| reading.steps.len());
    // A form decoder turns `+` into spaces.
    let glued = header.trim().replace(' ', "+");
    // A header that was folded or wrapped.
    let unfolded: String = header.split_whitespace().collect();
    let escaped = [percent_decoded(header), glued, unfolded].into_iter().filter(|text| *text != header);
    let escaped = escaped.flat_map(|text| {
        words(&text).map(|(_, bytes, is_v1a)| whole((Some(&ESCAPED), bytes, is_v1a))).collect::<Vec<_>>()
    });
    let known = plain.clone();
    let is_new = move |reading: &Reading| known.iter().all(|known| known.form != reading.form);
    plain.extend(escaped.filter(is_new));
    plain.extend(parts(header));
    plain
}

fn once(explanation: &Explanation) -> &'static str {
    match explanation.code {
        "signature_base64url" => "it is read as base64url",
        "signature_unpadded" => "its padding is restored",
        "signature_hex" => "it is read as hexadecimal",
        "signature_hex_in_base64" => "it is decoded, and read as hexadecimal",
        "signature_encoded_twice" => "it is decoded twice",
        "signature_without_version" => "it is read as a signature of its length",
        "signature_escaped" => "the escapes are undone",
        _ => "the characters around it are removed",
    }
}

fn percent_decoded(header: &str) -> String {
    const CODES: [(&str, &str); 8] = [
        ("%2B", "+"),
        ("%2b", "+"),
        ("%2F", "/"),
        ("%2f", "/"),
        ("%3D", "="),
        ("%3d", "="),
        ("%2C", ","),
        ("%2c", ","),
    ];
    CODES.iter().fold(header.to_owned(), |text, (code, character)| text.replace(code, character))
}

const DELIMITERS: [char; 8] = [' ', '\t', ',', ';', '"', '\'', '[', ']'];

/// The signatures in a header, each with the mistake in its encoding, if there is one.
fn words(header: &str) -> impl Iterator<Item = (Option<&'static Explanation>, Vec<u8>, bool)> {
    let words = header.split(DELIMITERS).filter(|word| !word.is_empty());
    let is_quoted =
        header.contains(['"', '\'', ';', '[', '\t', '\n']) || header.contains(", ") || header.contains("  ");
    let is_quoted = is_quoted || header.trim() != header;
    words.take(MAX_WORDS).filter_map(move |word| {
        // `v1=…`, `sha256=…`; the `=` of padding is at the end.
        let named = word.split_once(['=', ':']).filter(|(_, value)| !value.trim_matches('=').is_empty());
        let (explanation, bytes) = read(named.map_or(word, |(_, value)| value))?;
        let is_v1a = header.contains(&format!("v1a,{word}"));
        let place = if is_quoted || named.is_some() {
            Some(&JOINED)
        } else if ["v1,", "v1a,"].iter().any(|version| has_entry(header, version, word, &bytes)) {
            None
        } else {
            Some(&NO_VERSION)
        };
        Some((explanation.or(place), bytes, is_v1a))
    })
}

/// Whether the word follows this version in the header, and has the version's length.
fn has_entry(header: &str, version: &str, word: &str, bytes: &[u8]) -> bool {
    // An HMAC-SHA512 has the length of an Ed25519 signature.
    let fits = bytes.len() == ED25519_LEN || version == "v1,";
    fits && header.split(' ').any(|entry| entry.strip_prefix(version) == Some(word))
}

fn read(word: &str) -> Option<(Option<&'static Explanation>, Vec<u8>)> {
    let is_tag = |bytes: &Vec<u8>| Hash::ALL.iter().any(|hash| hash.len() == bytes.len());
    if let Some(bytes) = hex::decode(word).ok().filter(is_tag) {
        return Some((Some(&HEXADECIMAL), bytes));
    }
    let standard = word.replace('-', "+").replace('_', "/");
    let bytes = STANDARD_NO_PAD.decode(standard.trim_end_matches('=')).ok()?;
    if let Some(inner) = str::from_utf8(&bytes).ok().and_then(|text| hex::decode(text).ok()).filter(is_tag) {
        return Some((Some(&HEX_IN_BASE64), inner));
    }
    let inner = str::from_utf8(&bytes).ok().and_then(|text| STANDARD.decode(text.trim()).ok());
    if let Some(inner) = inner.filter(is_tag) {
        return Some((Some(&ENCODED_TWICE), inner));
    }
    let explanation = if standard != word {
        Some(&URL_ALPHABET)
    } else if STANDARD.decode(word).is_err() {
        Some(&UNPADDED)
    } else {
        None
    };
    is_tag(&bytes).then_some((explanation, bytes))
}

/// Signatures that were cut off, or lost their case.
fn parts(header: &str) -> Vec<Reading> {
    let reading = |form, explanation: &'static Explanation, once: &'static str| Reading {
        form,
        is_v1a: false,
        steps: vec![explanation.step(once)],
    };
    let words = header.split(DELIMITERS).take(MAX_WORDS);
    words
        .filter_map(|word| {
            let word = word.trim_end_matches(['…', '.', '*']);
            let bare = word.trim_end_matches('=');
            let is_base64 = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte));
            let is_one_case = bare == bare.to_lowercase() || bare == bare.to_uppercase();
            if !is_base64(bare) {
                None
            } else if bare.len() == 43 && is_one_case {
                Some(reading(Form::OneCase(bare.to_owned()), &CASE_LOST, "its case is ignored"))
            } else if bare.len() < 43 {
                // Whole groups of four characters, so that each decoded byte is the signature's.
                let bytes = STANDARD_NO_PAD.decode(&bare[..bare.len() / 4 * 4]).ok()?;
                let form = Form::Prefix(bytes);
                let is_long = matches!(&form, Form::Prefix(bytes) if bytes.len() >= SHORTEST_PREFIX);
                is_long.then(|| reading(form, &SHORTENED, "only the characters that are left of it are compared"))
            } else {
                None
            }
        })
        .collect()
}
