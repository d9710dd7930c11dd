//! Parses JSON (RFC 8259), strictly.

use super::strings::{Notation, read_string};
use super::{Member, Node, Value};

/// The most levels of arrays and objects. It bounds the recursion.
const MAX_DEPTH: usize = 127;

/// Parses one JSON text (RFC 8259).
pub(crate) fn parse(text: &str) -> Option<Node> {
    Parser { text: text.as_bytes(), at: 0, depth: 0 }.whole()
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
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

    fn value(&mut self) -> Option<Node> {
        let first = self.peek()?;
        let start = self.at;
        let value = match first {
            b'{' => self.list(b'}')?,
            b'[' => self.list(b']')?,
            b'"' => Value::Text(self.string()?),
            b'-' | b'0'..=b'9' => Value::Number(self.number()?),
            _ => Value::Word(["null", "true", "false"].into_iter().find(|word| self.eat(word.as_bytes()))?),
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
            if close == b'}' {
                let start = self.at;
                let name = (self.text.get(start) == Some(&b'"')).then(|| self.string())??;
                self.eat(b":").then_some(())?;
                members.push(Member { start, name, value: self.value()? });
            } else {
                items.push(self.value()?);
            }
            if !self.eat(b",") {
                break;
            }
            (self.peek()? != close).then_some(())?;
        }
        (self.peek()? == close).then_some(())?;
        (self.at, self.depth) = (self.at + 1, self.depth - 1);
        Some(if close == b'}' { Value::Object(members) } else { Value::Array(items) })
    }

    fn string(&mut self) -> Option<String> {
        let (text, len) = read_string(&self.text[self.at..], Notation::Json)?;
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
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
