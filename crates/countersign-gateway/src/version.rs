//! The version of the program, the commit that it is built from, and what it supports.

use std::sync::OnceLock;

use countersign::verdict::Scheme;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const STORES: [&str; 4] = ["memory", "sqlite", "redis", "postgres"];

/// Set by the program: only its own file is built again after each commit.
static COMMIT: OnceLock<&'static str> = OnceLock::new();

/// Says which commit this process is built from, for its metrics. The first call counts.
pub fn built_from(commit: Option<&'static str>) {
    if let Some(commit) = commit {
        let _ = COMMIT.set(commit);
    }
}

/// The labels of the metric `countersign_build_info`.
pub(crate) fn labels() -> Vec<(&'static str, &'static str)> {
    let commit = COMMIT.get().copied().map(|commit| ("commit", commit));
    [("version", VERSION)].into_iter().chain(commit).collect()
}

/// The version, for example `0.1.0 (469b416a1b2c)`.
pub fn named(commit: Option<&str>) -> String {
    commit.map_or_else(|| VERSION.to_owned(), |commit| format!("{VERSION} ({commit})"))
}

/// The version, and below it the schemes and stores that the program supports.
pub fn described(commit: Option<&str>) -> String {
    let schemes = [Scheme::V1, Scheme::V1a, Scheme::Rs256].map(Scheme::as_str).join(", ");
    format!("{}\nschemes: {schemes}\nstores: {}", named(commit), STORES.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_described() {
        assert_eq!(named(None), VERSION);
        assert_eq!(
            described(Some("469b416a1b2c-dirty")),
            format!("{VERSION} (469b416a1b2c-dirty)\nschemes: v1, v1a, rs256\nstores: memory, sqlite, redis, postgres")
        );
    }
}
