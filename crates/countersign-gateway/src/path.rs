//! The paths that a route is for, and how a backend might read the path of a request.

use std::ops::RangeInclusive;

/// The paths that a route is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPattern {
    /// This one.
    Exact(String),
    /// All below this one, which ends with a slash. A path that a backend could read as one elsewhere matches
    /// no prefix: see [`Table::find`](crate::route::Table::find).
    Below(String),
}

impl PathPattern {
    /// Reads `/path`, or `/path/*` for all that begin with `/path/`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (path, pattern): (_, fn(String) -> Self) = match text.strip_suffix('*') {
            Some(prefix) if prefix.ends_with('/') => (prefix, Self::Below),
            _ => (text, Self::Exact),
        };
        if !path.starts_with('/') {
            Err("a path begins with a slash, like \"/gemini\"")
        } else if path.contains('*') {
            Err("`*` stands at the end only, behind a slash: \"/gemini/*\"")
        } else if path.contains(['?', '#']) || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            Err("a path is visible ASCII without query and fragment")
        } else if most_lenient_reading(path).is_none() {
            Err(
                "a path with dot segments or backslashes, or with escapes of `/ \\ ; % ? #`, of control characters or of \
                 bytes that are not UTF-8, matches nothing",
            )
        } else {
            Ok(pattern(path.into()))
        }
    }

    /// Without the `*` of a prefix.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Exact(path) | Self::Below(path) => path,
        }
    }

    /// Whether it is this path, or begins with this prefix, byte for byte.
    pub(crate) fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == exact,
            Self::Below(prefix) => path.starts_with(prefix.as_str()),
        }
    }
}

impl std::fmt::Display for PathPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(path) => f.write_str(path),
            Self::Below(prefix) => write!(f, "{prefix}*"),
        }
    }
}

/// A path as the most lenient backend reads it: escapes decoded, parameters after `;` cut off, empty segments
/// and dots or spaces at the end of a segment dropped, in lower case. `None` where backends disagree about
/// more than that: dot segments, and whatever [`decoded`] does not decode.
pub(crate) fn most_lenient_reading(path: &str) -> Option<String> {
    let decoded = decoded(path)?;
    let mut reading = String::with_capacity(decoded.len());
    for segment in decoded.split('/') {
        let name = segment.split(';').next().unwrap_or_default();
        let kept = name.trim_end_matches(['.', ' ']);
        if !name.is_empty() && name.trim_matches(['.', ' ']).is_empty() {
            return None;
        }
        if !kept.is_empty() {
            reading.push('/');
            reading.push_str(kept);
        }
    }
    if decoded.ends_with('/') {
        reading.push('/');
    }
    Some(reading.to_lowercase())
}

/// The path with its escapes decoded, once. `None` if a backend that decodes twice, or in a way of its own, might
/// find other segments in it: an escape of a delimiter, of `%` or of a control character, what is no escape,
/// what is not UTF-8, and characters that normalisation turns into delimiters or drops.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = path.bytes();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                let byte = digit()? * 16 + digit()?;
                if byte.is_ascii_control() || b"/\\;%?#".contains(&byte) {
                    return None;
                }
                byte
            }
            b'\\' => return None,
            byte if byte.is_ascii_graphic() => byte,
            _ => return None,
        });
    }
    let decoded = String::from_utf8(decoded).ok()?;
    let is_odd = |char: char| ODD.iter().any(|range| range.contains(&char));
    (decoded.is_ascii() || !decoded.contains(is_odd)).then_some(decoded)
}

/// Characters that some backend turns into a delimiter, a dot or a letter of ASCII (compatibility forms, best-fit
/// tables of code pages), or drops (controls, and what has no width).
const ODD: [RangeInclusive<char>; 25] = [
    '\u{80}'..='\u{a0}',
    '\u{a5}'..='\u{a5}',
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{37e}'..='\u{37e}',
    '\u{61c}'..='\u{61c}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{2000}'..='\u{200f}',
    '\u{2024}'..='\u{202f}',
    '\u{2044}'..='\u{2044}',
    '\u{205f}'..='\u{206f}',
    '\u{20a9}'..='\u{20a9}',
    '\u{2100}'..='\u{214f}',
    '\u{2215}'..='\u{2216}',
    '\u{2460}'..='\u{24ff}',
    '\u{29f5}'..='\u{29f9}',
    '\u{3000}'..='\u{3000}',
    '\u{3300}'..='\u{33ff}',
    '\u{fe00}'..='\u{fe6f}',
    '\u{feff}'..='\u{ffff}',
    '\u{1d400}'..='\u{1d7ff}',
    '\u{1f100}'..='\u{1f189}',
    '\u{e0000}'..='\u{e0fff}',
];
