//! The values of the three headers, under the names that the source uses.

use http::{HeaderMap, HeaderValue};

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
        let (mut found, mut repeated) = ([None; 3], [false; 3]);
        // One pass over a few headers costs less than three lookups.
        for (name, value) in headers {
            if let Some(at) = names.names().into_iter().position(|known| known == name) {
                repeated[at] |= found[at].replace(value).is_some();
            }
        }
        let [Some(id), Some(timestamp), Some(signature)] = found else {
            return Err(missing(headers, names));
        };
        match repeated.into_iter().position(|is_repeated| is_repeated) {
            Some(at) => Err(Rejection::header(Reason::DuplicateHeader, names.names()[at])),
            None => Ok(Self { names, id, timestamp, signature }),
        }
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
fn missing(headers: &HeaderMap, names: &HeaderSet) -> Rejection {
    let other = if *names == WEBHOOK_HEADERS { &SVIX_HEADERS } else { &WEBHOOK_HEADERS };
    let name = names.names().into_iter().find(|name| !headers.contains_key(*name)).unwrap_or(&names.id);
    match other.first_in(headers) {
        Some(found) if names.first_in(headers).is_none() => Rejection::other_name(name, found),
        _ => Rejection::header(Reason::MissingHeader, name),
    }
}
