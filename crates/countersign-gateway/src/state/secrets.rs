//! Reads secrets from the variables and files that a configuration names.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use countersign::secret::SecretError;
use countersign::sign::Signer;
use countersign::{MessageId, Secret, UnixTime};
use countersign_senders::Key;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::admin_token::AdminToken;
use crate::config::{AdminTokenSpec, EncodingSpec, KeyPath, Problem, SecretOrigin, SecretRef, hide};

/// The maximum length of a secret file, in bytes.
const MAX_FILE: usize = 64 * 1024;

/// Reads secrets, and remembers those that it has read.
pub(super) struct Secrets<'f> {
    folder: &'f Path,
    known: Vec<Known>,
}

struct Known {
    fingerprint: Vec<u8>,
    source: String,
    shown: String,
}

impl<'f> Secrets<'f> {
    pub(super) fn new(folder: &'f Path) -> Self {
        Self { folder, known: Vec::new() }
    }

    /// Where relative paths start.
    pub(super) fn folder(&self) -> &Path {
        self.folder
    }

    /// Reads the secret that this entry of a source names.
    pub(super) fn read(
        &mut self,
        source: &str,
        at: &KeyPath,
        entry: &SecretRef,
        warnings: &mut Vec<Problem>,
    ) -> Result<Secret, Problem> {
        let problem = |message: &str| Problem::at(at, message);
        let SecretRef { origin, label, expires_at, encoding } = entry;
        let encoding = encoding.unwrap_or_default();
        let shown = shown(origin, self.folder);
        let mut secret =
            read(origin, encoding, self.folder, &shown).map_err(|message| problem(&message).showing(shown.clone()))?;
        if let Some(label) = label {
            secret = secret.labelled(label.as_str());
        }
        if let Some(at) = expires_at {
            secret = secret.expiring_at(*at);
        }
        let mut doubts = Vec::new();
        let named = format!("the secret in {shown}");
        if secret.is_short() {
            doubts.push((format!("{named} is shorter than 24 bytes: ask the sender for a longer one"), None));
        }
        if let Some(doubt) = secret.doubt() {
            doubts.push((format!("{named} is {doubt}"), None));
        }
        if let SecretOrigin::File(path) = origin
            && std::fs::metadata(self.folder.join(path)).is_ok_and(|about| about.is_file() && about.mode() & 0o002 != 0)
        {
            doubts.push((
                format!(
                    "anybody on this machine can replace {named}: remove the write permission for others (chmod o-w)"
                ),
                None,
            ));
        }
        doubts.extend(self.remember(source, &secret, &shown));
        let doubts = doubts.into_iter().map(|(doubt, other)| problem(&doubt).showing(shown.clone()).showing(other));
        warnings.extend(doubts);
        Ok(secret)
    }

    /// Reads the value of a header that a route sets.
    pub(super) fn read_value(&self, at: &KeyPath, origin: &SecretOrigin) -> Result<HeaderValue, Problem> {
        let shown = shown(origin, self.folder);
        let problem = |message: String| Problem::at(at, message).showing(shown.clone());
        let (found, text) = text_of(origin, self.folder, &shown).map_err(problem)?;
        let value =
            Some(line_of(&text)).filter(|line| !line.is_empty()).and_then(|line| HeaderValue::from_str(line).ok());
        let mut value = value.ok_or_else(|| problem(format!("{found}: it is not one line of visible ASCII")))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Compares the secret with all others by their signatures, which do not reveal them. Returns a warning about an
    /// equal secret, and its name.
    fn remember(&mut self, source: &str, secret: &Secret, shown: &str) -> Option<(String, Option<String>)> {
        let fingerprint = fingerprint(secret)?;
        let known = self.known.iter().find(|known| known.fingerprint == fingerprint);
        let doubt = known.map(|Known { source: other, shown: same, .. }| {
            let doubt = format!("the secret in {shown} is the same as the secret in {same}");
            let doubt = if other == source {
                format!("{doubt}: remove one, or read the right one")
            } else {
                format!("{doubt}, of the source `{other}`: each of the two senders can sign as the other")
            };
            (doubt, Some(same.clone()))
        });
        self.known.push(Known { fingerprint, source: source.to_owned(), shown: shown.to_owned() });
        doubt
    }
}

/// A signature that is the same for equal secrets, in any encoding.
fn fingerprint(secret: &Secret) -> Option<Vec<u8>> {
    let unlimited = secret.clone().expiring_at(UnixTime::from_secs(u64::MAX / 1000));
    let headers = Signer::new([unlimited]).ok()?.sign(&MessageId::parse("same").ok()?, UnixTime::from_secs(0), b"");
    Some(headers.get(countersign::header::WEBHOOK_SIGNATURE)?.as_bytes().to_vec())
}

/// Its name, or a placeholder if a secret may have been pasted in place of the name.
fn shown(origin: &SecretOrigin, folder: &Path) -> String {
    match origin {
        SecretOrigin::Env(name) => hide::variable(name).to_owned(),
        SecretOrigin::File(path) => folder.join(hide::path(path, folder)).display().to_string(),
    }
}

/// The secret, labelled with the name of its variable or file, which is `shown`.
fn read(origin: &SecretOrigin, encoding: EncodingSpec, folder: &Path, shown: &str) -> Result<Secret, String> {
    let (found, text) = text_of(origin, folder, shown)?;
    let label = match origin {
        SecretOrigin::Env(_) => shown,
        SecretOrigin::File(_) => shown.rsplit('/').next().unwrap_or_default(),
    };
    let secret = parse(line_of(&text), encoding).map_err(|error| format!("{found}: {error}"))?;
    let is_label = label.len() <= 64 && label.bytes().all(|byte| byte.is_ascii_graphic());
    Ok(if is_label && !label.contains(hide::HIDDEN) { secret.labelled(label) } else { secret })
}

/// Where the text was found, and the text.
fn text_of(origin: &SecretOrigin, folder: &Path, shown: &str) -> Result<(String, Zeroizing<String>), String> {
    match origin {
        SecretOrigin::Env(name) => {
            let wrong = |why: &str| format!("the environment variable {shown} {why}");
            let text = std::env::var(name).map_err(|error| match error {
                std::env::VarError::NotPresent => wrong("is not set"),
                std::env::VarError::NotUnicode(bytes) => {
                    drop(Zeroizing::new(bytes.into_encoded_bytes()));
                    wrong("is not text: a secret is base64")
                }
            })?;
            Ok((format!("in the environment variable {shown}"), Zeroizing::new(text)))
        }
        SecretOrigin::File(path) => {
            let text = read_file(&folder.join(path)).map_err(|why| format!("{shown} {why}"))?;
            Ok((format!("in {shown}"), text))
        }
    }
}

/// Editors end a file with a newline. Anything else around a secret is an error.
fn line_of(text: &str) -> &str {
    text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line))
}

/// The key that this text stands for.
fn parse(text: &str, encoding: EncodingSpec) -> Result<Secret, SecretError> {
    match encoding.form().read(text) {
        Key::Bytes(key) => Secret::from_bytes(key),
        Key::Encoded(text) => Secret::parse(text),
    }
}

/// The text that is stored there, and where that is for errors, in a form that may be shown.
pub(super) fn read_text(origin: &SecretOrigin, folder: &Path) -> Result<(String, Zeroizing<String>), (String, String)> {
    let shown = shown(origin, folder);
    let read = text_of(origin, folder, &shown);
    read.map(|(found, text)| (found, Zeroizing::new(line_of(&text).to_owned()))).map_err(|why| (why, shown))
}

/// The token that this entry of `[server]` names.
pub(super) fn read_token(spec: &AdminTokenSpec, folder: &Path) -> Result<AdminToken, Problem> {
    let shown = folder.join(hide::path(spec.file(), folder)).display().to_string();
    let token = read_file(&folder.join(spec.file())).and_then(|text| {
        AdminToken::new(line_of(&text)).ok_or_else(|| {
            "does not hold a token: write 16 to 4096 visible ASCII characters, for example from `openssl rand -hex 32`".into()
        })
    });
    token.map_err(|why| {
        let at = KeyPath::server().key("admin_token");
        Problem::at_first([at.key("file"), at], format!("{shown} {why}")).showing(shown)
    })
}

/// The token that a backend sends to fetch messages.
pub(super) fn pull_token(secrets: &Secrets<'_>, origin: &SecretOrigin, at: &KeyPath) -> Result<AdminToken, Problem> {
    let value = secrets.read_value(at, origin)?;
    let token = value.to_str().ok().and_then(AdminToken::new);
    token.ok_or_else(|| {
        let why = "it does not hold a token: write 16 to 4096 visible ASCII characters, for example from `openssl rand -hex 32`";
        Problem::at(at, why)
    })
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let file = std::fs::File::open(path).map_err(unreadable)?;
    if file.metadata().is_ok_and(|about| about.is_dir()) {
        return Err("is a directory: name the file in it".into());
    }
    // Reserve the whole capacity at once, because a growing vector would leave copies in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE + 1));
    file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_FILE {
        return Err("is larger than 64 KiB, so it is not a secret".into());
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || bytes.contains(&0) {
        return Err("is UTF-16 or binary: save the secret as plain text".into());
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err("begins with a byte order mark: save it as UTF-8 without one".into());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "is not text: a secret is base64".to_owned())?;
    Ok(Zeroizing::new(text.to_owned()))
}
