//! What can be wrong with the arguments and files of a run: expected, and told with a way out.

use std::fmt;
use std::io;

use countersign::key::{KeySetError, PublicKeyError};
use countersign::secret::SecretError;
use countersign::sign::{PrivateKeyError, TokenSignerError};
use countersign::verifier::VerifierError;
use countersign_emulator::{ConfigError, StartError};
use countersign_jwks::FetchError;

/// Why a run could not do what it was asked to. It never repeats a secret.
#[derive(Debug)]
pub(crate) enum Error {
    /// A file or stdin cannot be read.
    Read { what: String, error: io::Error },
    /// A file or stdin holds more than is looked at.
    TooLarge { what: String, limit: u64 },
    /// Stdin can be read once.
    StdinTwice,
    /// What was read is not what it should be.
    Unusable { what: String, problem: String },
    /// An environment variable is not set, or is not text.
    Env(String),
    /// A secret cannot be used.
    Secret { label: String, error: SecretError },
    /// An expiry names a secret that was not given.
    NoSuchSecret { label: String, labels: Vec<String> },
    /// A public key cannot be used.
    PublicKey { number: usize, error: PublicKeyError },
    /// A private key cannot be used.
    PrivateKey { label: String, error: PrivateKeyError },
    /// A token is not signed.
    Token(TokenSignerError),
    /// A document is not a key set.
    KeySet { what: String, error: KeySetError },
    /// A key set cannot be fetched.
    Fetch { what: String, error: FetchError },
    /// The keys make no verifier.
    Verifier(VerifierError),
    /// More keys than can sign.
    TooManySecrets { limit: usize },
    /// The system gives no random bytes.
    Random(getrandom::Error),
    /// The URL cannot be posted to.
    Url(String),
    /// An argument is not what it should be.
    Argument { name: &'static str, problem: String },
    /// The emulator does not run.
    Emulator(StartError),
    /// The runtime cannot be started.
    Runtime(io::Error),
    /// Stdout cannot be written.
    Write(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { what, error } => write!(f, "{what}: cannot be read: {error}"),
            Self::TooLarge { what, limit } => write!(f, "{what}: more than {} MiB, which no webhook is", limit >> 20),
            Self::StdinTwice => f.write_str("`-` (stdin) is given more than once, and can be read once: use a file"),
            Self::Unusable { what, problem } => write!(f, "{what}: {problem}"),
            Self::Env(name) => write!(f, "the environment variable `{name}` is not set, or is not text: export it"),
            Self::Secret { label, error } => write!(f, "the secret `{label}` cannot be used: {error}"),
            Self::NoSuchSecret { label, labels } => {
                write!(f, "--secret-expires names `{label}`, and the secrets are called: {}", labels.join(", "))
            }
            Self::PublicKey { number, error } => write!(f, "--public-key, the one at place {number}: {error}"),
            Self::PrivateKey { label, error } => write!(f, "the private key `{label}` cannot be used: {error}"),
            Self::Token(error) => error.fmt(f),
            Self::KeySet { what, error } => write!(f, "{what}: {error}"),
            Self::Fetch { what, error } => write!(f, "{what}: cannot be fetched: {error}"),
            Self::Verifier(error) => error.fmt(f),
            Self::TooManySecrets { limit } => {
                write!(f, "more than {limit} secrets and private keys: leave out those that have expired")
            }
            Self::Random(error) => write!(f, "the system gives no random bytes: {error}"),
            Self::Url(problem) => f.write_str(problem),
            Self::Argument { name, problem } => write!(f, "{name}: {problem}"),
            Self::Emulator(StartError::Config(ConfigError::BeyondLoopback(_))) => f.write_str(
                "--listen: other machines could reach the emulator, and whoever does can have it post anything to any \
                 address: listen on 127.0.0.1, or add --danger-listen-beyond-loopback",
            ),
            Self::Emulator(error) => error.fmt(f),
            Self::Runtime(error) => write!(f, "the runtime cannot be started: {error}"),
            Self::Write(error) => write!(f, "stdout cannot be written: {error}"),
        }
    }
}

impl std::error::Error for Error {}
