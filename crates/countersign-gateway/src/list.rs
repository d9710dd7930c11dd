//! The elements of headers that are lists.

use http::{HeaderMap, HeaderName};

/// The elements of a header that is a list, over all its lines and whatever their bytes are. Empty ones do not count.
pub(crate) fn elements<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl DoubleEndedIterator<Item = &'a [u8]> + use<'a> {
    let lists = headers.get_all(name).into_iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    lists.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// Whether a header that is a list of names has this one, whatever its case is.
pub(crate) fn lists(headers: &HeaderMap, list: &HeaderName, name: &str) -> bool {
    elements(headers, list).any(|element| element.eq_ignore_ascii_case(name.as_bytes()))
}
