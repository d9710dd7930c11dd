//! A strict JSON parser (RFC 8259), and a comparison of JSON texts.
//!
//! It accepts the same texts as `serde_json` does for a `Value`: UTF-8, at most [`MAX_DEPTH`] levels, no lone
//! surrogates, nothing after the value. There are two reasons for a parser of our own. The features of a shared JSON
//! crate, which other crates can turn on, must not change the meaning of a body. And values are compared without being
//! converted, because conversion can make different values equal, for example `1e400` or integers that an f64 cannot
//! represent.

#[cfg_attr(not(feature = "gemini"), path = "convert_off.rs")]
mod convert;
#[cfg(feature = "rs256")]
mod equality;
mod plain;

use std::borrow::Cow;

use convert::is_representable;
use plain::first_special;

/// The maximum nesting of arrays and objects, as in `serde_json`. It limits the recursion.
pub(crate) const MAX_DEPTH: usize = 127;

/// A value. Numbers keep their spelling.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    /// `null`, `true` or `false`.
    Literal(&'static str),
    #[cfg_attr(
        not(any(feature = "gemini", feature = "rs256")),
        expect(dead_code, reason = "keys and event types contain no numbers")
    )]
    Number(&'a str),
    String(Cow<'a, str>),
    Array(Vec<Self>),
    Object(Object<'a>),
}

/// The members of an object in their order in the text, including duplicates.
#[derive(Debug)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

/// Parses one JSON text.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// The maximum length of a string between its quotes, in bytes. A longer one ends the parsing.
    longest_string: usize,
}

/// The start of a value. The members of an object and the items of an array follow.
enum Token<'a> {
    Literal(&'static str),
    Number(&'a str),
    String(Text<'a>),
    Array,
    Object,
}

/// A valid string that is not decoded yet.
#[derive(Clone, Copy)]
struct Text<'a> {
    raw: &'a str,
    has_escapes: bool,
}

/// The next part of an object: the name of a member, whose value follows, or the end.
enum Next<'a> {
    Member(Text<'a>),
    End,
}

/// A value does not have the expected type.
#[derive(Debug)]
pub(crate) struct WrongType;

/// Parses an object without building it. `member` parses the value of each name. Returns `None` if the text is not an
/// object, or if `member` returns `None`.
pub(crate) fn read_object<'a>(
    text: &'a [u8],
    mut member: impl FnMut(&str, &mut Reader<'a>) -> Option<()>,
) -> Option<()> {
    let mut reader = Reader::new(text)?;
    let Token::Object = reader.token()? else { return None };
    let mut first = true;
    while let Next::Member(name) = reader.name(&mut first)? {
        member(&name.decode(), &mut reader)?;
    }
    reader.end()
}

fn are_unique<T>(all: &mut [T], name: impl Fn(&T) -> &str) -> bool {
    all.sort_unstable_by(|one, other| name(one).cmp(name(other)));
    all.windows(2).all(|pair| name(&pair[0]) != name(&pair[1]))
}

impl<'a> Value<'a> {
    /// Parses one value. Returns `None` if the text is not JSON.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(text)?;
        let value = reader.value()?;
        reader.end().map(|()| value)
    }
}

impl<'a> Object<'a> {
    /// Parses an object. Returns `None` if the text is anything else.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        match Value::parse(text)? {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The member with this name, if there is exactly one.
    pub(crate) fn get(&self, name: &str) -> Option<&Value<'a>> {
        let mut found = self.0.iter().filter(|(other, _)| other == name);
        let (_, value) = found.next()?;
        found.next().is_none().then_some(value)
    }

    /// The text of the member with this name. A member that is `null` counts as absent.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, WrongType> {
        match self.get(name) {
            None | Some(Value::Literal("null")) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(WrongType),
        }
    }

    /// Whether no name is repeated in this object. Nested objects are not checked.
    pub(crate) fn has_unique_names(&self) -> bool {
        are_unique(&mut self.0.iter().map(|(name, _)| name).collect::<Vec<_>>(), |name| name)
    }
}

impl<'a> Reader<'a> {
    /// Returns `None` if the text is not UTF-8. To check it as a whole costs less than to check each string.
    fn new(text: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        Some(Self { text, at: 0, depth: 0, longest_string: usize::MAX })
    }

    /// The bytes that are not parsed yet.
    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// Parses a value.
    pub(crate) fn value(&mut self) -> Option<Value<'a>> {
        Some(match self.token()? {
            Token::Literal(name) => Value::Literal(name),
            Token::Number(text) => Value::Number(text),
            Token::String(text) => Value::String(text.decode()),
            Token::Array => {
                let (mut items, mut first) = (Vec::new(), true);
                while self.item(&mut first)? {
                    items.push(self.value()?);
                }
                Value::Array(items)
            }
            Token::Object => {
                let (mut members, mut first) = (Vec::new(), true);
                while let Next::Member(name) = self.name(&mut first)? {
                    members.push((name.decode(), self.value()?));
                }
                Value::Object(Object(members))
            }
        })
    }

    /// Skips a value. Returns `None` at a number that `serde_json` cannot represent.
    pub(crate) fn skip_representable(&mut self) -> Option<()> {
        // Only numbers that are long or have an exponent can overflow.
        self.pass(&|text| (text.len() < 300 && !text.contains(['e', 'E'])) || is_representable(text))
    }

    /// Skips a value. Returns `None` at a number for which `is_good` is false.
    fn pass(&mut self, is_good: &impl Fn(&str) -> bool) -> Option<()> {
        let mut first = true;
        match self.token()? {
            Token::Number(text) => return is_good(text).then_some(()),
            Token::Literal(_) | Token::String(_) => {}
            Token::Array => {
                while self.item(&mut first)? {
                    self.pass(is_good)?;
                }
            }
            Token::Object => {
                while let Next::Member(_) = self.name(&mut first)? {
                    self.pass(is_good)?;
                }
            }
        }
        Some(())
    }

    /// Returns `None` unless only white space is left.
    fn end(mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    /// Skips white space. Returns the next byte, if there is one.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.rest();
        let blank = rest.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t'))?;
        self.at += blank;
        Some(rest[blank])
    }

    fn token(&mut self) -> Option<Token<'a>> {
        match self.peek()? {
            b'{' => self.open().map(|()| Token::Object),
            b'[' => self.open().map(|()| Token::Array),
            b'"' => self.string().map(Token::String),
            b'-' | b'0'..=b'9' => self.number().map(Token::Number),
            _ => {
                let rest = self.rest();
                let name = ["null", "true", "false"].into_iter().find(|name| rest.starts_with(name.as_bytes()))?;
                self.at += name.len();
                Some(Token::Literal(name))
            }
        }
    }

    fn open(&mut self) -> Option<()> {
        (self.at, self.depth) = (self.at + 1, self.depth + 1);
        (self.depth <= MAX_DEPTH).then_some(())
    }

    /// Whether another item of the array follows.
    fn item(&mut self, first: &mut bool) -> Option<bool> {
        self.follows(b']', first)
    }

    /// Parses the name of the object's next member, up to its value.
    fn name(&mut self, first: &mut bool) -> Option<Next<'a>> {
        if !self.follows(b'}', first)? {
            return Some(Next::End);
        }
        let b'"' = self.peek()? else { return None };
        let name = self.string()?;
        let b':' = self.peek()? else { return None };
        self.at += 1;
        Some(Next::Member(name))
    }

    fn follows(&mut self, close: u8, first: &mut bool) -> Option<bool> {
        let is_first = std::mem::take(first);
        match self.peek()? {
            byte if byte == close => {
                (self.at, self.depth) = (self.at + 1, self.depth - 1);
                Some(false)
            }
            b',' if !is_first => {
                self.at += 1;
                Some(true)
            }
            _ => is_first.then_some(true),
        }
    }

    fn number(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.eat(b"-");
        if !self.eat(b"0") {
            self.digits()?;
        }
        if self.eat(b".") {
            self.digits()?;
        }
        if self.eat(b"eE") {
            self.eat(b"+-");
            self.digits()?;
        }
        self.text.get(start..self.at)
    }

    /// Skips the next byte if it is one of these. Returns whether it was.
    fn eat(&mut self, any: &[u8]) -> bool {
        let is_there = self.rest().first().is_some_and(|byte| any.contains(byte));
        self.at += usize::from(is_there);
        is_there
    }

    fn digits(&mut self) -> Option<()> {
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        (count > 0).then_some(())
    }

    /// Parses a string. The next byte is its opening quote.
    fn string(&mut self) -> Option<Text<'a>> {
        let start = self.at + 1;
        let end = self.text.len().min(start.saturating_add(self.longest_string).saturating_add(1));
        let mut has_escapes = false;
        self.at = start;
        loop {
            let rest = self.text.as_bytes().get(self.at..end)?;
            let plain = first_special(rest)?;
            self.at += plain;
            match rest[plain] {
                b'"' => break,
                b'\\' => {
                    has_escapes = true;
                    self.at += unescape(self.rest())?.1;
                }
                _ => return None,
            }
        }
        let raw = self.text.get(start..self.at)?;
        self.at += 1;
        Some(Text { raw, has_escapes })
    }
}

impl<'a> Text<'a> {
    fn decode(self) -> Cow<'a, str> {
        if !self.has_escapes {
            return Cow::Borrowed(self.raw);
        }
        let mut decoded = String::with_capacity(self.raw.len());
        let mut rest = self.raw;
        while let Some(plain) = rest.find('\\') {
            decoded.push_str(&rest[..plain]);
            // The string was parsed before, so every escape is valid.
            let (character, len) = unescape(&rest.as_bytes()[plain..]).unwrap_or((char::REPLACEMENT_CHARACTER, 1));
            decoded.push(character);
            rest = &rest[plain + len..];
        }
        decoded.push_str(rest);
        Cow::Owned(decoded)
    }
}

/// Decodes the escape at the start of `text`. Returns the character and the length of the escape in bytes.
fn unescape(text: &[u8]) -> Option<(char, usize)> {
    let character = match text.get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let unit = hex(text.get(2..6)?)?;
            if !(0xd800..0xdc00).contains(&unit) {
                // A lone low surrogate is not a character.
                return char::from_u32(unit).map(|character| (character, 6));
            }
            let low = text.get(6..8).filter(|next| *next == b"\\u").and_then(|_| hex(text.get(8..12)?))?;
            let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
            return char::from_u32(0x10000 + ((unit - 0xd800) << 10) + low).map(|character| (character, 12));
        }
        _ => return None,
    };
    Some((character, 2))
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| Some(number * 16 + char::from(*digit).to_digit(16)?))
}

#[cfg(all(feature = "gemini", feature = "rs256"))]
#[cfg(test)]
mod tests;
