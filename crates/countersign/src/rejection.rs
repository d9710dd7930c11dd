//! Why verification rejects a delivery: a [`Rejection`] with its [`Reason`].
//!
//! ```
//! use countersign::{MessageId, Reason, Secret, Signer, UnixTime, Verifier};
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

/// Why a delivery was rejected. Its `Display` explains the fault to the sender's developer.
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
    /// The reason, to branch and to count on.
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// Whether a public key that the verifier does not have could have made the difference: a reason to
    /// look for newer ones.
    pub const fn wants_public_key(&self) -> bool {
        self.wants_public_key
    }

    /// The same, said of a delivery that needs a public key.
    pub(crate) const fn wanting_public_key(mut self, wants: bool) -> Self {
        self.wants_public_key = wants;
        self
    }

    /// Whether it is a [`SignatureMismatch`](Reason::SignatureMismatch) although one of the signatures was made
    /// with a secret of this verifier: one that has expired. Either the sender still signs with a secret that
    /// was replaced, or somebody kept it.
    pub const fn fits_expired_secret(&self) -> bool {
        self.fits_expired_secret
    }

    /// The same, for a delivery that was signed with an expired secret.
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
                "the body is larger than {limit} bytes, the most that is verified with {secrets} secrets: remove \
                 those that are no longer used"
            ),
            (Reason::BodyTooLarge, Detail::TooLarge { limit, work: Work { trials, .. } }) => write!(
                f,
                "the body is larger than {limit} bytes, the most that is verified where {trials} pairs of a `v1a` \
                 signature and a key have to be tried: send fewer signatures, or a smaller body"
            ),
            (Reason::MissingHeader, Detail::Header(name)) => write!(f, "the header `{name}` is missing"),
            (Reason::DuplicateHeader, Detail::Header(name)) => write!(f, "the header `{name}` is there more than once"),
            (Reason::TimestampTooOld, Detail::OffBy { seconds, tolerance }) => write!(
                f,
                "signed {seconds} s before it arrived, and {tolerance} s are allowed: a replay, a slow path, or a clock that is off"
            ),
            (Reason::TimestampTooNew, Detail::OffBy { seconds, tolerance }) => write!(
                f,
                "signed {seconds} s after it arrived, and {tolerance} s are allowed: a clock that is off, or a timestamp that is not in seconds"
            ),
            (Reason::SignatureMismatch, _) if self.fits_expired_secret => f.write_str(
                "signed with a secret of this endpoint that has expired: sign with its successor, or extend its `expires_at`",
            ),
            (reason, _) => f.write_str(reason.summary()),
        }
    }
}

impl std::error::Error for Rejection {}

/// The reason for a rejection. The names that [`as_str`](Self::as_str) gives are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// One of the three headers is not there.
    MissingHeader,
    /// One of the three headers is there more than once.
    DuplicateHeader,
    /// The id is not 1 to 256 visible ASCII characters without space and `.`.
    MalformedId,
    /// The timestamp is not a plain decimal number of seconds.
    MalformedTimestamp,
    /// It was signed too long ago.
    TimestampTooOld,
    /// It was signed too far in the future.
    TimestampTooNew,
    /// Nothing in the signature header could be read, or it has more than 32 entries or 16 KiB.
    MalformedSignature,
    /// It is signed, but in no scheme for which there is a key.
    UnsupportedScheme,
    /// The body is larger than is verified with so many secrets, or so many `v1a` signatures and keys; see
    /// [`Attempt::body_limit`](crate::Attempt::body_limit).
    BodyTooLarge,
    /// No key made any of the signatures over this id, timestamp and body.
    SignatureMismatch,
    /// The token cannot be read, has a member twice, is of another type (`typ`), or asks for processing that is
    /// not done here: an extension (`crit`, RFC 7515), a payload that is not encoded (`b64`, RFC 7797).
    TokenMalformed,
    /// The token is not signed with RS256.
    TokenAlgorithm,
    /// The token names no RSA key that is known and has 2048 bits or more.
    UnknownKey,
    /// The token was issued by somebody else (`iss`).
    TokenIssuer,
    /// The token was issued for somebody else (`aud`).
    TokenAudience,
    /// The token says neither when it was issued (`iat`) nor, within 24 hours, when it expires (`exp`).
    TokenUntimed,
    /// The token has expired (`exp`), by more than 60 s.
    TokenExpired,
    /// The token is not valid yet (`nbf`), for more than 60 s.
    TokenNotYetValid,
    /// The token says nothing of this body: it has no claims but those about itself, or they are not its event.
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
            Self::DuplicateHeader => "a webhook header is there more than once",
            Self::MalformedId => "`webhook-id` is not 1 to 256 visible ASCII characters without space and `.`",
            Self::MalformedTimestamp => "`webhook-timestamp` is not a plain decimal number of seconds since 1970",
            Self::TimestampTooOld => "signed too long ago",
            Self::TimestampTooNew => "signed too far in the future",
            Self::MalformedSignature => {
                "`webhook-signature` has no entry of the form `version,base64` that can be read, or too many entries"
            }
            Self::UnsupportedScheme => "signed in no scheme for which this endpoint has a key",
            Self::BodyTooLarge => "the body is larger than is verified with so many signatures and keys",
            Self::SignatureMismatch => "no signature fits this id, timestamp and body with any key of this endpoint",
            Self::TokenMalformed => {
                "the token in `webhook-signature` cannot be read, has a member twice, is of another type than `JWT`, \
                 or has a `crit` or `b64` header"
            }
            Self::TokenAlgorithm => "the token is not signed with RS256",
            Self::UnknownKey => "the token names no RSA key of 2048 bits or more that this endpoint knows",
            Self::TokenIssuer => "the token was issued by somebody whom this endpoint does not expect",
            Self::TokenAudience => "the token was issued for another audience than this endpoint",
            Self::TokenUntimed => {
                "the token has neither an `iat` nor an `exp` within 24 hours, so it could be used again and again"
            }
            Self::TokenExpired => "the token has expired",
            Self::TokenNotYetValid => "the token is not valid yet",
            Self::BodyNotBound => "the token says nothing of this body: neither its hash nor its content",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
