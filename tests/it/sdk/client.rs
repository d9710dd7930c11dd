//! The official SDKs, unmodified, and the scripts that drive them.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign_tests::install::Packages;

const PACKAGES: Packages = Packages(env!("CARGO_TARGET_TMPDIR"));

/// Which SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sdk {
    Python,
    JavaScript,
    /// The release before the current one.
    EarlierJavaScript,
}

/// Which major version of it. The third makes no videos with the Gemini API, the second does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Major {
    Second,
    Third,
}

impl Sdk {
    /// The command that runs a script with the SDK at hand.
    pub(crate) fn command(self, major: Major, script: &str) -> Command {
        match self {
            Self::Python => {
                let mut folders = vec![python()];
                if major == Major::Second {
                    folders.insert(0, python_2());
                }
                let path = std::env::join_paths(folders).expect("paths without colons");
                let mut command = Command::new("python3");
                command.arg("-B").arg(file("python", script, "py")).env("PYTHONPATH", path);
                command
            }
            Self::JavaScript | Self::EarlierJavaScript => {
                let name = match (self, major) {
                    (_, Major::Second) => "genai-2",
                    (Self::EarlierJavaScript, Major::Third) => "genai-3-1",
                    (_, Major::Third) => "@google/genai",
                };
                let mut command = Command::new("node");
                command.arg(file("javascript", script, "cjs")).env("NODE_PATH", javascript()).env("SDK", name);
                command
            }
        }
    }

    /// What to do if the command cannot be started.
    pub(crate) fn explain(self, error: &std::io::Error) -> String {
        let program = if self == Self::Python { "python3" } else { "nodejs" };
        match error.kind() {
            ErrorKind::NotFound => countersign_tests::install::missing(program, program),
            _ => format!("{program} cannot be started: {error}"),
        }
    }

    /// What it raises for a status, by the resource that was asked for.
    pub(crate) fn exception(self, resource: &str, status: u16) -> &'static str {
        match (self, resource, status) {
            (Self::Python, "batches" | "operations", _) => "ClientError",
            (Self::JavaScript | Self::EarlierJavaScript, "batches" | "operations", _) => "ApiError",
            (_, _, 400) => "BadRequestError",
            (_, _, 403) => "PermissionDeniedError",
            (_, _, 404) => "NotFoundError",
            _ => panic!("no SDK was seen to raise anything for {status} of {resource}"),
        }
    }
}

fn file(folder: &str, script: &str, ending: &str) -> PathBuf {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/sdk").join(folder);
    scripts.join(script).with_extension(ending)
}

fn python() -> PathBuf {
    PACKAGES.python("sdk-python", include_str!("requirements.txt"))
}

fn python_2() -> PathBuf {
    PACKAGES.python_without_dependencies("sdk-python-2", include_str!("requirements-2.txt"))
}

fn javascript() -> PathBuf {
    PACKAGES.javascript("sdk-javascript", include_str!("package.json"), include_str!("package-lock.json"))
}
