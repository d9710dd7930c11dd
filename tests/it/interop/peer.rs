//! The other implementations, each behind the same two questions.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_tests::install::{self, Packages};
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Delivery, Message};

const PACKAGES: Packages = Packages(env!("CARGO_TARGET_TMPDIR"));

/// An implementation of Standard Webhooks that is not ours.
pub(crate) trait Peer {
    /// The signature header of each message.
    fn sign(&self, secret: &str, messages: &[Message]) -> Vec<String>;

    /// What it says to each delivery.
    fn verify(&self, secret: &str, deliveries: &[Delivery]) -> Vec<Result<(), String>>;
}

/// The package for Python.
pub(crate) struct Python(PathBuf);

impl Python {
    pub(crate) fn installed() -> Self {
        Self(PACKAGES.python("interop-python", include_str!("requirements.txt")))
    }
}

/// The package for JavaScript.
pub(crate) struct JavaScript(PathBuf);

impl JavaScript {
    pub(crate) fn installed() -> Self {
        let (package, lock) = (include_str!("package.json"), include_str!("package-lock.json"));
        Self(PACKAGES.javascript("interop-javascript", package, lock))
    }
}

/// The crate.
pub(crate) struct Rust;

impl Script for Python {
    fn command(&self) -> Command {
        let mut command = Command::new("python3");
        command.arg(script("peer.py")).env("PYTHONPATH", &self.0).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

impl Script for JavaScript {
    fn command(&self) -> Command {
        let mut command = Command::new("node");
        command.arg(script("peer.cjs")).env("NODE_PATH", &self.0);
        command
    }
}

impl Peer for Rust {
    fn sign(&self, secret: &str, messages: &[Message]) -> Vec<String> {
        let webhook = standardwebhooks::Webhook::new(secret).expect("a sound secret");
        let sign = |message: &Message| {
            let timestamp = message.timestamp.try_into().expect("a timestamp of now");
            webhook.sign(&message.id, timestamp, &message.body).expect("a body in UTF-8")
        };
        messages.iter().map(sign).collect()
    }

    fn verify(&self, secret: &str, deliveries: &[Delivery]) -> Vec<Result<(), String>> {
        let webhook = standardwebhooks::Webhook::new(secret).expect("a sound secret");
        let verify = |delivery: &Delivery| {
            let mut headers = HeaderMap::new();
            for (name, value) in delivery.headers() {
                headers.insert(name, HeaderValue::from_str(&value).expect("a header's value"));
            }
            webhook.verify(&delivery.message.body, &headers).map_err(|error| error.to_string())
        };
        deliveries.iter().map(verify).collect()
    }
}

/// A peer that is asked through a process: an array of questions in, an array of answers out.
trait Script {
    fn command(&self) -> Command;

    fn ask(&self, questions: &[Value]) -> Vec<Answer> {
        let mut command = self.command();
        let program = command.get_program().display().to_string();
        let mut process = match command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() {
            Err(error) if error.kind() == ErrorKind::NotFound => panic!("{}", install::missing(&program, &program)),
            outcome => outcome.expect("a process can be started"),
        };
        // It answers when it has read all, so neither side waits for the other.
        let questions = serde_json::to_vec(questions).expect("questions are JSON");
        process.stdin.take().expect("a piped stdin").write_all(&questions).expect("it reads");
        let output = process.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{command:?} failed");
        serde_json::from_slice(&output.stdout).expect("its answers are JSON")
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Signature(String),
    Verified(bool),
    Error(String),
}

impl<S: Script> Peer for S {
    fn sign(&self, secret: &str, messages: &[Message]) -> Vec<String> {
        let question = |message: &Message| {
            json!({
                "do": "sign",
                "secret": secret,
                "id": message.id,
                "timestamp": message.timestamp,
                "body": STANDARD.encode(&message.body),
            })
        };
        let answers = self.ask(&messages.iter().map(question).collect::<Vec<_>>());
        assert_eq!(answers.len(), messages.len());
        let signature = |answer| match answer {
            Answer::Signature(signature) => signature,
            other => panic!("asked to sign, it says {other:?}"),
        };
        answers.into_iter().map(signature).collect()
    }

    fn verify(&self, secret: &str, deliveries: &[Delivery]) -> Vec<Result<(), String>> {
        let question = |delivery: &Delivery| {
            json!({
                "do": "verify",
                "secret": secret,
                "headers": delivery.headers().into_iter().collect::<std::collections::BTreeMap<_, _>>(),
                "body": STANDARD.encode(&delivery.message.body),
            })
        };
        let answers = self.ask(&deliveries.iter().map(question).collect::<Vec<_>>());
        assert_eq!(answers.len(), deliveries.len());
        let verdict = |answer| match answer {
            Answer::Verified(true) => Ok(()),
            Answer::Error(error) => Err(error),
            other => panic!("asked to verify, it says {other:?}"),
        };
        answers.into_iter().map(verdict).collect()
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("it/interop").join(name)
}
