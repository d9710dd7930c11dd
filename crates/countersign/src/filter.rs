//! Filters events by type.

use std::fmt;

/// Filters events by type. A pattern is an exact type, a prefix such as `batch.*`, or `*` for all events.
///
/// ```
/// use countersign::filter::EventFilter;
///
/// let filter = EventFilter::new(["batch.*", "video.generated"])?;
/// assert!(filter.admits(Some("batch.succeeded")));
/// assert!(!filter.admits(Some("interaction.completed")));
/// assert!(!filter.admits(None)); // only `*` matches an event without a type
/// # Ok::<(), countersign::filter::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFilter {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    All,
    Prefix(String),
    Exact(String),
}

impl EventFilter {
    /// Creates a filter from patterns. A filter without patterns admits nothing.
    pub fn new<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Result<Self, PatternError> {
        let patterns = patterns.into_iter().map(|text| Pattern::parse(text.as_ref())).collect::<Result<_, _>>()?;
        Ok(Self { patterns })
    }

    /// Returns whether a pattern matches.
    ///
    /// `None` means that the type of the event cannot be read. Only `*` matches it. `false` then does not mean that the
    /// event is unwanted, so handle it or reject it, but do not drop it.
    pub fn admits(&self, event_type: Option<&str>) -> bool {
        self.patterns.iter().any(|pattern| match (pattern, event_type) {
            (Pattern::All, _) => true,
            (_, None) => false,
            (Pattern::Prefix(prefix), Some(name)) => name.starts_with(prefix.as_str()),
            (Pattern::Exact(exact), Some(name)) => name == exact,
        })
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, PatternError> {
        match text.split_once('*') {
            None if text.is_empty() => Err(PatternError(text.into())),
            None => Ok(Self::Exact(text.into())),
            Some(("", "")) => Ok(Self::All),
            Some((prefix, "")) if prefix.ends_with('.') => Ok(Self::Prefix(prefix.into())),
            Some(_) => Err(PatternError(text.into())),
        }
    }
}

/// A pattern is not an event type, `prefix.*` or `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError(String);

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid event pattern `{}`: use an event type, `prefix.*` or `*`", self.0)
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_a_prefix_or_all() {
        let admits = |pattern: &str, name| EventFilter::new([pattern]).expect("a pattern").admits(name);
        assert!(admits("*", None));
        assert!(admits("batch.*", Some("batch.failed")));
        assert!(!admits("batch.*", Some("batchx.failed")));
        assert!(!admits("batch", Some("batch.failed")));
        for wrong in ["", "*.failed", "batch*", "ba*.x", "batch.**"] {
            assert!(EventFilter::new([wrong]).is_err(), "{wrong}");
        }
    }
}
