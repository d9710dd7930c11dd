//! Compares an object with a JSON text, without converting the values.

use super::{Next, Object, Reader, Token, Value, are_unique};

impl Value<'_> {
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Literal("null"))
    }

    /// Sorts the members of all objects. Returns `None` if an object repeats a name.
    pub(super) fn sorted(self) -> Option<Self> {
        Some(match self {
            Self::Array(items) => Self::Array(items.into_iter().map(Self::sorted).collect::<Option<_>>()?),
            Self::Object(object) => Self::Object(object.sorted()?),
            other => other,
        })
    }
}

impl<'a> Object<'a> {
    /// Sorts the members by name, on all levels. Returns `None` if an object repeats a name.
    pub(crate) fn sorted(self) -> Option<Self> {
        let sort = |(name, value): (_, Value<'a>)| Some((name, value.sorted()?));
        let mut members = self.0.into_iter().map(sort).collect::<Option<Vec<_>>>()?;
        are_unique(&mut members, |(name, _)| name).then_some(Self(members))
    }

    /// Removes the members with these names.
    pub(crate) fn without(mut self, names: &[&str]) -> Self {
        self.0.retain(|(name, _)| !names.contains(&name.as_ref()));
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `text` is the same object as this one: the same names with the same values, in any order. This object must
    /// be [`sorted`](Self::sorted), and none of its strings may be longer than `longest` bytes.
    ///
    /// Parsing stops at the first difference, and at a string that is longer than any spelling of `longest` bytes. A long
    /// text therefore costs little more than checking that it is UTF-8.
    pub(crate) fn equals(&self, text: &[u8], longest: usize) -> bool {
        let Some(mut reader) = Reader::new(text) else { return false };
        // The longest spelling of a byte is an escape such as `\u0061`.
        reader.longest_string = longest.saturating_mul(6);
        let is_equal = matches!(reader.token(), Some(Token::Object)) && reader.agrees_with(self).is_some();
        is_equal && reader.end().is_some()
    }
}

impl Reader<'_> {
    /// Skips a value.
    pub(crate) fn skip(&mut self) -> Option<()> {
        self.pass(&|_| true)
    }

    /// Parses a value. Returns `None` at the first difference from `expected`.
    fn is(&mut self, expected: &Value<'_>) -> Option<()> {
        let is_equal = match (self.token()?, expected) {
            (Token::Literal(found), Value::Literal(expected)) | (Token::Number(found), Value::Number(expected)) => {
                found == *expected
            }
            (Token::String(found), Value::String(expected)) => found.decode() == *expected,
            (Token::Array, Value::Array(items)) => {
                let (mut items, mut first) = (items.iter(), true);
                while self.item(&mut first)? {
                    self.is(items.next()?)?;
                }
                items.next().is_none()
            }
            (Token::Object, Value::Object(object)) => return self.agrees_with(object),
            _ => false,
        };
        is_equal.then_some(())
    }

    /// Parses the members of an object. Returns `None` at the first difference from `expected`.
    fn agrees_with(&mut self, expected: &Object<'_>) -> Option<()> {
        let mut seen = vec![false; expected.0.len()];
        let mut first = true;
        while let Next::Member(name) = self.name(&mut first)? {
            let name = name.decode();
            let at = expected.0.binary_search_by(|(other, _)| other.as_ref().cmp(&name)).ok()?;
            if std::mem::replace(&mut seen[at], true) {
                return None;
            }
            self.is(&expected.0[at].1)?;
        }
        seen.iter().all(|seen| *seen).then_some(())
    }
}
