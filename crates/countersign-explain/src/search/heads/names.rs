//! The three headers under other names.

use countersign::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use http::HeaderName;

use super::head::Head;
use crate::case::Case;
use crate::finding::Explanation;

/// How many sets of names are tried.
const MAX_SETS: usize = 16;

const RENAMED: Explanation = Explanation {
    code: "headers_renamed",
    title: "the three headers have other names",
    advice: "Verify them as `webhook-id`, `webhook-timestamp` and `webhook-signature`: a library's or product's own prefix \
             (`svix-`, `acme-`), or a server's variables (`HTTP_WEBHOOK_ID`), must be mapped to them.",
};

/// Whether the head is from headers with other names.
pub(super) fn is_renaming(head: &Head) -> bool {
    head.steps.iter().any(|step| step.explanation.code == RENAMED.code)
}

/// Heads from headers that share a prefix and end in `-id`, `-timestamp` and `-signature`, in any spelling.
pub(super) fn renamed(case: &Case) -> Vec<Head> {
    let names: Vec<_> = case.capture.headers.keys().map(|name| (name, words(name))).collect();
    let is_own = |name: &HeaderName| [WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE].contains(name);
    let of_kind = |endings: &'static [&'static str]| {
        let names = names.iter();
        names.filter_map(move |(name, words)| Some((*name, endings.iter().find_map(|end| words.strip_suffix(end))?)))
    };
    let mut sets = Vec::new();
    for (signature, prefix) in of_kind(&["signature", "signature256", "sig", "hmacsha256"]) {
        let same = |endings: &'static [&'static str], own: HeaderName| {
            let mut found: Vec<_> = of_kind(endings).collect();
            // The same prefix first, then the header's own name, then the longest common prefix.
            found.sort_by_key(|(name, other)| {
                let common = other.bytes().zip(prefix.bytes()).take_while(|(one, two)| one == two).count();
                (*other != prefix, **name != own, usize::MAX - common)
            });
            found.into_iter().map(|(name, _)| name).next()
        };
        let id = same(&["id", "deliveryid", "messageid", "eventid", "requestid"], WEBHOOK_ID);
        let timestamp = same(&["timestamp", "requesttimestamp", "time", "ts", "sentat"], WEBHOOK_TIMESTAMP);
        let used: Vec<_> = [id, timestamp, Some(signature)].into_iter().flatten().collect();
        if used.iter().all(|name| is_own(name)) || sets.len() >= MAX_SETS {
            continue;
        }
        let value = |name: Option<&HeaderName>| name.map(|name| case.header(name)).unwrap_or_default();
        let shown: Vec<_> = used.iter().filter(|name| !is_own(name)).map(|name| format!("`{name}`")).collect();
        let plural = if shown.len() > 1 { "are" } else { "is" };
        let step = RENAMED.step(format!("{} {plural} used for them", shown.join(", ")));
        sets.push(Head { id: value(id), timestamp: value(timestamp), steps: vec![step] });
    }
    sets
}

/// The name without what separates its words, and without `HTTP_` and `X-`.
fn words(name: &HeaderName) -> String {
    let name = name.as_str().replace(['-', '_', '.'], " ");
    let name = name.strip_prefix("http ").unwrap_or(&name);
    let name = name.strip_prefix("x ").unwrap_or(name);
    name.replace(' ', "")
}
