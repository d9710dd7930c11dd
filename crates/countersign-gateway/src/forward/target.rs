//! The path of a request on its way to the upstreams of a route.

use http::uri::PathAndQuery;

/// Replaces the beginning of paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathChange {
    strip: String,
    prepend: String,
}

impl PathChange {
    /// Removes `strip` from the beginning of a path, and then puts `prepend` before it. Neither ends with a slash.
    pub fn new(strip: &str, prepend: &str) -> Self {
        Self { strip: strip.to_owned(), prepend: prepend.to_owned() }
    }

    /// The changed path, with the query as it is. `None` if it would be too long.
    pub(super) fn apply(&self, target: PathAndQuery) -> Option<PathAndQuery> {
        if self.strip.is_empty() && self.prepend.is_empty() {
            return Some(target);
        }
        let path = target.path().strip_prefix(&self.strip).unwrap_or(target.path());
        let path = if self.prepend.is_empty() {
            // Some parsers take what follows two slashes at the beginning for a host.
            format!("/{}", path.trim_start_matches('/'))
        } else {
            format!("{}{path}", self.prepend)
        };
        let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
        PathAndQuery::try_from(path + &query).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_path_is_replaced() {
        for (strip, prepend, path, expected) in [
            ("", "", "/a/b?c=/d", "/a/b?c=/d"),
            ("/a", "", "/a/b?c=/a/d", "/b?c=/a/d"),
            ("/a", "", "/a", "/"),
            ("/a", "", "/a?", "/?"),
            ("/a", "", "/a/", "/"),
            ("/a", "", "/a//evil.example/b", "/evil.example/b"),
            ("", "/in", "/a/b?c", "/in/a/b?c"),
            ("/a", "/in", "/a/b", "/in/b"),
            ("/a", "/in", "/a", "/in"),
            ("/a", "/in", "/a/", "/in/"),
            ("/a", "/in", "/a/%2Fb", "/in/%2Fb"),
        ] {
            let changed = PathChange::new(strip, prepend).apply(path.parse().unwrap());
            assert_eq!(changed.unwrap().as_str(), expected, "{strip} {prepend} {path}");
        }
        let long = format!("/{}", "a".repeat(65_000)).parse().unwrap();
        assert_eq!(PathChange::new("", &"/b".repeat(500)).apply(long), None);
    }
}
