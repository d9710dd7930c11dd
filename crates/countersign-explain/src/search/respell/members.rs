//! Members that frameworks rename or add.

use std::ops::Range;

use heck::{ToKebabCase as _, ToLowerCamelCase as _, ToSnakeCase as _, ToUpperCamelCase as _};
use serde_json::Value as Json;

use super::super::step::Variants;
use super::tree::{parsed, splice};
use crate::finding::Explanation;
use crate::json::Node;

/// How many members of an object are left out together at most.
const MAX_TOGETHER: usize = 3;
/// Of how many members selections are tried. One alone is tried of any number.
const MAX_SELECTED: usize = 14;
/// How many members are left out one by one.
const MAX_SINGLE: usize = 256;

const RENAMED: Explanation = Explanation {
    code: "body_reserialised",
    title: "the body was parsed as JSON and serialized again, and its names were written in another style",
    advice: "Verify the bytes as received. Parsers and middleware that translate between `snake_case` and `camelCase` change \
             every name, so verify before they run.",
};
const ADDED: Explanation = Explanation {
    code: "body_member_added",
    title: "members were added to the body",
    advice: "Verify the bytes as received, before something adds members to the parsed body: Rails adds `controller`, `action` and \
             a copy under the controller's name, and middleware adds times and ids.",
};

/// A style of names.
type Style = fn(&str) -> String;

const STYLES: [(&str, Style); 4] = [
    ("in snake_case", |name| name.to_snake_case()),
    ("in camelCase", |name| name.to_lower_camel_case()),
    ("in PascalCase", |name| name.to_upper_camel_case()),
    ("in kebab-case", |name| name.to_kebab_case()),
];

/// All names in another style.
pub(in super::super) fn renamed(body: &[u8]) -> Variants<'_> {
    let Some((text, node)) = parsed(body) else { return Box::new(std::iter::empty()) };
    let names = names(text, &node);
    Box::new(STYLES.into_iter().filter_map(move |(how, style)| {
        let edits = names.iter().filter_map(|(range, name)| {
            let other = style(name);
            (other != *name).then(|| (range.clone(), Json::from(other).to_string()))
        });
        let edits: Vec<_> = edits.collect();
        (!edits.is_empty()).then(|| RENAMED.variant(format!("its names are written {how}"), splice(text, &edits)))
    }))
}

/// Each name with its place, in the order of the text.
fn names(text: &str, node: &Node) -> Vec<(Range<usize>, String)> {
    let mut names = Vec::new();
    node.walk("", &mut |_, node| {
        for member in node.members().unwrap_or_default() {
            // Up to the last quote before the value: between them are the colon and white space.
            let end = text[member.start..member.value.span.start].rfind('"').map_or(member.start, |at| at + 1);
            names.push((member.start..member.start + end, member.name.clone()));
        }
    });
    names.sort_by_key(|(range, _)| range.start);
    names
}

/// Up to three members of the outermost object left out, or one of any other.
pub(in super::super) fn added(body: &[u8]) -> Variants<'_> {
    let Some((text, node)) = parsed(body) else { return Box::new(std::iter::empty()) };
    let mut plans: Vec<(String, Vec<Range<usize>>)> = Vec::new();
    let outer = node.members().map_or(0, <[_]>::len);
    node.walk("", &mut |_, node| {
        for at in 0..node.members().map_or(0, <[_]>::len) {
            if plans.len() < MAX_SINGLE {
                plans.extend(without(node, &[at]));
            }
        }
    });
    if outer <= MAX_SELECTED {
        let several = (1..1_u32 << outer).filter(|chosen| (2..=MAX_TOGETHER).contains(&(chosen.count_ones() as usize)));
        let several = several.map(|chosen| (0..outer).filter(|at| chosen >> at & 1 == 1).collect::<Vec<_>>());
        plans.extend(several.filter_map(|chosen| without(&node, &chosen)));
    }
    Box::new(plans.into_iter().map(move |(once, ranges)| {
        let edits: Vec<_> = ranges.into_iter().map(|range| (range, String::new())).collect();
        ADDED.variant(once, splice(text, &edits))
    }))
}

/// The ranges of these members, each with one comma; `None` if no other would be left.
fn without(node: &Node, chosen: &[usize]) -> Option<(String, Vec<Range<usize>>)> {
    let members = node.members()?;
    let last_kept = (0..members.len()).rev().find(|at| !chosen.contains(at))?;
    let ranges = chosen.iter().map(|at| match *at {
        // Up to the next member, or from the end of the one before it.
        at if at < last_kept => members[at].start..members[at + 1].start,
        at => members[at - 1].value.span.end..members[at].value.span.end,
    });
    let names: Vec<_> = chosen.iter().map(|at| format!("`{}`", crate::shown::shown(&members[*at].name))).collect();
    Some((format!("{} is left out", names.join(" and ")), ranges.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(variants: Variants<'_>) -> Vec<String> {
        variants.map(|variant| String::from_utf8(variant.body.to_vec()).expect("text")).collect()
    }

    #[test]
    fn names_are_written_in_other_styles() {
        let found = all(renamed(br#"{"eventType" : "aB","data":{"createdAt":1,"id":"x"}}"#));
        assert!(found.contains(&r#"{"event_type" : "aB","data":{"created_at":1,"id":"x"}}"#.to_owned()), "{found:?}");
        assert!(found.contains(&r#"{"EventType" : "aB","Data":{"CreatedAt":1,"Id":"x"}}"#.to_owned()), "{found:?}");
    }

    #[test]
    fn added_members_are_left_out_with_their_commas() {
        let found = all(added(br#"{"a":1, "b":{"c":2,"d":3},"e":4,"f":5}"#));
        for expected in [
            r#"{"b":{"c":2,"d":3},"e":4,"f":5}"#,
            r#"{"a":1, "b":{"c":2,"d":3},"e":4}"#,
            r#"{"a":1, "b":{"c":2},"e":4,"f":5}"#,
            r#"{"a":1, "b":{"c":2,"d":3}}"#,
            r#"{"b":{"c":2,"d":3}}"#,
        ] {
            assert!(found.iter().any(|body| body == expected), "{expected} is not in {found:?}");
        }
        assert!(all(added(br#"{"a":1}"#)).is_empty());
    }
}
