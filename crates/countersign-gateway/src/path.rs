//! The paths of routes, and the ways in which a backend might read the path of a request.

/// Longer than any legitimate path.
const MAX_LEN: usize = 4096;

/// The paths of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPattern {
    /// This path only.
    Exact(String),
    /// All paths below this one, which ends with a slash. A path that a backend could read as one elsewhere matches
    /// no prefix: see [`Table::find`](crate::route::Table::find).
    Below(String),
}

impl PathPattern {
    /// Parses `/path`, or `/path/*` for all paths that begin with `/path/`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (path, pattern): (_, fn(String) -> Self) = match text.strip_suffix('*') {
            Some(prefix) if prefix.ends_with('/') => (prefix, Self::Below),
            _ => (text, Self::Exact),
        };
        if !path.starts_with('/') {
            Err("a path begins with a slash, like \"/gemini\"")
        } else if path.len() > MAX_LEN {
            Err("a path has at most 4096 characters")
        } else if path.contains('*') {
            Err("`*` stands at the end only, behind a slash: \"/gemini/*\"")
        } else if path.contains(['?', '#']) || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            Err("a path is visible ASCII without query and fragment")
        } else if path.contains("://") {
            Err("a path is the part of a URL after the host; `host` is a key of its own")
        } else if is_template(path) {
            Err("a path is compared as it is, without regular expressions or parameters like `{id}` or `:id`: \
                 write \"/hooks/*\" for all paths below \"/hooks/\"")
        } else if path.starts_with("//") && path != text {
            Err("no path matches this: one that begins with two slashes is below no prefix")
        } else if readings(path).is_none() {
            Err("a path with dot segments or backslashes, or with escapes of anything but the letters, digits, spaces \
                 and punctuation that a path may have, matches nothing")
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

    /// Whether the path equals this one, or begins with this prefix, byte for byte.
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

/// Whether it looks like a regular expression or a path with parameters. Their characters would be compared
/// literally.
fn is_template(path: &str) -> bool {
    let is_parameter = |segment: &str| segment.starts_with([':', '$']) && segment.len() > 1;
    path.contains(['{', '}', '<', '>', '(', ')', '[', ']', '^', '|'])
        || path.ends_with('$')
        || path.contains(".+")
        || path.split('/').any(is_parameter)
}

/// A path as lenient backends read it: decoded, without empty segments, without spaces around segments or dots at
/// their ends, in lower case.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Readings {
    /// With everything that follows `;` or `:` in a segment.
    pub(crate) whole: String,
    /// Without that: it may be a parameter, a port or a stream of a file.
    pub(crate) cut: String,
}

/// The readings of a path by lenient backends. `None` if they may differ in more than that: for dot segments, and for
/// everything that [`decoded`] does not decode.
pub(crate) fn readings(path: &str) -> Option<Readings> {
    let decoded = decoded(path)?;
    let mut readings = Readings::default();
    for segment in decoded.split('/') {
        push(&mut readings.whole, segment)?;
        push(&mut readings.cut, segment.split([';', ':']).next().unwrap_or_default())?;
    }
    if decoded.ends_with('/') {
        readings.whole.push('/');
        readings.cut.push('/');
    }
    Some(readings)
}

/// Appends the normalized segment. Returns `None` for a dot segment.
fn push(reading: &mut String, segment: &str) -> Option<()> {
    let kept = segment.trim_start_matches(' ').trim_end_matches(['.', ' ']);
    if kept.is_empty() && !segment.is_empty() {
        return None;
    }
    if !kept.is_empty() {
        reading.push('/');
        reading.push_str(&kept.to_ascii_lowercase());
    }
    Some(())
}

/// Whether a lenient backend could read the path of a request as a path of this route. Both are [`Readings`].
///
/// Backends may interpret the text after a path themselves: as a format (`.json`), as a stream (`::$DATA`), or as
/// further segments after the name of a file (a script's `PATH_INFO`). They may also omit the extension of a file.
/// Further segments after a path without an extension are another resource.
pub(crate) fn continues(reading: &str, path: &str) -> bool {
    let after = |path: &str| reading.strip_prefix(path).map(|rest| rest.bytes().next());
    let stem = match path.rsplit_once('.') {
        Some((stem, extension)) if !extension.contains('/') && !stem.ends_with('/') => stem,
        _ => path,
    };
    let is_file = stem.len() < path.len();
    let is_other = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'/' && !is_file);
    after(path).is_some_and(|next| !next.is_some_and(is_other))
        || (is_file && matches!(after(stem), Some(None | Some(b'/'))))
}

/// Decodes the escapes of a path once. Returns `None` if backends might read other segments. Some decode twice,
/// some map or drop characters, and some treat them as syntax. Only the ASCII characters that RFC 3986 allows in
/// a path are accepted, and spaces, but no escape of a delimiter.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = path.bytes();
    let mut decoded = String::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                let byte = digit()? * 16 + digit()?;
                (byte == b' ' || is_plain(byte)).then_some(byte)?
            }
            b'/' | b';' => byte,
            byte => is_plain(byte).then_some(byte)?,
        };
        decoded.push(char::from(byte));
    }
    Some(decoded)
}

/// `pchar` of RFC 3986, without escapes, and without `;`, which some backends treat as a delimiter.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b'='
                | b':'
                | b'@'
        )
}
