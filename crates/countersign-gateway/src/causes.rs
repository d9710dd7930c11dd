//! Errors with their causes, as text.

use std::error::Error;

/// The causes of an error, the nearest first.
pub(crate) fn causes(error: &dyn Error) -> Option<String> {
    let mut texts = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    // Some errors have the same text as their cause.
    texts.dedup();
    (!texts.is_empty()).then(|| texts.join(": "))
}

/// An error and its causes.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let causes = causes(error).map(|causes| format!(": {causes}"));
    format!("{error}{}", causes.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::io;

    use countersign::replay::StoreError;

    use super::*;

    #[test]
    fn an_error_is_followed_by_its_causes() {
        let error = StoreError::unavailable(io::Error::other("the disk is gone"));
        assert!(with_causes(&error).ends_with(": the disk is gone"), "{}", with_causes(&error));
        assert_eq!(with_causes(&io::Error::from(io::ErrorKind::NotFound)), "entity not found");
    }
}
