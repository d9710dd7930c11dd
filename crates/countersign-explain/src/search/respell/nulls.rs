//! Members that were `null` and that a serializer has left out: Gson, Jackson with `NON_NULL`, `omitempty` in Go.

use super::super::step::Variants;
use super::tree::{parsed, splice};
use crate::finding::Explanation;
use crate::json::{Member, Node};

/// In how many objects members are put back.
const MAX_OBJECTS: usize = 6;
/// In an object with more members, nothing is put back.
const MAX_MEMBERS: usize = 24;

/// Members that are `null` in events of known senders, those that stand together next to each other.
const NAMES: [&str; 28] = [
    "error",
    "error_code",
    "error_message",
    "output_file_uri",
    "file_name",
    "video_uri",
    "file_id",
    "user_metadata",
    "output",
    "logs",
    "metrics",
    "started_at",
    "completed_at",
    "old_record",
    "record",
    "previous_attributes",
    "metadata",
    "data",
    "message",
    "description",
    "deleted_at",
    "updated_at",
    "name",
    "status",
    "request",
    "account",
    "version",
    "source",
];

const DROPPED: Explanation = Explanation {
    code: "body_reserialised",
    title: "the body was parsed as JSON and serialized again, and members that were `null` were left out",
    advice: "Verify the bytes as received. Gson, Jackson with `NON_NULL`, `omitempty` in Go and `exclude_none` in Pydantic leave out \
             what is `null`, so the signed bytes cannot be made from the parsed object.",
};

/// One known member that is `null` put back, or two that stand next to each other.
pub(in super::super) fn dropped(body: &[u8]) -> Variants<'_> {
    let Some((text, node)) = parsed(body) else { return Box::new(std::iter::empty()) };
    let mut places = Vec::new();
    node.walk("", &mut |_, node| {
        if places.len() < MAX_OBJECTS {
            places.extend(gaps(text, node));
        }
    });
    // The end of the outermost object first, where optional members usually stand.
    let gaps: Vec<_> = places.iter().flat_map(|gaps| gaps.iter().rev()).cloned().collect();
    let singles = {
        let gaps = gaps.clone();
        NAMES
            .iter()
            .enumerate()
            .flat_map(move |(first, _)| gaps.clone().into_iter().map(move |gap| (gap, first, first + 1)))
    };
    let pairs =
        (0..NAMES.len() - 1).flat_map(move |first| gaps.clone().into_iter().map(move |gap| (gap, first, first + 2)));
    Box::new(singles.chain(pairs).filter_map(move |(gap, first, end)| {
        let names = &NAMES[first..end];
        let is_new = names.iter().all(|name| !gap.names.iter().any(|known| known == name));
        let shown: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        let once = || format!("{}, which is `null`, is put back", shown.join(" and "));
        is_new.then(|| DROPPED.variant(once(), splice(text, &[(gap.at..gap.at, gap.text(names))])))
    }))
}

/// A place between two members, and how members are written there.
#[derive(Clone)]
struct Gap {
    at: usize,
    /// What stands before each member that is put there, or behind it at the beginning of the object.
    separator: String,
    colon: String,
    is_first: bool,
    /// The names that the object has.
    names: std::rc::Rc<[String]>,
}

impl Gap {
    fn text(&self, names: &[&str]) -> String {
        let member = |name: &&str| {
            let Self { separator, colon, .. } = self;
            if self.is_first {
                format!("\"{name}\"{colon}null{separator}")
            } else {
                format!("{separator}\"{name}\"{colon}null")
            }
        };
        names.iter().map(member).collect()
    }
}

/// The places of an object, written as its other members are.
fn gaps(text: &str, node: &Node) -> Option<Vec<Gap>> {
    let members = node.members().filter(|members| (1..=MAX_MEMBERS).contains(&members.len()))?;
    let names = members.iter().map(|member| member.name.clone()).collect();
    let first = &members[0];
    let name_end = text[first.start..first.value.span.start].rfind('"')? + 1;
    let colon = text[first.start + name_end..first.value.span.start].to_owned();
    let after = |member: &Member| member.value.span.end;
    let separator = match members {
        [one, two, ..] => text[after(one)..two.start].to_owned(),
        // As in an indented object with one member.
        _ => format!(",{}", &text[node.span.start + 1..first.start]),
    };
    let gap = |at, is_first, names| Gap { at, separator: separator.clone(), colon: colon.clone(), is_first, names };
    let names: std::rc::Rc<[String]> = names;
    let mut gaps = vec![gap(first.start, true, std::rc::Rc::clone(&names))];
    gaps.extend(members.iter().map(|member| gap(after(member), false, std::rc::Rc::clone(&names))));
    Some(gaps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_put_back_in_each_place() {
        let found = |body: &str, expected: &str| {
            let all: Vec<_> = dropped(body.as_bytes()).map(|variant| variant.body).collect();
            assert!(all.iter().any(|body| body == expected.as_bytes()), "{expected}");
        };
        found(r#"{"id":1,"data":{"a":2}}"#, r#"{"id":1,"error":null,"data":{"a":2}}"#);
        found(r#"{"id":1,"data":{"a":2}}"#, r#"{"id":1,"data":{"a":2,"error_code":null,"error_message":null}}"#);
        found(r#"{"id": 1, "b": 2}"#, r#"{"old_record": null, "id": 1, "b": 2}"#);
        found("{\n  \"id\": 1\n}", "{\n  \"id\": 1,\n  \"error\": null\n}");
    }
}
