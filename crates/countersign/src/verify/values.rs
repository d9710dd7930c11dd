//! The values of the three headers, under the names that the source uses.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::header::{HeaderNames, HeaderSet, SVIX_HEADERS, WEBHOOK_HEADERS};
use crate::rejection::{Reason, Rejection};

/// The three headers. Each must be present exactly once.
pub(super) struct Values<'h> {
    pub(super) names: &'static HeaderSet,
    pub(super) id: &'h HeaderValue,
    pub(super) timestamp: &'h HeaderValue,
    pub(super) signature: &'h HeaderValue,
}

impl<'h> Values<'h> {
    pub(super) fn of(headers: &'h HeaderMap, names: HeaderNames) -> Result<Self, Rejection> {
        let names = choose(headers, names)?;
        let found = |name| Found::of(headers, name).ok_or_else(|| missing(headers, names, name));
        let (id, timestamp, signature) = (found(&names.id)?, found(&names.timestamp)?, found(&names.signature)?);
        Ok(Self {
            names,
            id: id.once(&names.id)?,
            timestamp: timestamp.once(&names.timestamp)?,
            signature: signature.once(&names.signature)?,
        })
    }
}

/// The set of names that counts for this request.
fn choose(headers: &HeaderMap, names: HeaderNames) -> Result<&'static HeaderSet, Rejection> {
    match names {
        HeaderNames::Webhook => Ok(&WEBHOOK_HEADERS),
        HeaderNames::Svix => Ok(&SVIX_HEADERS),
        HeaderNames::Either => match (WEBHOOK_HEADERS.first_in(headers), SVIX_HEADERS.first_in(headers)) {
            (Some(_), Some(second)) => Err(Rejection::header(Reason::DuplicateHeader, second)),
            (None, Some(_)) => Ok(&SVIX_HEADERS),
            (_, None) => Ok(&WEBHOOK_HEADERS),
        },
    }
}

/// A header is missing. If the sender uses the names of the other set, the rejection says so.
fn missing(headers: &HeaderMap, names: &HeaderSet, name: &HeaderName) -> Rejection {
    let other = if *names == WEBHOOK_HEADERS { &SVIX_HEADERS } else { &WEBHOOK_HEADERS };
    match other.first_in(headers) {
        Some(found) if names.first_in(headers).is_none() => Rejection::other_name(name, found),
        _ => Rejection::header(Reason::MissingHeader, name),
    }
}

/// A header that is present, found in one lookup.
struct Found<'h> {
    value: &'h HeaderValue,
    repeated: bool,
}

impl<'h> Found<'h> {
    fn of(headers: &'h HeaderMap, name: &HeaderName) -> Option<Self> {
        let mut values = headers.get_all(name).iter();
        Some(Self { value: values.next()?, repeated: values.next().is_some() })
    }

    fn once(self, name: &HeaderName) -> Result<&'h HeaderValue, Rejection> {
        if self.repeated { Err(Rejection::header(Reason::DuplicateHeader, name)) } else { Ok(self.value) }
    }
}
