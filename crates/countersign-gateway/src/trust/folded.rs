//! Header names reduced to their letters and digits, because backends may ignore the rest.

use http::HeaderName;

/// The letters and digits of a header name, in lower case, up to the length that is compared.
///
/// CGI, WSGI, Rack, PHP and others map `-`, `_`, `.` and more to one character. Some collapse or trim it, and
/// some code removes it. `X-Forwarded_For`, `x.forwarded.for` and `x--forwardedfor` are therefore one name here,
/// and so is a name with the `HTTP_` prefix of CGI, under which some code looks it up.
pub(super) struct Folded {
    buffer: [u8; Self::MAX],
    len: usize,
    /// Bit `n` is set if a word ends with byte `n`, so that a separator or the end of the name follows.
    ends: u64,
}

/// One way to read a name.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) bytes: &'a [u8],
    ends: u64,
}

impl Reading<'_> {
    /// Whether it begins with this word, followed by a separator or the end of the name.
    pub(super) fn begins_with_word(self, word: &[u8]) -> bool {
        self.bytes.starts_with(word) && !word.is_empty() && (self.ends >> (word.len() - 1)) & 1 == 1
    }
}

impl Folded {
    /// Longer than every name and family that it is compared with.
    pub(super) const MAX: usize = 48;

    pub(super) fn of(name: &str) -> Self {
        let mut folded = Self { buffer: [0; Self::MAX], len: 0, ends: 0 };
        for byte in name.bytes() {
            if !byte.is_ascii_alphanumeric() {
                folded.end_word();
            } else if let Some(to) = folded.buffer.get_mut(folded.len) {
                *to = byte.to_ascii_lowercase();
                folded.len += 1;
            } else {
                return folded;
            }
        }
        folded.end_word();
        folded
    }

    fn end_word(&mut self) {
        if let Some(last) = self.len.checked_sub(1) {
            self.ends |= 1 << last;
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    /// The name as it is, and without the `HTTP_` prefix of CGI.
    pub(super) fn readings(&self) -> impl Iterator<Item = Reading<'_>> {
        let bytes = self.as_bytes();
        let without = bytes.strip_prefix(b"http").map(|bytes| Reading { bytes, ends: self.ends >> 4 });
        std::iter::once(Reading { bytes, ends: self.ends }).chain(without)
    }

    pub(super) fn is(&self, name: &HeaderName) -> bool {
        let wanted = Self::of(name.as_str());
        self.readings().any(|reading| reading.bytes == wanted.as_bytes())
    }
}

/// Whether a backend could read one name as the other. Unlike [`Folded`], it compares names of any length.
pub(super) fn read_alike(one: &str, other: &str) -> bool {
    letters(one).eq(letters(other))
}

fn letters(name: &str) -> impl Iterator<Item = u8> {
    let mut letters = name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase());
    loop {
        let mut after = letters.clone();
        if !after.by_ref().take(4).eq(*b"http") {
            return letters;
        }
        letters = after;
    }
}
