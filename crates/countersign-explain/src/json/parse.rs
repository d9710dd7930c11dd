//! Parses JSON, and the literals in which Python, Ruby, JavaScript and PHP print a parsed object.

use super::strings::{Notation, read_string};
use super::{Member, Node, Value};

/// The most levels of arrays and objects. It bounds the recursion.
const MAX_DEPTH: usize = 127;

/// Parses one JSON text (RFC 8259).
pub(crate) fn parse(text: &str) -> Option<Node> {
    Parser { text: text.as_bytes(), at: 0, depth: 0, notation: Notation::Json }.whole()
}

/// Parses an object or a list as a programming language prints it: `{'a': None}`, `{"a"=>nil}`, `{ a: null }`,
/// `array ('a' => NULL)`. Every JSON text is such a literal, too.
pub(crate) fn parse_literal(text: &str) -> Option<Node> {
    Parser { text: text.as_bytes(), at: 0, depth: 0, notation: Notation::Literal }.whole()
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
    notation: Notation,
}

impl Parser<'_> {
    fn whole(mut self) -> Option<Node> {
        let node = self.value()?;
        self.peek().is_none().then_some(node)
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text[self.at..];
        let blank = rest.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t'))?;
        self.at += blank;
        Some(rest[blank])
    }

    /// Goes past this text, if it comes next.
    fn eat(&mut self, expected: &[u8]) -> bool {
        let is_next = self.peek().is_some() && self.text[self.at..].starts_with(expected);
        self.at += if is_next { expected.len() } else { 0 };
        is_next
    }

    fn is_literal(&self) -> bool {
        self.notation == Notation::Literal
    }

    fn value(&mut self) -> Option<Node> {
        let first = self.peek()?;
        let start = self.at;
        let value = match first {
            b'{' => self.list(b'}')?,
            b'[' => self.list(b']')?,
            b'(' if self.is_literal() => self.list(b')')?,
            b'"' => Value::Text(self.string()?),
            b'\'' | b'`' if self.is_literal() => Value::Text(self.string()?),
            b'-' | b'0'..=b'9' => Value::Number(self.number()?),
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
            let start = self.at;
            if close == b'}' {
                let name = self.name()?;
                self.separator()?;
                members.push(Member { start, name, value: self.value()? });
            } else {
                let item = self.value()?;
                if self.is_literal() && self.eat(b"=>") {
                    members.push(Member { start, name: name_of(&item)?, value: self.value()? });
                } else {
                    items.push(item);
                }
            }
            if !self.eat(b",") {
                break;
            }
            if !self.is_literal() && self.peek()? == close {
                return None;
            }
        }
        (self.peek()? == close).then_some(())?;
        (self.at, self.depth) = (self.at + 1, self.depth - 1);
        match (close, members.is_empty(), items.is_empty()) {
            (b'}', ..) | (_, false, true) => Some(Value::Object(members)),
            (_, true, _) => Some(Value::Array(items)),
            _ => None,
        }
    }

    fn name(&mut self) -> Option<String> {
        match self.peek()? {
            b'"' => self.string(),
            _ if !self.is_literal() => None,
            b'\'' | b'`' => self.string(),
            _ => {
                self.eat(b":");
                self.identifier()
            }
        }
    }

    fn separator(&mut self) -> Option<()> {
        (self.eat(b":") || self.is_literal() && self.eat(b"=>")).then_some(())
    }

    fn identifier(&mut self) -> Option<String> {
        let rest = &self.text[self.at..];
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'-');
        let len = rest.iter().take_while(|byte| is_part(byte)).count();
        self.at += len;
        (len > 0).then(|| String::from_utf8_lossy(&rest[..len]).into_owned())
    }

    fn string(&mut self) -> Option<String> {
        let (text, len) = read_string(&self.text[self.at..], self.notation)?;
        self.at += len;
        Some(text)
    }

    fn number(&mut self) -> Option<String> {
        let rest = &self.text[self.at..];
        let digits = |from: usize| rest[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut len = usize::from(rest.first() == Some(&b'-'));
        let whole = digits(len);
        if whole == 0 || (whole > 1 && rest[len] == b'0') {
            return None;
        }
        len += whole;
        if rest.get(len) == Some(&b'.') {
            let fraction = digits(len + 1);
            if fraction == 0 {
                return None;
            }
            len += 1 + fraction;
        }
        if matches!(rest.get(len), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(rest.get(len + 1), Some(b'+' | b'-')));
            let exponent = digits(len + 1 + sign);
            if exponent == 0 {
                return None;
            }
            len += 1 + sign + exponent;
        }
        self.at += len;
        String::from_utf8(rest[..len].to_vec()).ok()
    }

    fn word(&mut self) -> Option<Value> {
        if !self.is_literal() {
            let word = ["null", "true", "false"].into_iter().find(|word| self.eat(word.as_bytes()))?;
            return Some(Value::Word(word));
        }
        let start = self.at;
        let word = self.identifier()?;
        match word.as_str() {
            "None" | "nil" | "null" | "NULL" | "undefined" => Some(Value::Word("null")),
            "True" | "true" | "TRUE" => Some(Value::Word("true")),
            "False" | "false" | "FALSE" => Some(Value::Word("false")),
            "array" | "dict" if self.peek()? == b'(' => self.list(b')'),
            // Python's b'…' and u'…'.
            "b" | "u" if matches!(self.text.get(self.at), Some(b'\'' | b'"')) => self.string().map(Value::Text),
            _ => {
                self.at = start;
                None
            }
        }
    }
}

/// The name that a list's key is in an object.
fn name_of(key: &Node) -> Option<String> {
    match &key.value {
        Value::Text(text) | Value::Number(text) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_prints_the_same_object() {
        let json = r#"{"a":[1.50,"it's \u00e9\n"],"b":{"c":null,"d":true}}"#;
        let plain =
            |text: &str| format!("{:?}", without_spans(&parse_literal(text).unwrap_or_else(|| panic!("{text}"))));
        for printed in [
            json,
            r#"{'a': [1.50, "it's é\n"], 'b': {'c': None, 'd': True}}"#,
            r#"{"a"=>[1.50, "it's é\n"], "b"=>{"c"=>nil, "d"=>true}}"#,
            "{ a: [ 1.50, \"it's é\\n\" ], b: { c: null, d: true } }",
            "array (\n  'a' => \n  array (\n 1.50,\n \"it's é\\n\",\n ),\n 'b' => ['c' => NULL, 'd' => true],\n)",
        ] {
            assert_eq!(plain(printed), plain(json), "{printed}");
        }
    }

    #[test]
    fn json_is_strict() {
        for text in ["{'a':1}", "[1,]", "01", "1.", "{\"a\":1}x", "\"\\ud83d\"", "\"\n\"", "{\"a\"}", ""] {
            assert_eq!(parse(text), None, "{text}");
        }
        let node = parse(" {\"a\" : [-1.50E+3, \"\\ud83d\\ude00\"]} ").expect("JSON");
        assert_eq!(node.span, 1..35);
        let items = node.get("a").and_then(Node::items).expect("a list");
        assert_eq!((&items[0].value, items[1].text()), (&Value::Number("-1.50E+3".into()), Some("😀")));
    }

    fn without_spans(node: &Node) -> Node {
        let value = match &node.value {
            Value::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|member| Member { start: 0, name: member.name.clone(), value: without_spans(&member.value) })
                    .collect(),
            ),
            Value::Array(items) => Value::Array(items.iter().map(without_spans).collect()),
            other => other.clone(),
        };
        Node { span: 0..0, value }
    }
}
