//! Values as PHP's `var_dump` prints them.

use crate::json::{Member, Node, Value};

/// The most levels of arrays.
const MAX_DEPTH: usize = 32;

/// Whether this is the output of `var_dump`.
pub(super) fn is_dump(text: &str) -> bool {
    let text = text.trim_start();
    (text.starts_with("array(") || text.starts_with("object(")) && text.contains("]=>")
}

/// Reads the value.
pub(super) fn parse(text: &str) -> Option<Node> {
    let mut parser = Parser { text, at: 0 };
    parser.value(0)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    fn rest(&mut self) -> &'t str {
        let rest = self.text[self.at..].trim_start();
        self.at = self.text.len() - rest.len();
        rest
    }

    /// What stands before this mark. The parser goes past the mark.
    fn until(&mut self, mark: &str) -> Option<&'t str> {
        let (found, _) = self.rest().split_once(mark)?;
        self.at += found.len() + mark.len();
        Some(found)
    }

    fn value(&mut self, depth: usize) -> Option<Node> {
        (depth < MAX_DEPTH).then_some(())?;
        let rest = self.rest();
        let start = self.at;
        let value = if rest.starts_with("NULL") {
            self.at += 4;
            Value::Word("null")
        } else if rest.starts_with("string(") {
            self.until("(")?;
            let len: usize = self.until(")")?.parse().ok()?;
            self.until("\"")?;
            let text = self.text.get(self.at..self.at + len)?;
            self.at += len + 1;
            Value::Text(text.to_owned())
        } else if rest.starts_with("array(") || rest.starts_with("object(") {
            self.until("{")?;
            self.members(depth)?
        } else {
            // `int(1)`, `float(1.5)`, `bool(true)`, `enum(…)`.
            self.until("(")?;
            match self.until(")")? {
                "true" => Value::Word("true"),
                "false" => Value::Word("false"),
                other => Value::Number(other.to_owned()),
            }
        };
        Some(Node { span: start..self.at, value })
    }

    fn members(&mut self, depth: usize) -> Option<Value> {
        let mut members = Vec::new();
        while !self.rest().starts_with('}') {
            let start = self.at;
            self.rest().strip_prefix('[')?;
            self.at += 1;
            let name = self.until("]=>")?;
            // `"name":protected`.
            let name = name.strip_prefix('"').and_then(|name| name.split('"').next()).unwrap_or(name);
            members.push(Member { start, name: name.to_owned(), value: self.value(depth + 1)? });
        }
        self.at += 1;
        let is_list =
            !members.is_empty() && members.iter().enumerate().all(|(at, member)| member.name == at.to_string());
        Some(if is_list {
            Value::Array(members.into_iter().map(|member| member.value).collect())
        } else {
            Value::Object(members)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_arrays_are_read() {
        let text = "array(2) {\n  [\"webhook-id\"]=>\n  string(4) \"a\"}b\"\n  [\"x\"]=>\n  array(2) {\n    [0]=>\n    string(1) \"c\"\n    [1]=>\n    int(7)\n  }\n}\n";
        let node = parse(text).expect("a value");
        assert_eq!(node.get("webhook-id").and_then(Node::text), Some("a\"}b"));
        assert_eq!(node.get("x").and_then(Node::items).map(<[_]>::len), Some(2));
    }
}
