//! JSON as text: what each part means, and where it is written.
//!
//! Numbers keep their text, members their order and duplicates, so that a body can be written again in another style.

mod literal;
mod parse;
mod strings;

use std::ops::Range;

pub(crate) use literal::parse_literal;
pub(crate) use parse::parse;

/// A value, and the range of bytes where it is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) value: Value,
}

/// What is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Object(Vec<Member>),
    Array(Vec<Node>),
    Text(String),
    /// A number as it is written.
    Number(String),
    /// `null`, `true` or `false`.
    Word(&'static str),
}

/// A member of an object, from the beginning of its name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) start: usize,
    pub(crate) name: String,
    pub(crate) value: Node,
}

impl Node {
    /// The members, if this is an object.
    pub(crate) fn members(&self) -> Option<&[Member]> {
        match &self.value {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The items, if this is an array.
    pub(crate) fn items(&self) -> Option<&[Self]> {
        match &self.value {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The text, if this is a string.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The first member of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.members()?.iter().find(|member| member.name == name).map(|member| &member.value)
    }

    /// Calls `visit` with this node and every node inside it, in the order of the text, each with the name of the
    /// member that it belongs to.
    pub(crate) fn walk<'n>(&'n self, name: &'n str, visit: &mut impl FnMut(&'n str, &'n Self)) {
        visit(name, self);
        match &self.value {
            Value::Object(members) => members.iter().for_each(|member| member.value.walk(&member.name, visit)),
            Value::Array(items) => items.iter().for_each(|item| item.walk(name, visit)),
            Value::Text(_) | Value::Number(_) | Value::Word(_) => {}
        }
    }
}
