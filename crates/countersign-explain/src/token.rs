//! Mistakes with tokens (JWT) in place of signatures.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::header::{WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use countersign::{Reason, Rejection};
use serde_json::Value;

use crate::case::Case;
use crate::finding::{Explanation, Finding};
use crate::search::{Budget, restored};
use crate::shown::shown;
use crate::time;

const NOT_EXPECTED: Explanation = Explanation {
    code: "token_delivery",
    title: "the delivery is signed with a token (JWT), and no keys for tokens were given",
    advice: "A dynamic Gemini webhook (`webhook_config` in a request) is documented to be signed like this: give the sender's key \
             set (`--jwks`) and the URL that the sender was given (`--audience`), instead of a secret.",
};
const DECORATED: Explanation = Explanation {
    code: "token_decorated",
    title: "the token has extra characters around it",
    advice: "The header `webhook-signature` must be only the token: no `Bearer`, no quotes, no white space.",
};
const MALFORMED: Explanation = Explanation {
    code: "token_malformed",
    title: "the token cannot be parsed, or requires an extension (`crit`)",
    advice: "Capture the whole token again: three parts in base64url without padding, of which the first two are JSON \
             objects. No extension in `crit` is supported: ask the sender to issue tokens without it.",
};
const UNSIGNED: Explanation = Explanation {
    code: "token_unsigned",
    title: "the token declares itself unsigned (alg `none`)",
    advice: "Anyone can write such a token. If the sender really sends it, it must be fixed there; otherwise it is a forgery.",
};
const HMAC: Explanation = Explanation {
    code: "token_hmac",
    title: "the token is signed with a shared secret (HS256 and the like), not with a private key",
    advice: "Only RS256 is accepted: a verifier that accepted HS256 would use the public key as the secret, and everybody \
             has that. Forging such tokens is a known attack. A real sender of such tokens must use an RSA key instead.",
};
const OTHER_ALGORITHM: Explanation = Explanation {
    code: "token_algorithm",
    title: "the token is signed with an algorithm that is not accepted",
    advice: "Only RS256 is accepted, the documented algorithm of Gemini's dynamic webhooks.",
};
const UNKNOWN_KEY: Explanation = Explanation {
    code: "token_key_unknown",
    title: "the token names a key that is not in the key set",
    advice: "If the sender rotated its keys, a copy of its key set is out of date: give the URL of the set instead. A capture \
             from before the rotation can only be verified with the key set of that time.",
};
const UNKNOWN_FETCHED_KEY: Explanation = Explanation {
    code: "token_key_unknown",
    title: "the token names a key that the sender does not publish now",
    advice: "The key set was fetched just now, so it is not out of date. The capture is from before a rotation, or the token is \
             from another issuer: compare its `iss` with the publisher of this set.",
};
const NO_KEY_NAMED: Explanation = Explanation {
    code: "token_key_unknown",
    title: "the token does not name its key (`kid`)",
    advice: "The sender must write the `kid` of its key into the header of the token, as text. Other keys, or the same keys again, \
             do not help.",
};
const NO_RSA_KEY: Explanation = Explanation {
    code: "token_key_unknown",
    title: "the key set has no key for tokens",
    advice: "Tokens need an RSA key of 2048 bits or more: `countersign jwks show` says why each key is skipped. If there is none, \
             this is another sender's set, or one for another purpose.",
};
const OTHER_UNIT: Explanation = Explanation {
    code: "token_in_another_unit",
    title: "the times in the token are not in seconds",
    advice: "`iat`, `nbf` and `exp` are whole seconds since 1970 (RFC 7519): the sender must write `Math.floor(Date.now() / 1000)`, \
             not `Date.now()`. No clock is wrong.",
};
const FORGED: Explanation = Explanation {
    code: "token_signature",
    title: "the token was not signed by the key that it names",
    advice: "The token was truncated, changed or assembled from two, or another sender uses the same `kid`. Compare the key \
             set with the sender's, and capture the header again.",
};
const ISSUER: Explanation = Explanation {
    code: "token_issuer",
    title: "the token has another issuer",
    advice: "If that issuer should be trusted, give it as `--issuer`, exactly as it is written in the token.",
};
const AUDIENCE: Explanation = Explanation {
    code: "token_audience",
    title: "the token was issued for another audience",
    advice: "The audience is exactly the URL that the sender was given: scheme, host, port, path and trailing slash. If the \
             delivery is meant for this endpoint, give it as `--audience`; otherwise somebody forwards a delivery \
             that was sent to another endpoint.",
};
const UNTIMED: Explanation = Explanation {
    code: "token_untimed",
    title: "the token has neither an issue time nor an expiry within 24 hours",
    advice: "It could be replayed: the sender must sign `iat`, or an `exp` in the near future. The header `webhook-timestamp` beside a \
             token is not signed.",
};
const EXPIRED: Explanation = Explanation {
    code: "token_expired",
    title: "the token has expired, or was issued too long before it arrived",
    advice: "For a capture, give the time of arrival (`--now`). Otherwise the delivery was slow or is a replay, or a clock is \
             wrong: synchronise it by NTP.",
};
const NOT_YET_VALID: Explanation = Explanation {
    code: "token_not_yet_valid",
    title: "the token was issued in the future, according to the receiver's clock",
    advice: "Synchronise the receiver's clock, or the sender's, by NTP. A difference of whole hours suggests that local time was taken for UTC.",
};
const BINDS_NO_BODY: Explanation = Explanation {
    code: "token_binds_no_body",
    title: "the token is authentic, but does not bind the body",
    advice: "Anyone who has seen such a delivery can send its token with another body. The sender must sign the event, or \
             its hash (`body_sha256`). `--danger-accept-unbound-body` accepts it anyway: then do not trust the \
             body, and ask the sender's API what happened.",
};
const OTHER_BODY: Explanation = Explanation {
    code: "token_for_another_body",
    title: "the token is authentic, but signed for another body",
    advice: "The body was changed on the way, or belongs to another delivery: capture token and body of the same request. If \
             neither applies, somebody has combined a token that they saw with their own body.",
};

/// How many bodies are tried with a token: each costs an RSA verification.
const TOKEN_TRIALS: u64 = 20_000;
const REGISTERED: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];
const HASHES: [&str; 2] = ["body_sha256", "request_body_sha256"];

/// The unverified contents of a token, to show and not to trust.
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

    /// Its algorithm, key and audience, in one line.
    pub(crate) fn summary(&self) -> String {
        let of = |name| self.header.get(name).map_or_else(|| "none".into(), written);
        format!("a token: alg {}, kid {}, aud {}", of("alg"), of("kid"), self.claim("aud"))
    }

    fn claim(&self, name: &str) -> String {
        self.claims.get(name).map_or_else(|| "none".into(), written)
    }

    /// A claim that is a time, with its distance from now.
    fn time_claim(&self, name: &str, case: &Case) -> Option<String> {
        let secs = self.claims.get(name)?.as_f64()?;
        let secs = std::time::Duration::try_from_secs_f64(secs).ok()?.as_secs();
        Some(format!("{name} {}", time::described(secs, case.now)))
    }
}

fn written(value: &Value) -> String {
    shown(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// Why a token is not accepted.
pub(crate) fn delivery(case: &Case) -> Option<Finding> {
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
        let named = ["iat", "nbf", "exp"].iter().filter_map(|name| token.time_claim(name, case));
        format!("Its claims: {}. Its signature is authentic.", named.collect::<Vec<_>>().join(", "))
    };
    let is_about_time = matches!(
        rejection.reason(),
        Reason::TokenUntimed
            | Reason::TokenExpired
            | Reason::TokenNotYetValid
            | Reason::TimestampTooOld
            | Reason::TimestampTooNew
    );
    if let Some(evidence) = other_unit(token, case).filter(|_| is_about_time) {
        return Some(OTHER_UNIT.certain(evidence));
    }
    Some(match rejection.reason() {
        Reason::TokenMalformed => MALFORMED.certain(malformed(token)),
        Reason::TokenAlgorithm if alg.eq_ignore_ascii_case("none") => UNSIGNED.certain(format!("alg is `{alg}`.")),
        Reason::TokenAlgorithm if alg.starts_with("HS") => HMAC.certain(format!("alg is `{alg}`.")),
        Reason::TokenAlgorithm => OTHER_ALGORITHM.certain(format!("alg is `{alg}`.")),
        Reason::UnknownKey => unknown_key(token, case),
        Reason::SignatureMismatch => {
            let kid = token.header.get("kid").map(written).unwrap_or_default();
            FORGED.certain(format!("The key set has `{kid}`, but that key did not make this signature."))
        }
        Reason::TokenIssuer => ISSUER.certain(format!(
            "The issuer is {}; accepted are: {}.",
            token.claim("iss"),
            shown(&case.trust.issuer.join(", "))
        )),
        Reason::TokenAudience => AUDIENCE.certain(format!(
            "The audience is {}; accepted are: {}. Its signature is authentic.",
            token.claim("aud"),
            shown(&case.trust.audience.join(", "))
        )),
        Reason::TokenUntimed => UNTIMED.certain(match token.time_claim("exp", case) {
            Some(exp) => format!("It has no `iat`, and its expiry is: {exp}."),
            None => "It has neither `iat` nor `exp`.".into(),
        }),
        // Another observation explains the header beside the token.
        Reason::TimestampTooOld | Reason::TimestampTooNew if !is_header_recent(case) => return None,
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

/// The times that can only be in a smaller unit than seconds.
fn other_unit(token: &Token, case: &Case) -> Option<String> {
    let found = ["iat", "nbf", "exp"].into_iter().filter_map(|name| {
        let claim = token.claims.get(name)?;
        // A float of milliseconds has a fraction that does not matter here.
        let whole = claim.to_string().split('.').next()?.parse().ok()?;
        let (secs, unit) = time::in_smaller_unit(whole)?;
        Some(format!("`{name}` is {whole}: in {unit}, that is {}", time::described(secs, case.now)))
    });
    let found: Vec<_> = found.collect();
    (!found.is_empty()).then(|| format!("{}. Its signature is authentic.", found.join("; ")))
}

fn unknown_key(token: &Token, case: &Case) -> Finding {
    let kid = token.header.get("kid");
    let named = match kid.and_then(Value::as_str) {
        Some(kid) => format!("The token names `{}`", shown(kid)),
        None if kid.is_some() => "The `kid` of the token is not text, so it names no key".into(),
        None => "The token names no key".into(),
    };
    let labels: Vec<_> = case.trust.labels("rs256").map(|label| format!("`{}`", shown(label))).collect();
    let explanation = match kid.and_then(Value::as_str) {
        None => &NO_KEY_NAMED,
        Some(_) if labels.is_empty() => &NO_RSA_KEY,
        Some(_) if case.trust.is_fetched => &UNKNOWN_FETCHED_KEY,
        Some(_) => &UNKNOWN_KEY,
    };
    explanation.certain(if labels.is_empty() {
        format!("{named}, and the key set has no usable RSA key.")
    } else {
        format!("{named}, and the key set has: {}.", labels.join(", "))
    })
}

fn not_bound(token: &Token, case: &Case) -> Finding {
    let is_event = |name: &String| !REGISTERED.contains(&name.as_str());
    let claims: Vec<_> =
        token.claims.as_object().into_iter().flat_map(|claims| claims.keys()).filter(|name| is_event(name)).collect();
    if claims.is_empty() {
        return BINDS_NO_BODY.certain("It has only claims about itself, and no hash of a body.");
    }
    let binds = |body: &bytes::Bytes| verify(case, body).is_ok();
    let repaired = restored(&case.capture.body, &Budget::of(TOKEN_TRIALS), &binds);
    repaired.and_then(|findings| findings.into_iter().next()).unwrap_or_else(|| {
        let is_hash = claims.iter().any(|name| HASHES.contains(&name.as_str()));
        OTHER_BODY.certain(if is_hash {
            "It has the SHA-256 of another body.".into()
        } else {
            format!("Its claims and the body differ{}.", differences(&token.claims, &case.capture.body))
        })
    })
}

/// The names of the members that differ.
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
        " in the form of a number, or by a duplicate name".into()
    } else {
        format!(" in {}", names.join(", "))
    }
}

fn verify(case: &Case, body: &bytes::Bytes) -> Result<(), Rejection> {
    case.verifier.begin(&case.capture.headers, case.now)?.finish(body.clone()).map(drop)
}

fn is_header_recent(case: &Case) -> bool {
    let secs = case.header(&WEBHOOK_TIMESTAMP).parse().unwrap_or(0);
    case.now.as_secs().abs_diff(secs) <= case.tolerance.as_secs()
}
