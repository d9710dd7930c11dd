//! Invalid arguments, unreadable files, and other failures that end a run with exit code 2.

use std::io;
use std::net::SocketAddr;

use countersign::key::{KeySetError, PublicKeyError};
use countersign::sign::{PrivateKeyError, TokenSignerError};
use countersign::verifier::VerifierError;
use countersign_client::{CaError, ProxyError};
use countersign_emulator::{ConfigError, StartError};
use countersign_explain::SecretTextError;
use countersign_jwks::FetchError;

/// Why a run could not do its work. The message never contains a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file or stdin cannot be read.
    #[error("{what}: cannot be read: {error}")]
    Read { what: String, error: io::Error },
    /// A file or stdin is too large.
    #[error("{what}: more than {} MiB, which no webhook has", limit >> 20)]
    TooLarge { what: String, limit: u64 },
    /// Stdin is named twice.
    #[error("`-` (stdin) is given more than once, but can be read only once: use a file")]
    StdinTwice,
    /// A file cannot be written.
    #[error("{what}: cannot be written: {error}")]
    WriteFile { what: String, error: io::Error },
    /// The contents of a file are not what they should be.
    #[error("{what}: {problem}")]
    Unusable { what: String, problem: String },
    /// An environment variable is not set, or is not UTF-8.
    #[error("the environment variable `{0}` is not set, or is not UTF-8: export it")]
    Env(String),
    /// A secret is invalid.
    #[error(transparent)]
    Secret(SecretTextError),
    /// An expiry names an unknown secret.
    #[error("--secret-expires names `{label}`, but the secrets are called: {}", labels.join(", "))]
    NoSuchSecret { label: String, labels: Vec<String> },
    /// A public key is invalid.
    #[error("--public-key, number {number}: {error}")]
    PublicKey { number: usize, error: PublicKeyError },
    /// A private key is invalid.
    #[error("the private key `{label}` cannot be used: {error}")]
    PrivateKey { label: String, error: PrivateKeyError },
    /// A token cannot be signed.
    #[error(transparent)]
    Token(TokenSignerError),
    /// A document is not a key set.
    #[error("{what}: {error}")]
    KeySet { what: String, error: KeySetError },
    /// A key set cannot be fetched.
    #[error("{what}: cannot be fetched: {error}")]
    Fetch { what: String, error: FetchError },
    /// A file holds no certificate authorities.
    #[error("{what}: {error}")]
    Ca { what: String, error: CaError },
    /// The environment's proxy cannot be used.
    #[error("--proxy-from-env: HTTPS_PROXY: {0}")]
    Proxy(ProxyError),
    /// The keys make no verifier.
    #[error(transparent)]
    Verifier(VerifierError),
    /// There are more keys than can sign.
    #[error("more than {limit} secrets and private keys: leave out those that have expired")]
    TooManySecrets { limit: usize },
    /// The system provides no random bytes.
    #[error("the system provides no random bytes: {0}")]
    Random(getrandom::Error),
    /// The URL cannot be requested.
    #[error("{0}")]
    Url(String),
    /// An argument is invalid.
    #[error("{name}: {problem}")]
    Argument { name: &'static str, problem: String },
    /// An address cannot be listened on.
    #[error("--listen: {address} cannot be listened on: {error}")]
    Listen { address: SocketAddr, error: io::Error },
    /// The emulator cannot start.
    #[error("{}", describe_start(.0))]
    Emulator(StartError),
    /// The runtime cannot be started.
    #[error("the runtime cannot be started: {0}")]
    Runtime(io::Error),
    /// Stdout cannot be written.
    #[error("stdout cannot be written: {0}")]
    Write(io::Error),
}

/// Names the options, where the library names its own settings.
fn describe_start(error: &StartError) -> String {
    match error {
        StartError::Config(ConfigError::BeyondLoopback(_)) => {
            "--listen: other machines could reach the emulator and make it send requests to any address: listen on \
             127.0.0.1, or add --danger-listen-beyond-loopback"
                .into()
        }
        error => error.to_string(),
    }
}
