//! The verification of a request, in the order of its checks.
//!
//! Verification has two steps, so that most invalid requests are rejected before the body is read: [`Verifier::begin`]
//! checks the headers, and [`Attempt::finish`] the body. The [crate documentation](crate) has an example.

mod freshness;
#[cfg_attr(not(feature = "rs256"), path = "token_off.rs")]
mod token;
mod values;

use std::cmp::Reverse;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use freshness::check_freshness;
use token::CheckedToken;
use values::Values;

use crate::clock::UnixTime;
use crate::crypto::{self, Ed25519Signature};
use crate::header::HeaderSet;
use crate::key::PublicKey;
use crate::message_id::MessageId;
use crate::rejection::{Reason, Rejection};
use crate::scheme::list::{Entry, Signature};
use crate::scheme::{self, list};
use crate::secret::Secret;
use crate::verdict::{MatchedKey, Scheme, Verified};
use crate::verifier::Verifier;
use crate::work::{MAX_TRIALS, Work};

/// The number of expired secrets that are tried after a mismatch. Each costs one HMAC over the body, and can only
/// explain the rejection. The secrets that expired last are the most likely, so they are tried first.
const MAX_EXPIRED_TRIALS: usize = 2;

impl Verifier {
    /// Checks the headers: their presence and format, the timestamp, and a token except for its binding to the body.
    /// `now` is when the request arrived. All expiry checks use it, even if [`finish`](Attempt::finish) is called later.
    ///
    /// It returns every [`Reason`] except [`BodyTooLarge`](Reason::BodyTooLarge) and
    /// [`BodyNotBound`](Reason::BodyNotBound).
    pub fn begin(&self, headers: &HeaderMap, now: UnixTime) -> Result<Attempt, Rejection> {
        self.begin_after(None, headers, now)
    }

    /// Like [`begin`](Self::begin), for a request that `tried` rejected because a public key is missing
    /// ([`Rejection::wants_public_key`]). The keys of `tried` are not tried again, and neither are its secrets if this
    /// verifier was made from it ([`with_key_set`](Self::with_key_set)). Both verifications together stay within the
    /// cost limit of one.
    pub fn begin_again(&self, tried: &Self, headers: &HeaderMap, now: UnixTime) -> Result<Attempt, Rejection> {
        self.begin_after(Some(tried), headers, now)
    }

    fn begin_after(&self, tried: Option<&Self>, headers: &HeaderMap, now: UnixTime) -> Result<Attempt, Rejection> {
        let values = Values::of(headers, self.inner().header_names)?;
        let message_id = MessageId::from_header(values.id).ok_or(Reason::MalformedId)?;
        let timestamp = Timestamp::parse(values.timestamp.as_bytes()).ok_or(Reason::MalformedTimestamp)?;
        check_freshness(timestamp.seconds, now, self.inner().tolerance_secs)?;
        let evidence = if scheme::is_token(values.signature.as_bytes()) {
            Evidence::Token(Box::new(CheckedToken::check(self, tried, values.signature.as_bytes(), now)?))
        } else {
            let listed = self.check_list(values.signature.as_bytes())?;
            let plan = self.plan(tried, &listed, now)?;
            let header = (listed.hmacs > 1).then(|| values.signature.clone());
            Evidence::List { listed, header, plan }
        };
        Ok(Attempt { verifier: self.clone(), names: values.names, message_id, timestamp, evidence, arrived: now })
    }

    fn check_list(&self, header: &[u8]) -> Result<Listed, Rejection> {
        if list::is_too_long(header) {
            return Err(Reason::MalformedSignature.into());
        }
        let (mut listed, mut readable) = (Listed::default(), false);
        for entry in list::entries(header) {
            readable = true;
            match entry {
                Entry::Hmac(signature) => listed.add_hmac(signature),
                Entry::Ed25519(bytes) => listed.add_ed25519(&bytes),
                Entry::Unknown => {}
            }
        }
        let inner = self.inner();
        let has_hmac = listed.hmacs > 0 && !inner.secrets.is_empty();
        if !readable {
            Err(Reason::MalformedSignature.into())
        } else if has_hmac || (listed.has_ed25519 && inner.ed25519_keys().next().is_some()) {
            Ok(listed)
        } else {
            Err(Rejection::from(Reason::UnsupportedScheme).wanting_public_key(listed.has_ed25519))
        }
    }

    /// Plans which keys to try. Rejects if no key is left that could match.
    fn plan(&self, tried: Option<&Self>, listed: &Listed, now: UnixTime) -> Result<Plan, Rejection> {
        let inner = self.inner();
        let has_tried = |key: &PublicKey| tried.is_some_and(|tried| tried.inner().has_ed25519_key(key));
        let shares_secrets = tried.is_some_and(|tried| tried.inner().shares_secrets_with(inner));
        let work = |secrets: usize, keys: usize, trials: usize| Work {
            secrets: if listed.hmacs > 0 { secrets } else { 0 },
            trials: (listed.ed25519.len() * keys).min(trials),
        };
        let before = tried.map_or(Work::default(), |tried| {
            work(tried.inner().live_secrets(now), tried.inner().ed25519_keys().count(), MAX_TRIALS)
        });
        let secrets = if shares_secrets { 0 } else { inner.live_secrets(now) };
        let keys = inner.ed25519_keys().filter(|key| !has_tried(key)).count();
        let next = work(secrets, keys, MAX_TRIALS - before.trials);
        // A signature that only an expired secret can have made is rejected too, but with that explanation.
        let explains = tried.is_none() && !listed.has_ed25519 && listed.hmacs > 0 && secrets < inner.secrets.len();
        if next == Work::default() && !explains {
            return Err(Rejection::from(Reason::SignatureMismatch).wanting_public_key(listed.has_ed25519));
        }
        let total = Work { secrets: before.secrets + next.secrets, trials: before.trials + next.trials };
        Ok(Plan { next, total, tried: tried.cloned() })
    }
}

/// A request whose headers are valid and whose body is not verified yet.
#[must_use = "nothing is verified until `finish` has seen the body"]
#[derive(Clone, Debug)]
pub struct Attempt {
    verifier: Verifier,
    names: &'static HeaderSet,
    message_id: MessageId,
    timestamp: Timestamp,
    evidence: Evidence,
    arrived: UnixTime,
}

#[derive(Clone, Debug)]
enum Evidence {
    /// The header is kept if it has more `v1` signatures than the decoded one.
    List {
        listed: Listed,
        header: Option<HeaderValue>,
        plan: Plan,
    },
    Token(Box<CheckedToken>),
}

/// The signatures of a list. The first `v1` signature is decoded, because most requests have only one.
#[derive(Clone, Debug, Default)]
struct Listed {
    hmacs: usize,
    first_hmac: Option<Signature>,
    /// Whether there is a well-formed `v1a` signature.
    has_ed25519: bool,
    /// The `v1a` signatures that a key can have made, without repetitions.
    ed25519: Vec<Ed25519Signature>,
}

/// The work before a request is rejected.
#[derive(Clone, Debug)]
struct Plan {
    /// The work of this attempt.
    next: Work,
    /// The same, plus the work of the verifier that was tried before.
    total: Work,
    /// The verifier that was tried before.
    tried: Option<Verifier>,
}

impl Listed {
    fn add_hmac(&mut self, signature: Signature) {
        self.hmacs += 1;
        self.first_hmac = self.first_hmac.or(Some(signature));
    }

    /// Skips signatures that no key can have made, and repetitions.
    fn add_ed25519(&mut self, bytes: &[u8; crypto::ED25519_LEN]) {
        self.has_ed25519 = true;
        match Ed25519Signature::new(bytes) {
            Some(signature) if !self.ed25519.contains(&signature) => self.ed25519.push(signature),
            _ => {}
        }
    }
}

impl Attempt {
    /// The largest body that [`finish`](Self::finish) verifies, in bytes, or `None` if there is no limit.
    ///
    /// The limit bounds the cost of rejecting a forged request: four times one HMAC-SHA256 over the body, plus 1 ms. One
    /// signature and one key stay below it at every size, and so do four secrets. More combinations require a smaller
    /// body, for example 128 KiB for one `v1a` signature and three keys, and 6 KiB for sixteen pairs of a signature and
    /// a key. More than sixteen pairs are never tried. Counting SHA-512 four times, the hashed bytes are at most four
    /// times the body plus 1.25 MB.
    ///
    /// Stop reading the body at this limit, because the request is rejected.
    pub fn body_limit(&self) -> Option<usize> {
        match &self.evidence {
            Evidence::List { plan, .. } => plan.total.body_limit(),
            Evidence::Token(_) => None,
        }
    }

    /// Returns a rejection if the body is larger than the [limit](Self::body_limit).
    pub fn check_body_len(&self, len: usize) -> Option<Rejection> {
        match (&self.evidence, self.body_limit()) {
            (Evidence::List { plan, .. }, Some(limit)) if len > limit => Some(Rejection::too_large(limit, plan.total)),
            _ => None,
        }
    }

    /// Verifies the signatures over the body. Pass the received bytes unchanged.
    ///
    /// It returns [`BodyTooLarge`](Reason::BodyTooLarge) before reading the body,
    /// [`SignatureMismatch`](Reason::SignatureMismatch), or, for a token, [`BodyNotBound`](Reason::BodyNotBound).
    pub fn finish(self, body: Bytes) -> Result<Verified, Rejection> {
        if let Some(rejection) = self.check_body_len(body.len()) {
            return Err(rejection);
        }
        match self.evidence {
            Evidence::List { ref listed, ref header, ref plan } => {
                let signed = [self.message_id.as_bytes(), b".", self.timestamp.as_text(), b".", &body];
                let header = header.as_ref().map_or(&[][..], HeaderValue::as_bytes);
                let (scheme, key) = self
                    .matching_secret(&signed, listed, header, plan)
                    .or_else(|| self.matching_public_key(&signed, listed, plan))
                    .ok_or_else(|| {
                        Rejection::from(Reason::SignatureMismatch)
                            .wanting_public_key(listed.has_ed25519)
                            .fitting_expired_secret(self.fits_expired_secret(&signed, listed, header, plan))
                    })?;
                Ok(Verified::new(
                    self.verifier,
                    self.names,
                    scheme,
                    key,
                    UnixTime::from_secs(self.timestamp.seconds),
                    self.message_id,
                    body,
                ))
            }
            Evidence::Token(token) => token.finish(self.verifier, self.names, self.arrived, body),
        }
    }

    fn matching_secret(
        &self,
        signed: &[&[u8]],
        listed: &Listed,
        header: &[u8],
        plan: &Plan,
    ) -> Option<(Scheme, MatchedKey)> {
        if plan.next.secrets == 0 {
            return None;
        }
        let listed = HmacSignatures::of(listed, header)?;
        let secrets = self.verifier.inner().secrets.iter().enumerate();
        let mut live = secrets.filter(|(_, secret)| secret.is_live(self.arrived));
        let (index, _) = live.find(|(_, secret)| listed.were_made_with(secret, signed))?;
        Some((Scheme::V1, MatchedKey::Secret(index)))
    }

    /// Whether an expired secret made the signature. This only explains the rejection. Secrets are tried within the
    /// cost limit of a rejection, and not if newer public keys may lead to a second verification, which needs the
    /// remaining cost.
    fn fits_expired_secret(&self, signed: &[&[u8]], listed: &Listed, header: &[u8], plan: &Plan) -> bool {
        let secrets = self.verifier.inner().secrets.iter();
        let mut expired: Vec<_> = secrets.filter(|secret| !secret.is_live(self.arrived)).collect();
        if expired.is_empty() || listed.has_ed25519 || plan.tried.is_some() {
            return false;
        }
        let Some(listed) = HmacSignatures::of(listed, header) else { return false };
        expired.sort_by_key(|secret| Reverse(secret.expires_at()));
        let body = signed.last().map_or(0, |body| body.len());
        let affordable = expired.iter().take(MAX_EXPIRED_TRIALS).zip(1..).take_while(|(_, extra)| {
            let work = Work { secrets: plan.total.secrets + extra, ..plan.total };
            work.body_limit().is_none_or(|limit| body <= limit)
        });
        affordable.into_iter().any(|(secret, _)| listed.were_made_with(secret, signed))
    }

    fn matching_public_key(&self, signed: &[&[u8]], listed: &Listed, plan: &Plan) -> Option<(Scheme, MatchedKey)> {
        let mut trials = 0..plan.next.trials;
        let key = self.verifier.inner().find_ed25519_key(|key| {
            let is_new = !plan.tried.as_ref().is_some_and(|tried| tried.inner().has_ed25519_key(key));
            let mut signatures = listed.ed25519.iter();
            is_new && signatures.any(|signature| trials.next().is_some() && key.key().verifies(signed, signature))
        });
        key.map(|key| (Scheme::V1a, MatchedKey::Public(key.shared_label())))
    }
}

/// The `v1` signatures of a list, decoded once for all secrets.
#[expect(clippy::large_enum_variant, reason = "it stays where it is, and a box would be an allocation")]
enum HmacSignatures {
    One(Signature),
    Several { all: [Signature; list::MAX_ENTRIES], count: usize },
}

impl HmacSignatures {
    /// `header` is empty if there is only one.
    fn of(listed: &Listed, header: &[u8]) -> Option<Self> {
        let first = listed.first_hmac?;
        if header.is_empty() {
            return Some(Self::One(first));
        }
        let (mut all, mut count) = ([Signature::default(); list::MAX_ENTRIES], 0);
        for entry in list::entries(header) {
            if let Entry::Hmac(signature) = entry {
                all[count] = signature;
                count += 1;
            }
        }
        Some(Self::Several { all, count })
    }

    /// Whether this secret made one of the signatures. It computes one tag, however many signatures are listed.
    fn were_made_with(&self, secret: &Secret, signed: &[&[u8]]) -> bool {
        let tag = secret.key().tag(signed);
        match self {
            Self::One(signature) => tag.matches(signature),
            Self::Several { all, count } => all[..*count].iter().any(|signature| tag.matches(signature)),
        }
    }
}

/// The seconds of a timestamp, and its digits as signed.
#[derive(Clone, Copy, Debug)]
struct Timestamp {
    seconds: u64,
    digits: [u8; Self::MAX_DIGITS],
    len: usize,
}

impl Timestamp {
    /// The number of digits of `i64::MAX`.
    const MAX_DIGITS: usize = 19;

    /// Accepts digits only, without a sign or a leading zero, up to `i64::MAX`, so that each number has one spelling.
    fn parse(text: &[u8]) -> Option<Self> {
        let is_padded = text.len() > 1 && text[0] == b'0';
        if !(1..=Self::MAX_DIGITS).contains(&text.len()) || is_padded {
            return None;
        }
        let append = |seconds: u64, digit: &u8| digit.is_ascii_digit().then(|| seconds * 10 + u64::from(digit - b'0'));
        let seconds = text.iter().try_fold(0, append).filter(|seconds| i64::try_from(*seconds).is_ok())?;
        let mut digits = [0; Self::MAX_DIGITS];
        digits[..text.len()].copy_from_slice(text);
        Some(Self { seconds, digits, len: text.len() })
    }

    fn as_text(&self) -> &[u8] {
        &self.digits[..self.len]
    }
}

#[cfg(all(feature = "v1a", feature = "rs256", feature = "sign"))]
#[cfg(test)]
mod tests;
