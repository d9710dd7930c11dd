//! Why a path just misses a route.

use crate::path::PathPattern;

/// How a path differs from one that a route is for, if nothing else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// A slash at the end, or two slashes in place of one.
    Slash,
    /// Capital letters.
    Case,
    /// Both.
    SlashAndCase,
}

impl Difference {
    /// What differs, for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slash => "a slash",
            Self::Case => "the letter case",
            Self::SlashAndCase => "a slash and the letter case",
        }
    }
}

/// How this path differs from those of the pattern, if only slashes or the letter case do.
pub(super) fn difference(pattern: &PathPattern, path: &str) -> Option<Difference> {
    if pattern.matches(path) {
        return None;
    }
    if is_same_without_slashes(pattern, path) {
        return Some(Difference::Slash);
    }
    let (pattern, path) = (lower_case(pattern), path.to_ascii_lowercase());
    if pattern.matches(&path) {
        Some(Difference::Case)
    } else {
        is_same_without_slashes(&pattern, &path).then_some(Difference::SlashAndCase)
    }
}

fn is_same_without_slashes(pattern: &PathPattern, path: &str) -> bool {
    let (text, path) = (single_slashes(pattern.text()), single_slashes(path));
    match pattern {
        PathPattern::Exact(_) => path == text,
        PathPattern::Below(_) => path.strip_prefix(&text).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
    }
}

/// One slash in place of several, and none at the end.
fn single_slashes(path: &str) -> String {
    path.split('/').filter(|segment| !segment.is_empty()).flat_map(|segment| ["/", segment]).collect()
}

fn lower_case(pattern: &PathPattern) -> PathPattern {
    match pattern {
        PathPattern::Exact(path) => PathPattern::Exact(path.to_ascii_lowercase()),
        PathPattern::Below(prefix) => PathPattern::Below(prefix.to_ascii_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_differs_by_a_slash_or_the_case_is_near() {
        use Difference::{Case, Slash, SlashAndCase};
        for (pattern, path, expected) in [
            ("/gemini", "/gemini", None),
            ("/gemini", "/gemini/", Some(Slash)),
            ("/gemini", "//gemini", Some(Slash)),
            ("/gemini/", "/gemini", Some(Slash)),
            ("/gemini", "/Gemini", Some(Case)),
            ("/Gemini", "/gemini", Some(Case)),
            ("/gemini", "/GEMINI/", Some(SlashAndCase)),
            ("/gemini", "/gemini2", None),
            ("/gemini", "/gemini/a", None),
            ("/gemini", "/", None),
            ("/hooks/*", "/hooks", Some(Slash)),
            ("/hooks/*", "/hooks/a", None),
            ("/hooks/*", "/hooks/a/", None),
            ("/hooks/*", "//hooks/a", Some(Slash)),
            ("/hooks/*", "/Hooks/a", Some(Case)),
            ("/hooks/*", "/HOOKS", Some(SlashAndCase)),
            ("/hooks/*", "/hooksy", None),
            ("/*", "/a", None),
            ("/", "//", Some(Slash)),
        ] {
            assert_eq!(difference(&PathPattern::parse(pattern).unwrap(), path), expected, "{pattern} {path}");
        }
    }
}
