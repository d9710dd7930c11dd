//! Parses the literals in which programming languages print objects: `{'a': None}`, `{"a"=>nil}`, `Map(1) { 'a' => 1 }`,
//! `array ('a' => NULL)`, `http.Header{"A":[]string{"b"}}`, `%{"a" => nil}`. Every JSON text is such a literal, too.

#[cfg(test)]
mod tests;

use super::parse::parse;
use super::strings::{Notation, read_string};
use super::{Member, Node, Value};

/// The most levels of arrays and objects. It bounds the recursion.
const MAX_DEPTH: usize = 127;
/// How Node prints what it does not show.
const HIDDEN: [&[u8]; 11] = [
    b"[Function",
    b"[AsyncFunction",
    b"[GeneratorFunction",
    b"[Object",
    b"[Array",
    b"[Circular",
    b"[Getter",
    b"[Setter",
    b"[Symbol(",
    b"[class ",
    b"[Symbol.",
];

/// Parses an object or a list as a programming language prints it.
pub(crate) fn parse_literal(text: &str) -> Option<Node> {
    let mut parser = Parser { text: text.as_bytes(), at: 0, depth: 0 };
    let node = parser.value()?;
    while parser.eat(b";") || parser.eat(b",") {}
    parser.peek().is_none().then_some(node)
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &[u8] {
        &self.text[self.at..]
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let blank = self.rest().iter().position(|byte| !byte.is_ascii_whitespace())?;
        self.at += blank;
        self.rest().first().copied()
    }

    /// Goes past this text, if it comes next.
    fn eat(&mut self, expected: &[u8]) -> bool {
        let is_next = self.peek().is_some() && self.rest().starts_with(expected);
        self.at += if is_next { expected.len() } else { 0 };
        is_next
    }

    fn value(&mut self) -> Option<Node> {
        let first = self.peek()?;
        let start = self.at;
        let value = match first {
            b'{' => self.list(b'}')?,
            b'(' => self.list(b')')?,
            b'[' => self.bracket()?,
            b'"' | b'\'' | b'`' => Value::Text(self.strings()?),
            b'<' => self.angle()?,
            // Ruby's `#<StringIO:0x…>`.
            b'#' => {
                self.at += 1;
                self.skip(b'<', b'>')?;
                Value::Word("null")
            }
            // `%{` of Elixir, `&{` of Go, `@{` of PowerShell.
            b'%' | b'&' | b'@' => {
                self.at += 1;
                self.value()?.value
            }
            // A symbol of Ruby.
            b':' => {
                self.at += 1;
                Value::Text(self.identifier()?)
            }
            b'-' | b'0'..=b'9' => self.number()?,
            _ => self.word()?,
        };
        Some(Node { span: start..self.at, value })
    }

    /// What an opening bracket begins, up to `close`.
    fn list(&mut self, close: u8) -> Option<Value> {
        (self.at, self.depth) = (self.at + 1, self.depth + 1);
        if self.depth > MAX_DEPTH {
            return None;
        }
        let (mut members, mut items) = (Vec::new(), Vec::new());
        while self.peek()? != close {
            // `... 5 more items`, and Python's `...`.
            if self.eat(b"...") {
                let end = self.rest().iter().position(|byte| matches!(byte, b',' | b'}' | b']' | b')'))?;
                self.at += end;
            } else {
                self.entry(close, &mut members, &mut items)?;
            }
            let (before, mut is_divided) = (self.at, false);
            while self.eat(b",") || self.eat(b";") {
                is_divided = true;
            }
            // Without a comma, only a line end divides entries.
            is_divided |= self.peek()? == close || self.text[before..self.at].contains(&b'\n');
            is_divided.then_some(())?;
        }
        (self.at, self.depth) = (self.at + 1, self.depth - 1);
        // A list of PHP has numbers for keys.
        let is_counted = |(at, member): (usize, &Member)| member.name == at.to_string();
        if close != b'}' && !members.is_empty() && members.iter().enumerate().all(is_counted) {
            items.extend(members.drain(..).map(|member| member.value));
        }
        match (members.is_empty(), items.is_empty()) {
            (_, true) if close == b'}' || !members.is_empty() => Some(Value::Object(members)),
            (true, _) => Some(Value::Array(items)),
            _ => None,
        }
    }

    fn entry(&mut self, close: u8, members: &mut Vec<Member>, items: &mut Vec<Node>) -> Option<()> {
        self.peek()?;
        let start = self.at;
        let key = if close == b'}' { self.name()? } else { self.value()? };
        let is_separated = self.eat(b"=>")
            || self.eat(b"->")
            || self.peek()? == b':' && key_of(&key).is_some() && self.eat(b":")
            || close != b']' && self.eat(b"=");
        if is_separated {
            members.push(Member { start, name: key_of(&key)?, value: self.value()? });
        } else {
            items.push(key);
        }
        Some(())
    }

    /// The name of a member, or an item of a tuple in braces.
    fn name(&mut self) -> Option<Node> {
        let first = self.peek()?;
        let start = self.at;
        let value = match first {
            b'"' | b'\'' | b'`' => Value::Text(self.strings()?),
            // `[Symbol(kHeaders)]`.
            b'[' if self.is_hidden() => {
                self.skip(b'[', b']')?;
                Value::Text(String::from_utf8_lossy(&self.text[start..self.at]).into_owned())
            }
            b'[' | b'{' | b'(' | b'<' | b'%' => return self.value(),
            // Python's b'…'.
            b'b' | b'u' | b'r' | b'B' if matches!(self.rest().get(1), Some(b'\'' | b'"')) => return self.value(),
            b':' => {
                self.at += 1;
                Value::Text(self.identifier()?)
            }
            _ => {
                self.eat(b"#");
                Value::Text(self.identifier()?)
            }
        };
        Some(Node { span: start..self.at, value })
    }

    fn identifier(&mut self) -> Option<String> {
        let is_part =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'-' | b'.' | b'/' | b'*');
        let len = self.rest().iter().take_while(|byte| is_part(byte)).count();
        // `a->b`: the arrow of Scala and Perl.
        let len = if self.rest()[..len].ends_with(b"-") && self.rest().get(len) == Some(&b'>') { len - 1 } else { len };
        let name = String::from_utf8_lossy(&self.rest()[..len]).into_owned();
        self.at += len;
        (len > 0).then_some(name)
    }

    fn string(&mut self) -> Option<String> {
        let (text, len) = read_string(self.rest(), Notation::Literal)?;
        self.at += len;
        Some(text)
    }

    /// A string, or several that are joined: `'a' + 'b'` in Node, `'a' 'b'` on two lines in Python.
    fn strings(&mut self) -> Option<String> {
        let mut text = self.string()?;
        loop {
            let end = self.at;
            let is_joined = self.eat(b"+") || {
                let is_quote = matches!(self.peek(), Some(b'"' | b'\''));
                is_quote && self.text[end..self.at].contains(&b'\n')
            };
            match self.peek() {
                Some(b'"' | b'\'' | b'`') if is_joined => text.push_str(&self.string()?),
                _ => {
                    self.at = end;
                    return Some(text);
                }
            }
        }
    }

    fn is_hidden(&self) -> bool {
        HIDDEN.iter().any(|hidden| self.rest().starts_with(hidden))
    }

    /// Goes past a bracket and what is in it.
    fn skip(&mut self, open: u8, close: u8) -> Option<()> {
        let mut depth = 0_usize;
        for (at, byte) in self.rest().iter().enumerate() {
            // The arrows of Ruby and C.
            let is_arrow = *byte == b'>' && at > 0 && matches!(self.rest()[at - 1], b'=' | b'-');
            if is_arrow {
                continue;
            }
            if *byte == open {
                depth += 1;
            } else if *byte == close {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    self.at += at + 1;
                    return Some(());
                }
            }
        }
        None
    }

    fn bracket(&mut self) -> Option<Value> {
        if self.is_hidden() {
            self.skip(b'[', b']')?;
            // `[Object: null prototype] { … }`.
            return if self.peek() == Some(b'{') { self.list(b'}') } else { Some(Value::Word("null")) };
        }
        // Go's `[]string{…}`.
        if self.rest().starts_with(b"[]") && self.rest().get(2).is_some_and(u8::is_ascii_alphabetic) {
            self.at += 2;
            self.identifier()?;
            return (self.peek()? == b'{').then(|| self.list(b'}'))?.map(without_names);
        }
        self.list(b']')
    }

    /// `<Buffer 7b 22>`, `<<"text">>`, `<ref *1> …`, `<Headers({…})>`, or anything else in angle brackets.
    fn angle(&mut self) -> Option<Value> {
        let start = self.at;
        if self.rest().starts_with(b"<<") {
            self.at += 2;
            let item = self.value()?;
            return self.eat(b">>").then_some(item.value);
        }
        self.skip(b'<', b'>')?;
        let inner = String::from_utf8_lossy(&self.text[start + 1..self.at - 1]).into_owned();
        if let Some(digits) = inner.strip_prefix("Buffer") {
            let bytes = hex::decode(digits.replace(' ', "")).ok();
            let byte = |byte: u8| Node { span: start..self.at, value: Value::Number(byte.to_string()) };
            // One that was cut is shown as it is.
            let text = || Value::Text(format!("<{inner}>"));
            return Some(bytes.map_or_else(text, |bytes| Value::Array(bytes.into_iter().map(byte).collect())));
        }
        if inner.starts_with("ref *") {
            return self.value().map(|node| node.value);
        }
        let end = self.at;
        self.at = start + 1;
        let named = self.identifier().and_then(|_| {
            self.eat(b":");
            self.value()
        });
        if named.is_some() && self.eat(b">") {
            return named.map(|node| node.value);
        }
        self.at = end;
        Some(Value::Word("null"))
    }

    fn number(&mut self) -> Option<Value> {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.' | b'_' | b':');
        let len = self.rest().iter().take_while(|byte| is_part(byte)).count();
        let word = String::from_utf8_lossy(&self.rest()[..len]).into_owned();
        // `1: a` has its colon outside.
        let word = word.trim_end_matches(':').to_owned();
        self.at += word.len();
        let is_number = parse(&word).is_some();
        (len > 0).then_some(if is_number { Value::Number(word) } else { Value::Text(word) })
    }

    fn word(&mut self) -> Option<Value> {
        let start = self.at;
        let word = self.identifier()?;
        let next = self.rest().first().copied();
        match word.as_str() {
            "None" | "nil" | "null" | "NULL" | "undefined" => return Some(Value::Word("null")),
            "True" | "true" | "TRUE" => return Some(Value::Word("true")),
            "False" | "false" | "FALSE" => return Some(Value::Word("false")),
            // Python's b'…' and u'…', Rust's b"…".
            "b" | "B" if matches!(next, Some(b'\'' | b'"')) => return self.strings().map(of_bytes).map(Value::Text),
            "u" | "r" if matches!(next, Some(b'\'' | b'"')) => return self.strings().map(Value::Text),
            // Laravel's `array:2 [`.
            "array" if next == Some(b':') => {
                let digits = self.rest()[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                self.at += 1 + digits;
            }
            "new" => return self.word_after_blank(),
            // Go's `map[string][]string{…}`.
            "map" if next == Some(b'[') => {
                let brace = self.rest().iter().position(|byte| *byte == b'{')?;
                (!self.rest()[..brace].contains(&b'"')).then_some(())?;
                self.at += brace;
                return self.list(b'}');
            }
            _ => {}
        }
        self.of_class().or_else(|| {
            self.at = start + word.len();
            // A bare word, such as a method, only inside of something.
            (self.depth > 0).then_some(Value::Text(word))
        })
    }

    fn word_after_blank(&mut self) -> Option<Value> {
        self.peek()?;
        self.word()
    }

    /// What stands behind the name of a class: `Map(3) {…}`, `Headers({…})`, `http.Header{…}`.
    fn of_class(&mut self) -> Option<Value> {
        // Node's sizes.
        let sized =
            self.rest().strip_prefix(b"(").map(|rest| rest.iter().take_while(|byte| byte.is_ascii_digit()).count());
        if let Some(digits) = sized.filter(|digits| *digits > 0 && self.rest().get(digits + 1) == Some(&b')')) {
            self.at += digits + 2;
        }
        match self.peek()? {
            b'{' => self.list(b'}'),
            b'[' if !self.is_hidden() => self.bracket(),
            b'(' => match self.list(b')')? {
                // A call with one object or list.
                Value::Array(mut items) if items.len() == 1 => items.pop().map(|item| item.value),
                other => Some(other),
            },
            _ => None,
        }
    }
}

/// The text of a bytes literal, whose escapes are bytes of UTF-8.
fn of_bytes(text: String) -> String {
    let bytes: Option<Vec<u8>> = text.chars().map(|character| u8::try_from(character).ok()).collect();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or(text)
}

/// A slice of Go, whose items stand in braces.
fn without_names(value: Value) -> Value {
    match value {
        Value::Object(members) if members.is_empty() => Value::Array(Vec::new()),
        other => other,
    }
}

/// The name that a list's key is in an object.
fn key_of(key: &Node) -> Option<String> {
    match &key.value {
        Value::Text(text) | Value::Number(text) => Some(text.clone()),
        _ => None,
    }
}
