//! What senders sign: id, timestamp and body, or other parts in other orders.

use super::mac::Keyed;
use super::step::Step;
use crate::finding::Explanation;

const BODY_ALONE: Explanation = Explanation {
    code: "signed_body_alone",
    title: "only the body is signed, without id and timestamp",
    advice: "This is another convention (GitHub's, for example), and anyone can replay such a delivery. The sender must sign \
             `id.timestamp.body`.",
};
const OTHER_PARTS: Explanation = Explanation {
    code: "signed_other_parts",
    title: "something other than `id.timestamp.body` is signed",
    advice: "The sender must sign the id, a dot, the timestamp, a dot and the body, each exactly as sent.",
};
const NOT_HMAC: Explanation = Explanation {
    code: "signed_without_hmac",
    title: "the signature is a plain hash, not an HMAC",
    advice: "The sender must compute HMAC-SHA256 with the secret as the key (`hmac.new`, `createHmac`, `hash_hmac`): a hash of \
             key and text can be extended by others, and a hash without a key can be computed by anyone.",
};

/// The parts that are signed, in their order, and how.
pub(super) struct Convention {
    pub(super) step: Option<Step>,
    parts: &'static [Part],
    separator: &'static str,
    prefix: &'static str,
    pub(super) keyed: Keyed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Id,
    Timestamp,
    Body,
    Empty,
}

use Part::{Body, Empty, Id, Timestamp};

impl Convention {
    /// `id.timestamp.body` under HMAC.
    pub(super) fn standard() -> Self {
        Self { step: None, parts: &[Id, Timestamp, Body], separator: ".", prefix: "", keyed: Keyed::Hmac }
    }

    /// The conventions of known senders, most likely first.
    pub(super) fn known() -> Vec<Self> {
        let parts = |what: &str, parts, separator, prefix| Self {
            step: Some(OTHER_PARTS.step(format!("what is signed is {what}"))),
            parts,
            separator,
            prefix,
            keyed: Keyed::Hmac,
        };
        let unkeyed = |what: &'static str, keyed, parts| Self {
            step: Some(NOT_HMAC.step(what)),
            parts,
            separator: ".",
            prefix: "",
            keyed,
        };
        let alone = BODY_ALONE.step("what is signed is the body alone");
        let all: &[Part] = &[Id, Timestamp, Body];
        vec![
            Self { step: Some(alone), parts: &[Body], ..Self::standard() },
            parts("`timestamp.body`, as Stripe does", &[Timestamp, Body], ".", ""),
            parts("`v0:timestamp:body`, as Slack does", &[Timestamp, Body], ":", "v0:"),
            parts("`timestamp` and `body` without a dot", &[Timestamp, Body], "", ""),
            parts("`id.body`", &[Id, Body], ".", ""),
            parts("`timestamp.id.body`", &[Timestamp, Id, Body], ".", ""),
            parts("`id`, `timestamp` and `body` without dots", all, "", ""),
            parts("`id.timestamp`, without the body", &[Id, Timestamp], ".", ""),
            parts("`id.timestamp.`, with an empty body", &[Id, Timestamp, Empty], ".", ""),
            unkeyed("it is read as a hash of the secret and the body", Keyed::KeyFirst, &[Body]),
            unkeyed("it is read as a hash of the body and the secret", Keyed::KeyLast, &[Body]),
            unkeyed("it is read as a hash of the body alone, without the secret", Keyed::Unkeyed, &[Body]),
            unkeyed("it is read as a hash of the secret and `id.timestamp.body`", Keyed::KeyFirst, all),
            unkeyed("it is read as a hash of `id.timestamp.body` and the secret", Keyed::KeyLast, all),
        ]
    }

    /// Every order of the parts with every usual separator.
    pub(super) fn rare() -> Vec<Self> {
        const ORDERS: [(&[Part], &str); 8] = [
            (&[Id, Timestamp, Body], "id, timestamp and body"),
            (&[Timestamp, Id, Body], "timestamp, id and body"),
            (&[Timestamp, Body], "timestamp and body"),
            (&[Body, Timestamp], "body and timestamp"),
            (&[Id, Body], "id and body"),
            (&[Body, Id], "body and id"),
            (&[Body, Id, Timestamp], "body, id and timestamp"),
            (&[Body, Timestamp, Id], "body, timestamp and id"),
        ];
        const SEPARATORS: [&str; 8] = [".", "", ":", "\n", "|", ",", "-", "&"];
        let conventions = ORDERS.iter().flat_map(|(parts, what)| {
            SEPARATORS.iter().map(move |separator| Self {
                step: Some(
                    OTHER_PARTS.step(format!("what is signed is {what} with `{}` between", separator.escape_debug())),
                ),
                parts,
                separator,
                prefix: "",
                keyed: Keyed::Hmac,
            })
        });
        conventions
            .filter(|convention| convention.separator != "." || convention.parts != Self::standard().parts)
            .collect()
    }

    /// Whether the id and the timestamp are signed.
    pub(super) fn is_standard(&self) -> bool {
        self.step.is_none()
    }

    /// Whether nothing but the body is signed.
    pub(super) fn has_head(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Id | Timestamp))
    }

    /// The signed text, in pieces.
    pub(super) fn text<'t>(&'t self, id: &'t str, timestamp: &'t str, body: &'t [u8]) -> Vec<&'t [u8]> {
        let mut pieces: Vec<&[u8]> = vec![self.prefix.as_bytes()];
        for (at, part) in self.parts.iter().enumerate() {
            if at > 0 {
                pieces.push(self.separator.as_bytes());
            }
            pieces.push(match part {
                Id => id.as_bytes(),
                Timestamp => timestamp.as_bytes(),
                Body => body,
                Empty => b"",
            });
        }
        pieces
    }
}
