//! Secrets from the command line, the environment and files. They have labels, and are never printed.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use countersign::{Secret, UnixTime};
use countersign_explain::SecretText;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::input;
use crate::output;
use crate::preset::PresetArgs;
use crate::time;

/// The longest label, in bytes. A longer one is replaced by a number.
const MAX_LABEL_LEN: usize = 64;

/// The options for secrets. At least one secret or key is required.
#[derive(Args, Debug)]
#[group(skip)]
#[command(group = ArgGroup::new("keys").required(true).multiple(true))]
pub(crate) struct SecretArgs {
    /// A secret, `whsec_…`. Other users of this machine can read it in the process list
    #[arg(long, value_name = "TEXT", group = "keys")]
    secret: Vec<String>,
    /// The environment variable that holds a secret
    #[arg(long, value_name = "NAME", group = "keys")]
    secret_env: Vec<String>,
    /// The file that holds a secret; a newline at its end is ignored
    #[arg(long, value_name = "FILE", group = "keys")]
    secret_file: Vec<PathBuf>,
    /// When a secret expires: KEY is the variable, the file name, or `secret-1` for the first --secret; TIME is
    /// Unix seconds or RFC 3339
    #[arg(long, value_name = "KEY=TIME", value_parser = parse_expiry)]
    secret_expires: Vec<(String, UnixTime)>,
    #[command(flatten)]
    preset: PresetArgs,
}

/// Secrets that are tried, but not trusted.
#[derive(Args, Debug)]
#[expect(clippy::struct_field_names, reason = "they are the names of the arguments")]
pub(crate) struct OtherSecretArgs {
    /// Another secret that may have been used, for example an older one or another environment's
    #[arg(long, value_name = "TEXT")]
    try_secret: Vec<String>,
    /// The environment variable that holds such a secret
    #[arg(long, value_name = "NAME")]
    try_secret_env: Vec<String>,
    /// The file that holds such a secret
    #[arg(long, value_name = "FILE")]
    try_secret_file: Vec<PathBuf>,
}

impl SecretArgs {
    /// The secrets, if all of them are valid.
    pub(crate) fn secrets(&self) -> Result<Vec<Secret>, Error> {
        usable(&self.texts()?)
    }

    /// The secrets as given.
    pub(crate) fn texts(&self) -> Result<Vec<SecretText>, Error> {
        let texts = load("secret", &self.secret, &self.secret_env, &self.secret_file)?;
        let mut texts: Vec<_> = texts.into_iter().map(|text| text.in_form(self.preset.secret_form())).collect();
        for (label, at) in &self.secret_expires {
            let named: Vec<_> = texts.iter_mut().filter(|text| text.label == *label).collect();
            if named.is_empty() {
                let labels = texts.iter().map(|text| text.label.clone()).collect();
                return Err(Error::NoSuchSecret { label: label.clone(), labels });
            }
            for text in named {
                text.expires_at = Some(*at);
            }
        }
        Ok(texts)
    }

    pub(crate) fn preset(&self) -> &PresetArgs {
        &self.preset
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.secret_file.iter()
    }
}

impl OtherSecretArgs {
    pub(crate) fn texts(&self) -> Result<Vec<SecretText>, Error> {
        load("try-secret", &self.try_secret, &self.try_secret_env, &self.try_secret_file)
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.try_secret_file.iter()
    }
}

/// The secrets, if all of them are valid.
pub(crate) fn usable(texts: &[SecretText]) -> Result<Vec<Secret>, Error> {
    let secrets = texts.iter().map(SecretText::read).collect::<Result<Vec<_>, _>>().map_err(Error::Secret)?;
    for secret in secrets.iter().filter(|secret| secret.is_short()) {
        let label = secret.label().unwrap_or_default();
        output::complain(&format_args!("warning: the secret `{label}` has fewer than 24 bytes: use a longer one"));
    }
    Ok(secrets)
}

/// Loads secret texts: from arguments, environment variables and files.
pub(crate) fn load(kind: &str, texts: &[String], vars: &[String], files: &[PathBuf]) -> Result<Vec<SecretText>, Error> {
    let mut loaded = Vec::new();
    let mut add = |label: Option<&str>, given: SecretText| {
        let label = label.filter(|label| is_label(label)).map(str::to_owned);
        let label = label.unwrap_or_else(|| format!("{kind}-{}", loaded.len() + 1));
        loaded.push(SecretText { label, ..given });
    };
    for text in texts {
        add(None, SecretText::new("", text.as_str()));
    }
    for var in vars {
        let text = std::env::var(var).map_err(|_| Error::Env(var.clone()))?;
        add(Some(var), SecretText::new("", text));
    }
    for file in files {
        let bytes = Zeroizing::new(input::read(file, input::TEXT_LIMIT)?);
        let problem =
            || Error::Unusable { what: input::name(file), problem: "this is not text, so it is not a secret".into() };
        let given = SecretText::of_file("", &bytes).ok_or_else(problem)?;
        add(file.file_name().and_then(|name| name.to_str()), given);
    }
    Ok(loaded)
}

fn is_label(text: &str) -> bool {
    (1..=MAX_LABEL_LEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn parse_expiry(text: &str) -> Result<(String, UnixTime), String> {
    let (label, at) = text.rsplit_once('=').ok_or("write KEY=TIME")?;
    Ok((label.into(), time::parse(at)?))
}
