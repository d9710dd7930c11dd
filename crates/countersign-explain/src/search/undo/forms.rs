//! Bodies in forms and URLs.

use super::wrapped::WRAPPED;
use crate::search::step::{Variants, one, text};

/// How many fields of a form are tried.
const MAX_FIELDS: usize = 32;

/// Percent-encoded, with `+` for spaces or without; also as the key of a form, with `=` at its end.
pub(in super::super) fn percent_decoded(body: &[u8]) -> Variants<'_> {
    let Some(text) = text(body).map(str::trim).filter(|text| text.contains(['%', '+']) || text.ends_with('=')) else {
        return one(None);
    };
    let key = text.strip_suffix('=').unwrap_or(text);
    let decoded = [
        (decode(text, true), "the body is percent-decoded"),
        (decode(key, true), "the key of the form is read as the body"),
        (decode(text, false), "the body is percent-decoded, and its `+` are kept"),
    ];
    Box::new(decoded.into_iter().filter_map(|(bytes, once)| Some(WRAPPED.variant(once, bytes?))))
}

/// The value of each field of a form.
pub(in super::super) fn fields(body: &[u8]) -> Variants<'_> {
    let Some(text) = text(body).map(str::trim).filter(|text| text.contains('=') && !text.starts_with(['{', '[']))
    else {
        return one(None);
    };
    let fields = text.split('&').take(MAX_FIELDS).filter_map(|field| field.split_once('='));
    Box::new(fields.flat_map(|(name, value)| {
        let once = format!("the field `{}` of the form is read as the body", crate::shown::shown(name));
        let decoded = [decode(value, true), decode(value, false), Some(value.as_bytes().to_vec())];
        decoded.into_iter().flatten().map(move |bytes| WRAPPED.variant(once.clone(), bytes))
    }))
}

fn decode(text: &str, plus_is_space: bool) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        bytes.push(match first {
            b'+' if plus_is_space => b' ',
            b'%' => {
                let (digits, tail) = rest.split_at_checked(2)?;
                rest = tail;
                *hex::decode(digits).ok()?.first()?
            }
            other => *other,
        });
    }
    Some(bytes)
}
