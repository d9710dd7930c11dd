//! Puts the packages of others under a folder of tests: pinned, once, and whole or not at all.

#![expect(clippy::expect_used, reason = "what a test cannot do is its failure")]

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where packages are put: a folder of the test target, its `CARGO_TARGET_TMPDIR`.
#[derive(Clone, Copy, Debug)]
pub struct Packages(pub &'static str);

impl Packages {
    /// The folder of the Python packages that these requirements name, with all that they need.
    pub fn python(self, name: &str, requirements: &str) -> PathBuf {
        self.pip(name, requirements, &[])
    }

    /// The folder of the Python packages that these requirements name, with what they need elsewhere.
    pub fn python_without_dependencies(self, name: &str, requirements: &str) -> PathBuf {
        self.pip(name, requirements, &["--no-deps"])
    }

    fn pip(self, name: &str, requirements: &str, more: &[&str]) -> PathBuf {
        self.once(name, requirements, |folder| {
            fs::write(folder.join("requirements.txt"), requirements).expect("a file can be written");
            // Some systems let pip install nowhere but in a virtual environment.
            run("python3 python3-venv", Command::new("python3").args(["-m", "venv", "venv"]).current_dir(folder));
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
            let python = folder.join("venv/bin/python");
            let what =
                ["--require-hashes", "--only-binary=:all:", "--target=packages", "--requirement=requirements.txt"];
            run("python3 python3-venv", Command::new(python).args(pip).args(what).args(more).current_dir(folder));
            fs::remove_dir_all(folder.join("venv")).expect("the environment can be removed");
        })
        .join("packages")
    }

    /// The folder of the JavaScript packages that a manifest and its lock file name.
    pub fn javascript(self, name: &str, package: &str, lock: &str) -> PathBuf {
        self.once(name, lock, |folder| {
            fs::write(folder.join("package.json"), package).expect("a file can be written");
            fs::write(folder.join("package-lock.json"), lock).expect("a file can be written");
            let npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"];
            run("nodejs npm", Command::new("npm").args(npm).current_dir(folder));
        })
        .join("node_modules")
    }

    /// Installs what `pins` names, unless a run before has. Tests that run at the same time wait here.
    fn once(self, name: &str, pins: &str, install: impl FnOnce(&Path)) -> PathBuf {
        let root = Path::new(self.0).join("packages");
        fs::create_dir_all(&root).expect("a folder can be made");
        let lock = File::create(root.join(format!("{name}.lock"))).expect("a lock file can be made");
        lock.lock().expect("the lock can be had");

        let mut hasher = DefaultHasher::new();
        pins.hash(&mut hasher);
        let whole = root.join(format!("{name}-{:016x}", hasher.finish()));
        if !whole.exists() {
            let partial = root.join(format!("{name}.partial"));
            if partial.exists() {
                fs::remove_dir_all(&partial).expect("the remains of a run that ended can be removed");
            }
            fs::create_dir(&partial).expect("a folder can be made");
            install(&partial);
            fs::rename(&partial, &whole).expect("a folder can be renamed");
        }
        whole
    }
}

/// Runs a command to its end, and fails the test with what it said if it failed.
fn run(packages: &str, command: &mut Command) {
    let program = command.get_program().display().to_string();
    let output = match command.stdin(Stdio::null()).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => panic!("{}", missing(&program, packages)),
        outcome => outcome.expect("a command can be started"),
    };
    assert!(
        output.status.success(),
        "{command:?} failed (it needs {packages}, and a package index within reach):\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

/// What to do about a program that is not there.
pub fn missing(program: &str, packages: &str) -> String {
    format!(
        "{program} is missing, and these tests need it. \
         On Debian or Ubuntu: apt-get install {packages}; `make test` does so by itself"
    )
}
