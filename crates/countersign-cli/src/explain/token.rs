//! What goes wrong with tokens (JWT) in the place of signatures.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::header::{WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use countersign::{Reason, Rejection};
use serde_json::Value;

use super::Repairs;
use super::body;
use super::case::Case;
use super::finding::{Finding, Looks};
use super::trial::Change;
use crate::output::shown;
use crate::time;

const NOT_EXPECTED: Looks = Looks {
    code: "token_delivery",
    title: "it is signed with a token (JWT), and what verifies one was not given",
    advice: "A dynamic Gemini webhook (`webhook_config` in a request) is documented to be signed so: give the sender's key \
             set (`--jwks`) and the URL that the sender was given (`--audience`), instead of a secret.",
};
const DECORATED: Looks = Looks {
    code: "token_decorated",
    title: "the token has something around it",
    advice: "The header `webhook-signature` is the token and nothing else: no `Bearer`, no quotes, no white space.",
};
const MALFORMED: Looks = Looks {
    code: "token_malformed",
    title: "the token cannot be read, or asks for an extension (`crit`)",
    advice: "Capture it anew, whole: three parts of base64url without padding, the first two of them JSON objects. What is \
             in `crit` must be understood, and nothing is: ask the sender to issue tokens without it.",
};
const UNSIGNED: Looks = Looks {
    code: "token_unsigned",
    title: "the token says of itself that it is not signed (alg `none`)",
    advice: "Anybody can write such a token. If the sender really sends it, have that mended; else this is a forgery.",
};
const HMAC: Looks = Looks {
    code: "token_hmac",
    title: "the token is signed with a shared secret (HS256 and the like), not with a private key",
    advice: "Only RS256 is accepted: a verifier that took HS256 would use the public key as the secret, and everybody has \
             that. A forgery of this kind is a known attack; a sender of this kind must be given an RSA key.",
};
const OTHER_ALGORITHM: Looks = Looks {
    code: "token_algorithm",
    title: "the token is signed with an algorithm that is not accepted",
    advice: "Only RS256 is accepted, which is what Gemini's dynamic webhooks are documented to use.",
};
const UNKNOWN_KEY: Looks = Looks {
    code: "token_key_unknown",
    title: "the token names a key that is not in the key set",
    advice: "If the sender rotated its keys, a copy of its set is out of date: give its URL, or fetch it anew (`countersign \
             jwks show`). A capture from before the rotation can only be verified with the set of its time.",
};
const FORGED: Looks = Looks {
    code: "token_signature",
    title: "the key that the token names did not sign it",
    advice: "The token was cut, changed or put together from two, or another sender uses the same `kid`: compare the key \
             set with the sender's, and capture the header anew.",
};
const ISSUER: Looks = Looks {
    code: "token_issuer",
    title: "the token was issued by somebody else",
    advice: "If that issuer is the one to trust, give it as `--issuer`, exactly as it is written in the token.",
};
const AUDIENCE: Looks = Looks {
    code: "token_audience",
    title: "the token was issued for another audience",
    advice: "The audience is the URL that the sender was given, to the letter: scheme, host, port, path and the slash at its \
             end. If the delivery is meant for this endpoint, give it as `--audience`; else somebody passes on what \
             was sent to another.",
};
const UNTIMED: Looks = Looks {
    code: "token_untimed",
    title: "the token does not say when it was issued, nor that it expires within 24 hours",
    advice: "It could be sent again and again: the sender must sign `iat`, or an `exp` that is near. The header `webhook-timestamp` beside a \
             token is not signed.",
};
const EXPIRED: Looks = Looks {
    code: "token_expired",
    title: "the token has expired, or was issued too long before it arrived",
    advice: "For a capture, give the time at which it arrived (`--now`). Else the delivery was slow, it is sent again by \
             somebody, or a clock is off: set it by NTP.",
};
const NOT_YET_VALID: Looks = Looks {
    code: "token_not_yet_valid",
    title: "the token was issued in the future, by the clock that it is compared with",
    advice: "Set the clock of the receiver, or of the sender, by NTP; whole hours point at a time zone taken for UTC.",
};
const BINDS_NO_BODY: Looks = Looks {
    code: "token_binds_no_body",
    title: "the token is genuine, and says nothing of the body",
    advice: "Whoever has seen one such delivery can send its token with any other body. The sender must sign the event, or \
             its hash (`body_sha256`). `--danger-accept-unbound-body` accepts it all the same: then read nothing from \
             the body, and ask the sender's API for what happened.",
};
const OTHER_BODY: Looks = Looks {
    code: "token_for_another_body",
    title: "the token is genuine, and signed for another body",
    advice: "The body was changed on its way, or it is another delivery's: capture token and body from one request. If \
             neither is so, somebody has put a token that they saw beside a body of their own.",
};

/// Repairs of the body after which it may be the one that the token binds.
const BODIES: &[for<'c> fn(&'c Case) -> Repairs<'c>] = &[
    body::trailing_newline,
    body::line_ends,
    body::byte_order_mark,
    body::wrapped,
    body::recoded,
    body::chunked,
    body::reserialised,
];
const REGISTERED: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];
const HASHES: [&str; 2] = ["body_sha256", "request_body_sha256"];

/// What a token says, which is to be shown and not to be trusted.
pub(crate) struct Token {
    text: String,
    header: Value,
    claims: Value,
}

impl Token {
    /// Three parts of base64url, the first of which is a JSON object.
    pub(crate) fn read(header: &str) -> Option<Self> {
        let text = header.trim().trim_start_matches("Bearer ").trim_matches(['"', '\'', ' ']);
        let mut parts = text.split('.');
        let (first, second, _) = (parts.next()?, parts.next()?, parts.next()?);
        let object = |part| -> Option<Value> {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok().filter(Value::is_object)
        };
        let header = object(first).filter(|_| parts.next().is_none())?;
        Some(Self { text: text.to_owned(), header, claims: object(second).unwrap_or_default() })
    }

    /// In one line: how it is signed, by whom, for whom.
    pub(crate) fn summary(&self) -> String {
        let of = |name| self.header.get(name).map_or_else(|| "none".into(), written);
        format!("a token: alg {}, kid {}, aud {}", of("alg"), of("kid"), self.claim("aud"))
    }

    fn claim(&self, name: &str) -> String {
        self.claims.get(name).map_or_else(|| "none".into(), written)
    }

    /// A claim that is a moment, with how far it lies from now.
    fn moment(&self, name: &str, case: &Case) -> Option<String> {
        let secs = self.claims.get(name)?.as_f64()?;
        let secs = std::time::Duration::try_from_secs_f64(secs).ok()?.as_secs();
        Some(format!("{name} {}", time::described(secs, case.now)))
    }
}

fn written(value: &Value) -> String {
    shown(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// A token, and why it is not accepted.
pub(super) fn delivery(case: &Case) -> Option<Finding> {
    let header = case.header(&WEBHOOK_SIGNATURE);
    let token = Token::read(&header)?;
    if case.trust.audience.is_empty() || !case.trust.has_set() {
        let missing = match (case.trust.audience.is_empty(), case.trust.has_set()) {
            (true, true) => "no audience was given",
            (false, _) => "no key set was given",
            (true, false) => "neither a key set nor an audience was given",
        };
        return Some(NOT_EXPECTED.certain(format!("The header is {}; {missing}.", token.summary())));
    }
    if token.text != header {
        return Some(DECORATED.certain(format!(
            "In the header there is {}, and {} characters beside it.",
            token.summary(),
            header.chars().count() - token.text.chars().count()
        )));
    }
    let rejection = verify(case, &case.capture.body).err()?;
    explained(rejection, &token, case)
}

fn explained(rejection: Rejection, token: &Token, case: &Case) -> Option<Finding> {
    let alg = token.header.get("alg").map_or_else(|| "none".into(), written);
    let moments = || {
        let named = ["iat", "nbf", "exp"].iter().filter_map(|name| token.moment(name, case));
        format!("The token says: {}. Its signature is genuine.", named.collect::<Vec<_>>().join(", "))
    };
    Some(match rejection.reason() {
        Reason::TokenMalformed => MALFORMED.certain(malformed(token)),
        Reason::TokenAlgorithm if alg.eq_ignore_ascii_case("none") => UNSIGNED.certain(format!("alg is `{alg}`.")),
        Reason::TokenAlgorithm if alg.starts_with("HS") => HMAC.certain(format!("alg is `{alg}`.")),
        Reason::TokenAlgorithm => OTHER_ALGORITHM.certain(format!("alg is `{alg}`.")),
        Reason::UnknownKey => UNKNOWN_KEY.certain(unknown_key(token, case)),
        Reason::SignatureMismatch => {
            let kid = token.header.get("kid").map(written).unwrap_or_default();
            FORGED.certain(format!("The set has `{kid}`, and that key did not make this signature."))
        }
        Reason::TokenIssuer => ISSUER.certain(format!(
            "The token is by {}, and accepted are: {}.",
            token.claim("iss"),
            shown(&case.trust.issuer.join(", "))
        )),
        Reason::TokenAudience => AUDIENCE.certain(format!(
            "The token is for {}, and accepted are: {}. Its signature is genuine.",
            token.claim("aud"),
            shown(&case.trust.audience.join(", "))
        )),
        Reason::TokenUntimed => UNTIMED.certain(match token.moment("exp", case) {
            Some(exp) => format!("It has no `iat`, and it says: {exp}."),
            None => "It has neither `iat` nor `exp`.".into(),
        }),
        // The header beside the token is looked at elsewhere.
        Reason::TimestampTooOld | Reason::TimestampTooNew if !is_header_fresh(case) => return None,
        Reason::TokenExpired | Reason::TimestampTooOld => EXPIRED.certain(moments()),
        Reason::TokenNotYetValid | Reason::TimestampTooNew => NOT_YET_VALID.certain(moments()),
        Reason::BodyNotBound => not_bound(token, case),
        _ => return None,
    })
}

/// What is unusual about a token that is not read.
fn malformed(token: &Token) -> String {
    let odd = ["crit", "b64", "zip", "enc", "cty", "typ"].iter().find_map(|name| {
        let value = token.header.get(name)?;
        let is_usual = match *name {
            "b64" => value.as_bool() == Some(true),
            "typ" => value.as_str().is_some_and(|typ| typ.eq_ignore_ascii_case("JWT")),
            _ => false,
        };
        (!is_usual).then(|| format!("Its header has `{name}`: {}.", written(value)))
    });
    odd.unwrap_or_else(|| {
        "Its claims are not a JSON object of the usual types, or its header or its claims have a name twice.".into()
    })
}

fn unknown_key(token: &Token, case: &Case) -> String {
    let named = match token.header.get("kid").and_then(Value::as_str) {
        Some(kid) => format!("The token names `{}`", shown(kid)),
        None => "The token names no key".into(),
    };
    let labels: Vec<_> = case.trust.labels("rs256").map(|label| format!("`{}`", shown(label))).collect();
    if labels.is_empty() {
        format!("{named}, and the set has no RSA key that can be used.")
    } else {
        format!("{named}, and the set has: {}.", labels.join(", "))
    }
}

fn not_bound(token: &Token, case: &Case) -> Finding {
    let is_event = |name: &String| !REGISTERED.contains(&name.as_str());
    let claims: Vec<_> =
        token.claims.as_object().into_iter().flat_map(|claims| claims.keys()).filter(|name| is_event(name)).collect();
    if claims.is_empty() {
        return BINDS_NO_BODY.certain("It has no claims but those about itself, and no hash of a body.");
    }
    let repairs = BODIES.iter().flat_map(|hypothesis| hypothesis(case));
    let mut repaired = repairs.filter_map(|repair| match &repair.change {
        Change::Body(body) => verify(case, body).is_ok().then(|| {
            repair.looks.certain(format!("The token, which is genuine, binds the body once {}.", repair.once))
        }),
        _ => None,
    });
    repaired.next().unwrap_or_else(|| {
        let is_hash = claims.iter().any(|name| HASHES.contains(&name.as_str()));
        OTHER_BODY.certain(if is_hash {
            "It has the SHA-256 of another body.".into()
        } else {
            format!("Its claims and the body differ{}.", differences(&token.claims, &case.capture.body))
        })
    })
}

/// The names at which the two are not the same.
fn differences(claims: &Value, body: &[u8]) -> String {
    let (Some(claims), Ok(Value::Object(body))) = (claims.as_object(), serde_json::from_slice(body)) else {
        return ": the body is not a JSON object".into();
    };
    let names = claims.keys().filter(|name| !REGISTERED.contains(&name.as_str())).chain(body.keys());
    let mut names: Vec<_> =
        names.filter(|name| claims.get(*name) != body.get(*name)).map(|name| format!("`{}`", shown(name))).collect();
    names.sort();
    names.dedup();
    names.truncate(8);
    if names.is_empty() {
        " in the spelling of a number, or a name is there twice".into()
    } else {
        format!(" in {}", names.join(", "))
    }
}

fn verify(case: &Case, body: &bytes::Bytes) -> Result<(), Rejection> {
    case.verifier.begin(&case.capture.headers, case.now)?.finish(body.clone()).map(drop)
}

fn is_header_fresh(case: &Case) -> bool {
    let secs = case.header(&WEBHOOK_TIMESTAMP).parse().unwrap_or(0);
    case.now.as_secs().abs_diff(secs) <= case.tolerance.as_secs()
}
