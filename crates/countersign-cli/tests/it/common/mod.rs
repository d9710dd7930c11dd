//! A authentic delivery, ways to spoil it, and the program run on what is left.

pub(crate) mod dynamic;
pub(crate) mod listening;
pub(crate) mod schema;

use std::process::{Command, Output};

use countersign::sign::Signer;
use countersign::{MessageId, Secret, UnixTime};
use tempfile::TempDir;

pub(crate) const SECRET: &str = "whsec_NnZ2aTU5MzdqOXY2bXFwZjgzb2R2cXM1Y3B6cTlyMnM=";
pub(crate) const OTHER_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
pub(crate) const ID: &str = "msg_3049fc994bceb248d6d9a4d0d802cbf9";
pub(crate) const NOW: u64 = 1_790_661_946;
pub(crate) const BODY: &str = concat!(
    r#"{"type":"batch.succeeded","version":"v1","timestamp":"2026-01-22T12:00:00Z","#,
    r#""data":{"id":"batch_1","output_file_uri":"gs://my-bucket/résultats.jsonl"}}"#
);

/// A captured request, and the command line that looks at it.
pub(crate) struct Captured {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) args: Vec<String>,
    folder: TempDir,
}

impl Captured {
    /// A authentic delivery of `BODY`.
    pub(crate) fn authentic() -> Self {
        Self::signed(SECRET, NOW, BODY)
    }

    /// A authentic delivery, with the secret in a file and `--now` given.
    pub(crate) fn signed(secret: &str, now: u64, body: impl AsRef<[u8]>) -> Self {
        Self::signed_by(Secret::parse(secret).expect("a good secret"), now, body)
    }

    pub(crate) fn signed_by(secret: Secret, now: u64, body: impl AsRef<[u8]>) -> Self {
        let id = MessageId::parse(ID).expect("a good id");
        let signer = Signer::new([secret]).expect("a signer");
        let captured = Self::of(&signer.sign(&id, UnixTime::from_secs(now), body.as_ref()), body);
        captured.secret(SECRET)
    }

    /// A delivery with this head, and `--now` given.
    pub(crate) fn of(head: &http::HeaderMap, body: impl AsRef<[u8]>) -> Self {
        let headers = head.iter().map(|(name, value)| (name.to_string(), value.to_str().expect("ASCII").into()));
        let captured = Self {
            headers: headers.collect(),
            body: body.as_ref().to_vec(),
            args: Vec::new(),
            folder: TempDir::new().expect("a folder"),
        };
        captured.args(["--now", &NOW.to_string()])
    }

    pub(crate) fn args<const N: usize>(mut self, args: [&str; N]) -> Self {
        self.args.extend(args.map(str::to_owned));
        self
    }

    pub(crate) fn without_args(mut self) -> Self {
        self.args.clear();
        self
    }

    /// Makes this the configured secret, instead of what was.
    pub(crate) fn secret(mut self, text: impl AsRef<[u8]>) -> Self {
        let path = self.write("a.secret", text);
        self.args.retain(|arg| *arg != path && arg != "--secret-file");
        self.args(["--secret-file", &path])
    }

    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// Replaces the value of a header.
    pub(crate) fn header(mut self, name: &str, value: impl FnOnce(&str) -> String) -> Self {
        let header = self.headers.iter_mut().find(|(known, _)| known == name).expect("a known header");
        header.1 = value(&header.1);
        self
    }

    pub(crate) fn rename(mut self, rename: impl Fn(&str) -> String) -> Self {
        self.headers.iter_mut().for_each(|(name, _)| *name = rename(name));
        self
    }

    pub(crate) fn add_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn without_header(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn value(&self, name: &str) -> String {
        self.headers.iter().find(|(known, _)| known == name).expect("a known header").1.clone()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("a file can be written");
        path.to_str().expect("a plain path").to_owned()
    }

    /// The folder of its files.
    pub(crate) fn folder(&self) -> String {
        self.folder.path().to_str().expect("a plain path").to_owned()
    }

    /// Runs a verb on the captured request.
    pub(crate) fn run(&self, verb: &str) -> Ran {
        let headers = serde_json::to_vec(&self.headers).expect("pairs");
        let headers = self.write("headers.json", headers);
        let body = self.write("body", &self.body);
        run([verb, "--headers", &headers, "--body", &body].into_iter().chain(self.args.iter().map(String::as_str)))
    }
}

/// What a run printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("an exit code"),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

pub(crate) fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_countersign"))
}

pub(crate) fn run<'a>(args: impl IntoIterator<Item = &'a str>) -> Ran {
    command().args(args).output().expect("the program runs").into()
}
