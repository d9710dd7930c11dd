//! Why verification rejects a delivery: a [`Rejection`] with its [`Reason`].
//!
//! ```
//! use countersign::sign::Signer;
//! use countersign::{MessageId, Reason, Secret, UnixTime, Verifier};
//!
//! let secret = Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! let verifier = Verifier::builder("example").secret(secret.clone()).build()?;
//! let id = MessageId::parse("msg_1")?;
//! let headers = Signer::new([secret])?.sign(&id, UnixTime::from_secs(1_000), b"{}");
//!
//! let rejection = verifier.begin(&headers, UnixTime::from_secs(1_301)).expect_err("301 s later");
//! assert_eq!(rejection.reason(), Reason::TimestampTooOld); // for code
//! assert_eq!(rejection.reason().as_str(), "timestamp_too_old"); // for metrics
//! assert!(rejection.to_string().starts_with("signed 301 s before it arrived")); // for people
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use http::HeaderName;

use crate::work::Work;

/// The result of a failed verification. Its `Display` explains the problem to the developer of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    reason: Reason,
    detail: Detail,
    wants_public_key: bool,
    fits_expired_secret: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    None,
    Header(&'static str),
    OffBy { seconds: u64, tolerance: u64 },
    TooLarge { limit: usize, work: Work },
}

impl Rejection {
    /// The reason, for code and metrics.
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// Whether the request may be valid with a public key that the verifier does not have. If so, look for newer keys.
    pub const fn wants_public_key(&self) -> bool {
        self.wants_public_key
    }

    /// Sets [`wants_public_key`](Self::wants_public_key).
    pub(crate) const fn wanting_public_key(mut self, wants: bool) -> Self {
        self.wants_public_key = wants;
        self
    }

    /// Whether an expired secret of this verifier made one of the signatures. The reason is then
    /// [`SignatureMismatch`](Reason::SignatureMismatch). Either the sender still uses the old secret, or somebody else
    /// has it.
    pub const fn fits_expired_secret(&self) -> bool {
        self.fits_expired_secret
    }

    /// Sets [`fits_expired_secret`](Self::fits_expired_secret).
    pub(crate) const fn fitting_expired_secret(mut self, fits: bool) -> Self {
        self.fits_expired_secret = fits;
        self
    }

    pub(crate) fn header(reason: Reason, name: &HeaderName) -> Self {
        let known = [crate::header::WEBHOOK_ID, crate::header::WEBHOOK_TIMESTAMP, crate::header::WEBHOOK_SIGNATURE];
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        let detail =
            known.iter().position(|header| header == name).map_or(Detail::None, |at| Detail::Header(names[at]));
        Self { detail, ..reason.into() }
    }

    pub(crate) fn too_large(limit: usize, work: Work) -> Self {
        Self { detail: Detail::TooLarge { limit, work }, ..Reason::BodyTooLarge.into() }
    }

    pub(crate) fn off_by(reason: Reason, seconds: u64, tolerance: u64) -> Self {
        Self { detail: Detail::OffBy { seconds, tolerance }, ..reason.into() }
    }
}

impl From<Reason> for Rejection {
    fn from(reason: Reason) -> Self {
        Self { reason, detail: Detail::None, wants_public_key: false, fits_expired_secret: false }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.reason, self.detail) {
            (Reason::BodyTooLarge, Detail::TooLarge { limit, work: Work { secrets, trials: 0 } }) => write!(
                f,
                "the body is larger than {limit} bytes, the limit for {secrets} secrets: remove those that are no longer \
                 used"
            ),
            (Reason::BodyTooLarge, Detail::TooLarge { limit, work: Work { trials, .. } }) => write!(
                f,
                "the body is larger than {limit} bytes, the limit for {trials} pairs of a `v1a` signature and a key: send \
                 fewer signatures or a smaller body"
            ),
            (Reason::MissingHeader, Detail::Header(name)) => write!(f, "the header `{name}` is missing"),
            (Reason::DuplicateHeader, Detail::Header(name)) => write!(f, "the header `{name}` is repeated"),
            (Reason::TimestampTooOld, Detail::OffBy { seconds, tolerance }) => write!(
                f,
                "signed {seconds} s before it arrived, and {tolerance} s are allowed: a replay, a slow connection or a wrong clock"
            ),
            (Reason::TimestampTooNew, Detail::OffBy { seconds, tolerance }) => write!(
                f,
                "signed {seconds} s after it arrived, and {tolerance} s are allowed: a wrong clock, or a timestamp that is not in seconds"
            ),
            (Reason::SignatureMismatch, _) if self.fits_expired_secret => f.write_str(
                "signed with an expired secret of this endpoint: sign with the new secret, or extend `expires_at` of the old one",
            ),
            (reason, _) => f.write_str(reason.summary()),
        }
    }
}

impl std::error::Error for Rejection {}

/// The reason for a rejection. The names that [`as_str`](Self::as_str) returns are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// One of the three headers is missing.
    MissingHeader,
    /// One of the three headers is repeated.
    DuplicateHeader,
    /// The id is not 1 to 256 visible ASCII characters without spaces and `.`.
    MalformedId,
    /// The timestamp is not a plain decimal number of seconds.
    MalformedTimestamp,
    /// The timestamp is too old.
    TimestampTooOld,
    /// The timestamp is too far in the future.
    TimestampTooNew,
    /// The signature header has no well-formed entry, more than 32 entries, or more than 16 KiB.
    MalformedSignature,
    /// There is no key for any scheme of the signature header.
    UnsupportedScheme,
    /// The body is too large for the number of secrets, or of `v1a` signatures and keys. See
    /// [`Attempt::body_limit`](crate::verify::Attempt::body_limit).
    BodyTooLarge,
    /// No signature of this id, timestamp and body matches any key.
    SignatureMismatch,
    /// The token is malformed, has a repeated member or another type (`typ`), or requires an unsupported feature: an
    /// extension (`crit`, RFC 7515) or an unencoded payload (`b64`, RFC 7797).
    TokenMalformed,
    /// The token is not signed with RS256.
    TokenAlgorithm,
    /// The token does not name a known RSA key of at least 2048 bits.
    UnknownKey,
    /// The token has another issuer (`iss`).
    TokenIssuer,
    /// The token has another audience (`aud`).
    TokenAudience,
    /// The token has neither `iat` nor an `exp` within 24 hours.
    TokenUntimed,
    /// The token expired (`exp`) more than 60 s ago.
    TokenExpired,
    /// The token becomes valid (`nbf`) in more than 60 s.
    TokenNotYetValid,
    /// The token does not bind this body: it has no event claims, or they differ from the body.
    BodyNotBound,
}

impl Reason {
    /// All reasons, in the order in which they are checked.
    pub const ALL: &'static [Self] = &[
        Self::MissingHeader,
        Self::DuplicateHeader,
        Self::MalformedId,
        Self::MalformedTimestamp,
        Self::TimestampTooOld,
        Self::TimestampTooNew,
        Self::MalformedSignature,
        Self::UnsupportedScheme,
        Self::BodyTooLarge,
        Self::SignatureMismatch,
        Self::TokenMalformed,
        Self::TokenAlgorithm,
        Self::UnknownKey,
        Self::TokenIssuer,
        Self::TokenAudience,
        Self::TokenUntimed,
        Self::TokenExpired,
        Self::TokenNotYetValid,
        Self::BodyNotBound,
    ];

    /// The stable name, in snake case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingHeader => "missing_header",
            Self::DuplicateHeader => "duplicate_header",
            Self::MalformedId => "malformed_id",
            Self::MalformedTimestamp => "malformed_timestamp",
            Self::TimestampTooOld => "timestamp_too_old",
            Self::TimestampTooNew => "timestamp_too_new",
            Self::MalformedSignature => "malformed_signature",
            Self::UnsupportedScheme => "unsupported_scheme",
            Self::BodyTooLarge => "body_too_large",
            Self::SignatureMismatch => "signature_mismatch",
            Self::TokenMalformed => "token_malformed",
            Self::TokenAlgorithm => "token_algorithm",
            Self::UnknownKey => "unknown_key",
            Self::TokenIssuer => "token_issuer",
            Self::TokenAudience => "token_audience",
            Self::TokenUntimed => "token_untimed",
            Self::TokenExpired => "token_expired",
            Self::TokenNotYetValid => "token_not_yet_valid",
            Self::BodyNotBound => "body_not_bound",
        }
    }

    const fn summary(self) -> &'static str {
        match self {
            Self::MissingHeader => "a webhook header is missing",
            Self::DuplicateHeader => "a webhook header is repeated",
            Self::MalformedId => "`webhook-id` is not 1 to 256 visible ASCII characters without spaces and `.`",
            Self::MalformedTimestamp => "`webhook-timestamp` is not a plain decimal number of seconds since 1970",
            Self::TimestampTooOld => "signed too long ago",
            Self::TimestampTooNew => "signed too far in the future",
            Self::MalformedSignature => "`webhook-signature` has no valid `version,base64` entry, or too many entries",
            Self::UnsupportedScheme => "this endpoint has no key for any scheme in `webhook-signature`",
            Self::BodyTooLarge => "the body is too large for the number of signatures and keys",
            Self::SignatureMismatch => "no signature of this id, timestamp and body matches a key of this endpoint",
            Self::TokenMalformed => {
                "the token in `webhook-signature` is malformed, has a repeated member or a type other than `JWT`, or has \
                 a `crit` or `b64` header"
            }
            Self::TokenAlgorithm => "the token is not signed with RS256",
            Self::UnknownKey => "the token does not name an RSA key of this endpoint with at least 2048 bits",
            Self::TokenIssuer => "the token has an issuer (`iss`) that this endpoint does not accept",
            Self::TokenAudience => "the token has an audience (`aud`) other than this endpoint",
            Self::TokenUntimed => "the token has neither `iat` nor an `exp` within 24 hours, so it could be replayed",
            Self::TokenExpired => "the token has expired",
            Self::TokenNotYetValid => "the token is not valid yet",
            Self::BodyNotBound => {
                "the token does not bind this body: neither its hash nor its content is in the claims"
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
