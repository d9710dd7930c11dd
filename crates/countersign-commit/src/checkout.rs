//! What Git says of the checkout that a package is in.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The checkout that a package is in.
pub(crate) struct Checkout {
    commit: String,
    /// The files of Git that change when another commit is checked out or made.
    pub(crate) files: Vec<PathBuf>,
}

impl Checkout {
    /// `None` if the package is in no checkout, or Git is not installed.
    pub(crate) fn of(package: &Path) -> Option<Self> {
        // A package may be unpacked inside the checkout of something else.
        git(package, &["ls-files", "--error-unmatch", "Cargo.toml"])?;
        let is_dirty = !git(package, &["status", "--porcelain", "--untracked-files=no"])?.is_empty();
        let commit = crate::shortened(&git(package, &["rev-parse", "HEAD"])?, is_dirty)?;
        let mut names = vec!["HEAD".to_owned(), "logs/HEAD".to_owned(), "packed-refs".to_owned()];
        names.extend(git(package, &["symbolic-ref", "--quiet", "HEAD"]));
        let path = |name: String| Some(package.join(git(package, &["rev-parse", "--git-path", &name])?));
        let files = names.into_iter().filter_map(path).filter(|file| file.is_file()).collect();
        Some(Self { commit, files })
    }

    pub(crate) fn commit(&self) -> String {
        self.commit.clone()
    }
}

/// The output without the end of its last line, or `None` if the command fails.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    // It reads, and does not write the index to make the next reading faster.
    let output = Command::new("git").arg("--no-optional-locks").arg("-C").arg(folder).args(arguments).output().ok()?;
    let text = output.status.success().then(|| String::from_utf8(output.stdout).ok())??;
    Some(text.trim_end_matches('\n').to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A folder that is removed at the end.
    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// Runs a command that writes, as somebody.
    fn write(folder: &Path, arguments: &[&str]) {
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        git(folder, &[&who[..], arguments].concat()).unwrap_or_else(|| panic!("git {arguments:?} failed"));
    }

    #[test]
    fn the_commit_and_changes_since_are_named() {
        let name = format!("countersign-commit-{}", std::process::id());
        let folder = Folder(std::env::temp_dir().join(name));
        let folder = &folder.0;
        fs::create_dir_all(folder.join("vendored")).unwrap();
        assert!(Checkout::of(folder).is_none(), "no checkout");
        write(folder, &["init", "--quiet"]);
        fs::write(folder.join("Cargo.toml"), "").unwrap();
        fs::write(folder.join("vendored/Cargo.toml"), "").unwrap();
        assert!(Checkout::of(folder).is_none(), "not tracked");
        write(folder, &["add", "Cargo.toml"]);
        write(folder, &["commit", "--quiet", "--message", "a"]);
        let one = Checkout::of(folder).expect("a checkout");
        assert_eq!(one.commit(), git(folder, &["rev-parse", "HEAD"]).unwrap()[..12], "an untracked file is no change");
        assert!(Checkout::of(&folder.join("vendored")).is_none(), "in the checkout of something else");
        fs::write(folder.join("Cargo.toml"), "# changed").unwrap();
        assert_eq!(Checkout::of(folder).unwrap().commit(), format!("{}-dirty", one.commit()));
        // Another commit changes a watched file.
        let contents = || one.files.iter().map(|file| fs::read(file).unwrap()).collect::<Vec<_>>();
        let before = contents();
        write(folder, &["commit", "--quiet", "--all", "--message", "b"]);
        assert_ne!(contents(), before);
        let next = Checkout::of(folder).unwrap().commit();
        assert!(next != one.commit() && !next.ends_with("-dirty"), "{next}");
    }
}
