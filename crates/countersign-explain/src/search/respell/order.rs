//! The order of an object's members.

use super::super::step::{Variant, Variants};
use super::style::{ASCII, Layout, PLAIN};
use super::tree::{RESERIALISED, parsed};
use super::write::write;
use crate::json::{self, Node, Value};

/// How many orders are tried at most: those of nine members.
const MAX_ORDERS: usize = 362_880;
/// How many orders are tried in each layout.
const MAX_ORDERS_IN_LAYOUT: usize = 6_000;
/// Objects with more members are left as they are, apart from one member that has moved.
const MAX_MEMBERS: usize = 9;
/// In an object with more members, none is moved.
const MAX_MOVED: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    AsIs,
    Sorted,
    /// The order of `jsonb`, and of other databases: by length.
    ByLength,
    CaseInsensitive,
    /// The order of Gemini's documentation.
    Documented,
}

const DOCUMENTED: &[&str] = &[
    "type",
    "version",
    "timestamp",
    "data",
    "id",
    "output_file_uri",
    "file_name",
    "error_code",
    "error_message",
    "video_uri",
    "file_id",
    "user_metadata",
];

impl Order {
    pub(super) const ALL: &[Self] =
        &[Self::AsIs, Self::Sorted, Self::ByLength, Self::Documented, Self::CaseInsensitive];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::AsIs => "",
            Self::Sorted => ", with its names sorted",
            Self::ByLength => ", with its names in the order of PostgreSQL's jsonb (by length)",
            Self::CaseInsensitive => ", with its names sorted, case-insensitive",
            Self::Documented => ", with its names in the documented order",
        }
    }

    /// The text in this order; `None` if nothing changes.
    pub(super) fn of(self, text: &str, node: &Node) -> Option<String> {
        let key = |name: &str| match self {
            Self::AsIs => (0, String::new()),
            Self::Sorted => (0, name.to_owned()),
            Self::ByLength => (name.len(), name.to_owned()),
            Self::CaseInsensitive => (0, name.to_lowercase()),
            Self::Documented => {
                (DOCUMENTED.iter().position(|known| *known == name).unwrap_or(DOCUMENTED.len()), String::new())
            }
        };
        let ordered = rearranged(text, node, &|names| {
            let mut indices: Vec<_> = (0..names.len()).collect();
            indices.sort_by_cached_key(|at| key(names[*at]));
            indices
        });
        (ordered != text).then_some(ordered)
    }
}

/// Every order of the members, if there are few: `jsonb` and sorted maps lose it.
pub(in super::super) fn shuffled(body: &[u8]) -> Variants<'_> {
    let Some((text, node)) = parsed(body) else { return Box::new(std::iter::empty()) };
    let moved = moves(text, &node);
    let once = "its members are put in another order".to_owned();
    Box::new(moved.chain(orders(text.to_owned(), node, once, MAX_ORDERS)))
}

/// The same, in the usual layouts.
pub(in super::super) fn shuffled_layouts(body: &[u8]) -> Variants<'_> {
    let Some((_, node)) = parsed(body) else { return Box::new(std::iter::empty()) };
    let layouts = Layout::COMMON[..2].iter().flat_map(move |layout| {
        let node = node.clone();
        let mut texts: Vec<_> = [PLAIN, ASCII].map(|escapes| write(&node, layout, escapes)).to_vec();
        texts.dedup();
        texts.into_iter().map(move |text| (text, layout.name))
    });
    Box::new(layouts.flat_map(|(text, how)| {
        let text = String::from_utf8(text).unwrap_or_default();
        let node = json::parse(&text);
        let once = format!("the body is written as JSON {how}, and its members are put in another order");
        node.into_iter().flat_map(move |node| orders(text.clone(), node, once.clone(), MAX_ORDERS_IN_LAYOUT))
    }))
}

/// The members of the outermost object backwards, and each of them in another place.
fn moves<'t>(text: &'t str, node: &Node) -> impl Iterator<Item = Variant> + use<'t> {
    let node = node.clone();
    let len = node.members().map_or(0, <[_]>::len);
    let names: Vec<_> = node.members().into_iter().flatten().map(|member| member.name.clone()).collect();
    let reversed = (len > 1).then(|| (0..len).rev().collect::<Vec<_>>());
    let moved = (0..len).flat_map(move |from| (0..len).filter(move |to| from != *to).map(move |to| (from, to)));
    let moved = moved.filter(move |_| len <= MAX_MOVED).map(move |(from, to)| {
        let mut order: Vec<_> = (0..len).filter(|at| *at != from).collect();
        order.insert(to, from);
        order
    });
    reversed.into_iter().chain(moved).map(move |order| {
        let is_outer = |found: &[&str]| names.iter().eq(found.iter().copied());
        let text = rearranged(text, &node, &|found| {
            if is_outer(found) { order.clone() } else { (0..found.len()).collect() }
        });
        RESERIALISED.variant("its members are put in another order", text)
    })
}

fn orders(text: String, node: Node, once: String, limit: usize) -> impl Iterator<Item = Variant> {
    let mut shapes = Vec::new();
    collect_shapes(&node, &mut shapes);
    let mut count = 1;
    shapes.retain(|names: &Vec<String>| {
        let is_affordable = names.len() <= MAX_MEMBERS && count * factorial(names.len()) <= limit;
        count *= if is_affordable { factorial(names.len()) } else { 1 };
        is_affordable
    });
    (1..count).map(move |number| {
        let mut rest = number;
        let orders: Vec<_> = shapes
            .iter()
            .map(|names| {
                let order = permutation(names.len(), rest % factorial(names.len()));
                rest /= factorial(names.len());
                order
            })
            .collect();
        let ordered = rearranged(&text, &node, &|names| {
            let shape = shapes.iter().position(|shape| shape.iter().eq(names.iter().copied()));
            shape.map_or_else(|| (0..names.len()).collect(), |at| orders[at].clone())
        });
        RESERIALISED.variant(once.clone(), ordered)
    })
}

/// In how many orders so many members can be, at most [`MAX_MEMBERS`].
fn factorial(len: usize) -> usize {
    (1..=len.min(MAX_MEMBERS)).product()
}

/// The different lists of names of objects that can be reordered.
fn collect_shapes(node: &Node, shapes: &mut Vec<Vec<String>>) {
    node.walk("", &mut |_, node| {
        let names = node.members().map(|members| members.iter().map(|member| member.name.clone()).collect::<Vec<_>>());
        if let Some(names) = names.filter(|names| names.len() > 1 && !shapes.contains(names) && shapes.len() < 16) {
            shapes.push(names);
        }
    });
}

/// The permutation of this number.
fn permutation(len: usize, mut number: usize) -> Vec<usize> {
    let mut left: Vec<_> = (0..len).collect();
    (1..=len)
        .rev()
        .map(|remaining| {
            let at = number % remaining;
            number /= remaining;
            left.remove(at)
        })
        .collect()
}

/// The text with the members of each object in another order. White space stays where it is.
fn rearranged(text: &str, node: &Node, order: &dyn Fn(&[&str]) -> Vec<usize>) -> String {
    let mut to = text[..node.span.start].to_owned();
    rearrange(text, node, order, &mut to);
    to.push_str(&text[node.span.end..]);
    to
}

fn rearrange(text: &str, node: &Node, order: &dyn Fn(&[&str]) -> Vec<usize>, to: &mut String) {
    let mut at = node.span.start;
    match &node.value {
        Value::Object(members) => {
            let names: Vec<_> = members.iter().map(|member| member.name.as_str()).collect();
            for (place, chosen) in members.iter().zip(order(&names)) {
                let chosen = &members[chosen];
                to.push_str(&text[at..place.start]);
                to.push_str(&text[chosen.start..chosen.value.span.start]);
                rearrange(text, &chosen.value, order, to);
                at = place.value.span.end;
            }
        }
        Value::Array(items) => {
            for item in items {
                to.push_str(&text[at..item.span.start]);
                rearrange(text, item, order, to);
                at = item.span.end;
            }
        }
        Value::Text(_) | Value::Number(_) | Value::Word(_) => {}
    }
    to.push_str(&text[at..node.span.end]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_is_tried_and_nothing_else_changes() {
        let all: Vec<_> = shuffled(br#" {"a":1, "b": {"c":2,"d":3}} "#).map(|variant| variant.body).collect();
        // The outermost members are also moved one by one.
        assert_eq!(all.len(), 6, "{all:?}");
        assert!(all.contains(&bytes::Bytes::from_static(br#" {"b": {"d":3,"c":2}, "a":1} "#)), "{all:?}");
    }
}
