//! The Git commit that a program is built from, for its `--version`.
//!
//! A build script would run again after each commit, and with it everything in its package would be built again:
//! the library, its tests, and all crates that depend on it. A macro belongs to the one file that calls it. Call it in
//! the file of a program and not in a library.

mod checkout;

use std::path::{Path, PathBuf};

use checkout::Checkout;
use proc_macro::TokenStream;

/// The digits of a commit. Git's own choice depends on how many commits the clone has, and builds have to be the same.
const DIGITS: usize = 12;

/// Expands to an `Option<&'static str>`: the first 12 digits of the commit, then `-dirty` if a file that Git tracks has
/// changed since.
///
/// The first of these that is there names the commit: the environment variable `COUNTERSIGN_COMMIT`, the checkout that
/// the package is in, and the file that `cargo package` adds to a package. Otherwise, it is `None`.
///
/// The program is built again after each commit. It is not if only files change that it is not built from, so `-dirty`
/// may be missing then.
#[proc_macro]
pub fn commit(_: TokenStream) -> TokenStream {
    // Cargo sets it to the folder of the package that calls the macro.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let given = std::env::var("COUNTERSIGN_COMMIT").ok().filter(|given| !given.is_empty());
    let checkout = Checkout::of(&package);
    let commit = given.or_else(|| checkout.as_ref().map(Checkout::commit)).or_else(|| packaged(&package));
    let watched = checkout.map(|checkout| checkout.files).unwrap_or_default();
    expansion(commit.as_deref(), &watched).parse().unwrap_or_default()
}

/// The value, after constants that make the compiler watch what it depends on.
fn expansion(commit: Option<&str>, watched: &[PathBuf]) -> String {
    let watch = |file: &PathBuf| Some(format!("const _: &[u8] = include_bytes!({:?});", file.to_str()?));
    let files: String = watched.iter().filter_map(watch).collect();
    format!(
        "{{ const _: Option<&str> = option_env!(\"COUNTERSIGN_COMMIT\"); {files} Option::<&'static str>::{commit:?} }}"
    )
}

/// The commit in the package from a registry.
fn packaged(package: &Path) -> Option<String> {
    commit_in(&std::fs::read_to_string(package.join(".cargo_vcs_info.json")).ok()?)
}

fn commit_in(about: &str) -> Option<String> {
    let (_, value) = about.split_once("\"sha1\"")?;
    let hash = value.trim_start_matches([' ', ':', '\n']).strip_prefix('"')?.split('"').next()?;
    let is_dirty = about.contains("\"dirty\": true");
    shortened(hash, is_dirty)
}

fn shortened(hash: &str, is_dirty: bool) -> Option<String> {
    let digits = hash.get(..DIGITS).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    Some(format!("{digits}{}", if is_dirty { "-dirty" } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_names_its_commit() {
        let clean = "{\n  \"git\": {\n    \"sha1\": \"469b416a1b2c3d4e5f60718293a4b5c6d7e8f901\"\n  },\n  \"path_in_vcs\": \"\"\n}";
        assert_eq!(commit_in(clean).as_deref(), Some("469b416a1b2c"));
        let dirty = clean.replace("\n  },", ",\n    \"dirty\": true\n  },");
        assert_eq!(commit_in(&dirty).as_deref(), Some("469b416a1b2c-dirty"));
        for unusable in ["", "{}", "{\"git\":{\"sha1\":\"469b\"}}", "{\"git\":{\"sha1\":\"../../../../..\"}}"] {
            assert_eq!(commit_in(unusable), None, "{unusable}");
        }
    }

    #[test]
    fn the_expansion_is_rust() {
        let text = expansion(Some("469b416a1b2c"), &[PathBuf::from("/a \"b\"/HEAD")]);
        assert!(text.contains("include_bytes!(\"/a \\\"b\\\"/HEAD\")"), "{text}");
        assert!(text.ends_with("Option::<&'static str>::Some(\"469b416a1b2c\") }"), "{text}");
        assert!(expansion(None, &[]).ends_with("Option::<&'static str>::None }"));
    }
}
