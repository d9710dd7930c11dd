//! Writes JSON in one style.

use super::style::{Empty, Escapes, Layout, Unicode};
use crate::json::{Node, Value};

/// Writes `node` in this layout, with these escapes.
pub(super) fn write(node: &Node, layout: &Layout, escapes: Escapes) -> Vec<u8> {
    let mut writer = Writer { to: Vec::with_capacity(node.span.len() + node.span.len() / 8), layout, escapes };
    writer.value(node, 0);
    writer.to
}

/// Writes one string, with its quotes.
pub(super) fn write_text(text: &str, escapes: Escapes) -> Vec<u8> {
    let mut writer = Writer { to: Vec::with_capacity(text.len() + 2), layout: &Layout::COMPACT, escapes };
    writer.text(text);
    writer.to
}

struct Writer<'l> {
    to: Vec<u8>,
    layout: &'l Layout,
    escapes: Escapes,
}

impl Writer<'_> {
    fn put(&mut self, text: &str) {
        self.to.extend_from_slice(text.as_bytes());
    }

    fn value(&mut self, node: &Node, depth: usize) {
        match &node.value {
            Value::Object(members) => self.list(["{", "}"], members, depth, false, |writer, member| {
                writer.text(&member.name);
                writer.put(writer.layout.colon);
                writer.value(&member.value, depth + 1);
            }),
            Value::Array(items) => {
                let inner = depth + usize::from(!self.layout.arrays_on_one_line);
                let on_one_line = self.layout.arrays_on_one_line;
                self.list(["[", "]"], items, depth, on_one_line, |writer, item| writer.value(item, inner));
            }
            Value::Text(text) => self.text(text),
            Value::Number(number) => self.put(number),
            Value::Word(word) => self.put(word),
        }
    }

    fn list<T>(
        &mut self,
        [open, close]: [&str; 2],
        elements: &[T],
        depth: usize,
        on_one_line: bool,
        write: impl Fn(&mut Self, &T),
    ) {
        self.put(open);
        if elements.is_empty() {
            match self.layout.empty {
                Empty::Tight => {}
                Empty::Space => self.put(" "),
                Empty::Line => self.line(depth),
                Empty::LineOrTwo if open == "{" => self.line(depth),
                Empty::TwoLines | Empty::LineOrTwo => {
                    self.put("\n");
                    self.line(depth);
                }
            }
            return self.put(close);
        }
        let padding = if on_one_line { " " } else { self.layout.padding };
        for (number, element) in elements.iter().enumerate() {
            if number > 0 {
                self.put(if on_one_line { ", " } else { self.layout.comma });
            }
            if self.layout.indent.is_some() && !on_one_line {
                self.line(depth + 1);
            } else if number == 0 {
                self.put(padding);
            }
            write(self, element);
        }
        if self.layout.indent.is_some() && !on_one_line {
            self.line(depth);
        } else {
            self.put(padding);
        }
        self.put(close);
    }

    fn line(&mut self, depth: usize) {
        self.put(self.layout.line_end);
        (0..depth).for_each(|_| self.put(self.layout.indent.unwrap_or_default()));
    }

    fn text(&mut self, text: &str) {
        self.to.push(b'"');
        let mut start = 0;
        for (at, character) in text.char_indices() {
            if character.is_ascii_alphanumeric() || !self.escapes.concerns(character) {
                continue;
            }
            self.put(&text[start..at]);
            start = at + character.len_utf8();
            self.character(character, text[..at].ends_with('<'));
        }
        self.put(&text[start..]);
        self.to.push(b'"');
    }

    fn character(&mut self, character: char, follows_less_than: bool) {
        let short = match character {
            '\n' => 'n',
            '\r' => 'r',
            '\t' => 't',
            '\u{8}' => 'b',
            '\u{c}' => 'f',
            '"' | '\\' | '/' => character,
            _ => ' ',
        };
        if self.escapes.as_unicode(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let digits = match self.escapes.digits {
                    Unicode::Upper => b"0123456789ABCDEF",
                    Unicode::UpperForAscii if character.is_ascii() => b"0123456789ABCDEF",
                    Unicode::Lower | Unicode::UpperForAscii => b"0123456789abcdef",
                };
                let digit = |shift: u16| digits[usize::from(*unit >> shift & 15)];
                self.to.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
            }
        } else if short != ' ' && (character != '/' || self.escapes.as_slash(follows_less_than)) {
            self.to.push(b'\\');
            self.to.extend_from_slice(character_bytes(short, &mut [0; 4]));
        } else {
            self.to.extend_from_slice(character_bytes(character, &mut [0; 4]));
        }
    }
}

fn character_bytes(character: char, buffer: &mut [u8; 4]) -> &[u8] {
    character.encode_utf8(buffer).as_bytes()
}
