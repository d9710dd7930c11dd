//! Puts the peers' packages under the target folder: pinned, once, and whole or not at all.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder of Python packages.
pub(crate) fn python_packages() -> PathBuf {
    let requirements = include_str!("requirements.txt");
    once("python", requirements, |folder| {
        fs::write(folder.join("requirements.txt"), requirements).expect("a file can be written");
        // Some systems let pip install nowhere but in a virtual environment.
        run("python3 python3-venv", Command::new("python3").args(["-m", "venv", "venv"]).current_dir(folder));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
        let python = folder.join("venv/bin/python");
        let what = ["--require-hashes", "--only-binary=:all:", "--target=packages", "--requirement=requirements.txt"];
        run("python3 python3-venv", Command::new(python).args(pip).args(what).current_dir(folder));
        fs::remove_dir_all(folder.join("venv")).expect("the environment can be removed");
    })
    .join("packages")
}

/// The folder of JavaScript packages.
pub(crate) fn javascript_packages() -> PathBuf {
    let (package, lock) = (include_str!("package.json"), include_str!("package-lock.json"));
    once("javascript", lock, |folder| {
        fs::write(folder.join("package.json"), package).expect("a file can be written");
        fs::write(folder.join("package-lock.json"), lock).expect("a file can be written");
        let npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"];
        run("nodejs npm", Command::new("npm").args(npm).current_dir(folder));
    })
    .join("node_modules")
}

/// Installs what `pins` names, unless a run before has. Tests that run at the same time wait here.
fn once(name: &str, pins: &str, install: impl FnOnce(&Path)) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop");
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
pub(crate) fn missing(program: &str, packages: &str) -> String {
    format!(
        "{program} is missing, and the interop tests need it. \
         On Debian or Ubuntu: apt-get install {packages}; `make test` does so by itself"
    )
}
