//! Looks up header names in the lists of known names.

use std::collections::HashMap;
use std::sync::LazyLock;

use foldhash::fast::FixedState;
use http::HeaderName;

use super::folded::{Folded, Reading};
use super::names::{CONTENT, FORWARDED, FRAMING, HOP_BY_HOP, SIGNED, VOUCHING};
use crate::steering::{GROUPS, Group, HARMLESS};

/// The known names and parts of names, folded.
struct Known {
    /// Sorted. Each has the one spelling that is not removed, if there is one.
    names: Vec<(Vec<u8>, Option<HeaderName>)>,
    /// Sorted. None is the beginning of another.
    families: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
    suffixes: Vec<Vec<u8>>,
}

fn fold(name: &str) -> Vec<u8> {
    Folded::of(name).as_bytes().to_vec()
}

fn folded(part: fn(&Group) -> &'static [&'static str]) -> Vec<Vec<u8>> {
    let mut all: Vec<_> = GROUPS.iter().flat_map(part).map(|text| fold(text)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let harmless = HARMLESS.iter().map(|name| HeaderName::from_static(name));
    let exact = SIGNED.iter().chain(&CONTENT).chain(&FRAMING).chain(&HOP_BY_HOP).cloned().chain(harmless);
    let exact = exact.map(|name| (fold(name.as_str()), Some(name)));
    let vouching = VOUCHING.iter().map(|name| (fold(name.as_str()), None));
    let steering = folded(|group| group.names).into_iter().map(|name| (name, None));
    let mut names: Vec<_> = exact.chain(vouching).chain(steering).collect();
    names.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let mut families = folded(|group| group.families);
    families.dedup_by(|later, earlier| later.starts_with(earlier));
    Known { names, families, words: folded(|group| group.words), suffixes: folded(|group| group.suffixes) }
});

impl Known {
    fn has_family(&self, name: &[u8]) -> bool {
        // If a family is the beginning of the name, no other family sorts between them, because it would begin with it.
        let after = self.families.partition_point(|family| family.as_slice() <= name);
        after.checked_sub(1).is_some_and(|at| name.starts_with(&self.families[at]))
    }

    fn is_steering(&self, reading: Reading<'_>) -> bool {
        self.has_family(reading.bytes)
            || self.words.iter().any(|word| reading.begins_with_word(word))
            || self.suffixes.iter().any(|suffix| reading.bytes.ends_with(suffix))
    }
}

/// The headers of most requests that are in no list. Looking them up once saves the comparison with all lists.
const COMMON: [&str; 12] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "authorization",
    "cache-control",
    "date",
    "traceparent",
    "tracestate",
    "user-agent",
    "via",
    "x-request-id",
];

/// What a client's header is for a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It concerns one connection, or the framing of one request.
    OneConnection,
    /// It is signed.
    Signed,
    /// A backend could read it as one of the gateway's or a signed one, or be steered by it.
    Untrusted,
    /// Any other header.
    Other,
}

/// The kinds of the names in use, which are nearly all headers of nearly all requests. Clients do not add names, so the
/// hash need not be random.
static KINDS: LazyLock<HashMap<HeaderName, Kind, FixedState>> = LazyLock::new(|| {
    let one_connection = HOP_BY_HOP.iter().chain(&FRAMING).map(|name| (name.clone(), Kind::OneConnection));
    let signed = SIGNED.iter().map(|name| (name.clone(), Kind::Signed));
    let other = CONTENT.iter().cloned().chain(HARMLESS.iter().chain(&COMMON).map(|name| HeaderName::from_static(name)));
    let other = other.map(|name| (name.clone(), kind_of_any(&name)));
    one_connection.chain(signed).chain(other).collect()
});

/// What this header of a client is for a backend.
pub(super) fn kind(name: &HeaderName) -> Kind {
    KINDS.get(name).copied().unwrap_or_else(|| kind_of_any(name))
}

fn kind_of_any(name: &HeaderName) -> Kind {
    if reads_as_untrusted(name) { Kind::Untrusted } else { Kind::Other }
}

/// Whether a backend could read this header as one of the gateway's or a signed one, or be steered by it.
pub(super) fn is_untrusted(name: &HeaderName) -> bool {
    kind(name) == Kind::Untrusted
}

fn reads_as_untrusted(name: &HeaderName) -> bool {
    // No header in use contains a `%`, and a backend that decodes names may read it as anything. Only the private
    // headers of WebSphere contain a `$`.
    if name.as_str().contains(['%', '$']) {
        return true;
    }
    let folded = Folded::of(name.as_str());
    is_vouching(&folded)
        || folded.readings().any(|reading| {
            match KNOWN.names.binary_search_by(|(known, _)| known.as_slice().cmp(reading.bytes)) {
                Ok(at) => KNOWN.names[at].1.as_ref() != Some(name),
                Err(_) => KNOWN.is_steering(reading),
            }
        })
}

/// Whether it is `countersign`, alone or followed by a separator. `countersigned` is another word.
pub(super) fn is_vouching(folded: &Folded) -> bool {
    folded.readings().any(|reading| reading.begins_with_word(b"countersign"))
}

/// The listed name, or part of one, of which this name is another spelling. `None` if the spelling is the same.
pub(super) fn misspelled(name: &HeaderName) -> Option<String> {
    let text = name.as_str();
    let folded = Folded::of(text);
    let reads_like = |known: &str| folded.readings().any(|reading| reading.bytes == fold(known));
    let exact = SIGNED.iter().chain(&CONTENT).chain(&FRAMING).chain(&HOP_BY_HOP).chain(&FORWARDED);
    let exact = exact.map(HeaderName::as_str).chain(HARMLESS);
    let mut listed = exact.chain(GROUPS.iter().flat_map(|group| group.names.iter().copied()));
    if let Some(known) = listed.clone().find(|known| reads_like(known)) {
        return (!listed.any(|known| known == text)).then(|| known.to_owned());
    }
    let starts = GROUPS.iter().flat_map(|group| group.families.iter().chain(group.words));
    let ends = GROUPS.iter().flat_map(|group| group.suffixes);
    // `http-x-real-ip` is `x-real-ip` with the `HTTP_` prefix of CGI, not a separate name.
    let is_plain = |part: &str| {
        has_plain_words(text, part) && (part.starts_with("http") || !folded.as_bytes().starts_with(b"http"))
    };
    let spelled = starts.clone().any(|start| text.starts_with(start) && is_plain(start))
        || ends.clone().any(|end| text.ends_with(end) && is_plain(end));
    if spelled {
        return None;
    }
    let reads = |is: &dyn Fn(&[u8]) -> bool| folded.readings().any(|reading| is(reading.bytes));
    let start = starts.copied().find(|start| reads(&|bytes| bytes.starts_with(&fold(start))));
    let end = || ends.copied().find(|end| reads(&|bytes| bytes.ends_with(&fold(end))));
    let known = start.map(|start| format!("{start}*")).or_else(|| end().map(|end| format!("*{end}")));
    Some(known.unwrap_or_else(|| "$ws*".to_owned()))
}

/// Whether the words of the name are separated by single separators, of the same kind as in the listed part.
fn has_plain_words(name: &str, listed: &str) -> bool {
    let is_separator = |c| c == '-' || (matches!(c, '_' | '.') && listed.contains(c));
    name.split(is_separator).all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}
