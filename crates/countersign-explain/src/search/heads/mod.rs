//! The ids and timestamps that may have been signed.

mod head;
mod names;
mod values;

pub(super) use head::Head;

use crate::case::Case;

/// How many combinations of other ids and other timestamps are tried.
const MAX_COMBINED: usize = 64;

/// The head to start from: the captured one, or that of other names if there is none.
pub(super) fn first(case: &Case) -> Head {
    let captured = Head::captured(case);
    let is_missing = captured.id.is_empty() && captured.timestamp.is_empty();
    let renamed = is_missing.then(|| names::renamed(case).into_iter().next()).flatten();
    renamed.unwrap_or(captured)
}

/// Other heads, most likely first: other names, decorated and duplicated values, other ids, timestamps and units.
pub(super) fn others(case: &Case) -> Vec<Head> {
    let captured = Head::captured(case);
    let renamed = names::renamed(case);
    let base = renamed.first().unwrap_or(&captured).clone();
    let mut heads = renamed;
    heads.extend(values::decorated(&base));
    heads.extend(values::duplicated(case));
    heads.extend(values::swapped(&base));
    heads.extend(values::other_ids(case, &base));
    heads.extend(values::other_timestamps(case, &base));
    heads.extend(values::other_units(&base));
    distinct(heads, &captured)
}

/// Heads with two changes, and every timestamp around the captured one.
pub(super) fn rare(case: &Case) -> impl Iterator<Item = Head> {
    let captured = Head::captured(case);
    let base = names::renamed(case).into_iter().next().unwrap_or_else(|| captured.clone());
    let ids = values::other_ids(case, &base);
    let combined = ids.into_iter().flat_map(|head| {
        let timestamps = values::other_timestamps(case, &head);
        timestamps.into_iter().chain(values::other_units(&head)).collect::<Vec<_>>()
    });
    let units = values::decorated(&base).into_iter().flat_map(|head| values::other_units(&head));
    let combined: Vec<_> = combined.chain(units).take(MAX_COMBINED).collect();
    let milliseconds = values::milliseconds(base.clone());
    distinct(combined, &captured).into_iter().chain(values::nearby_timestamps(case, base)).chain(milliseconds)
}

/// Without repetitions, and without the captured head.
fn distinct(heads: Vec<Head>, captured: &Head) -> Vec<Head> {
    let mut kept: Vec<Head> = Vec::new();
    for head in heads {
        let is_same = |other: &Head| other.id == head.id && other.timestamp == head.timestamp;
        // A renamed signature leaves id and timestamp as they are.
        if !kept.iter().any(is_same) && (!is_same(captured) || names::is_renaming(&head)) {
            kept.push(head);
        }
    }
    kept
}
