//! Signing: with secrets, private keys, or a token key.

use std::path::PathBuf;

use clap::Args;
use countersign::header::{HeaderSet, WEBHOOK_HEADERS};
use countersign::sign::{PrivateKey, Signer, TokenIssuer, TokenSigner};
use countersign::verifier::MAX_SECRETS;
use countersign::{MessageId, UnixTime};
use countersign_explain::SecretText;
use countersign_senders::renamed;
use http::HeaderMap;
use rustls::pki_types::PrivatePkcs1KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::input;
use crate::output::shown;
use crate::secrets::{self, SecretArgs};

/// The claims about the token itself, not the event (RFC 7519, 4.1).
const REGISTERED: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// The options for signing keys.
#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct SigningArgs {
    #[command(flatten)]
    secrets: SecretArgs,
    /// The environment variable that holds a private key, `whsk_…`, which signs `v1a`
    #[arg(long, value_name = "NAME", group = "keys")]
    private_key_env: Vec<String>,
    /// The file that holds a private key, `whsk_…`, which signs `v1a`
    #[arg(long, value_name = "FILE", group = "keys")]
    private_key_file: Vec<PathBuf>,
    /// The RSA key that signs a token (RS256) instead: PKCS#1 in DER or PEM, as written by `openssl genrsa
    /// -traditional`. The body, a JSON object, becomes the claims
    #[arg(long, value_name = "FILE", group = "keys", requires = "kid", requires = "audience")]
    #[arg(conflicts_with_all = ["secret", "secret_env", "secret_file", "private_key_env", "private_key_file"])]
    token_key_file: Option<PathBuf>,
    /// The key id (`kid`) in the token
    #[arg(long, value_name = "ID", requires = "token_key_file")]
    kid: Option<String>,
    /// The token's audience: the URL that it is sent to, as the receiver knows it
    #[arg(long, value_name = "URL", requires = "token_key_file")]
    audience: Vec<String>,
    /// The token's issuer
    #[arg(long, value_name = "URL", requires = "token_key_file")]
    issuer: Option<String>,
}

/// Signs deliveries, with a list of signatures or a token.
#[derive(Clone)]
pub(crate) struct Signing {
    scheme: Scheme,
    /// The names of the three headers.
    names: &'static HeaderSet,
}

#[derive(Clone)]
enum Scheme {
    List(Signer),
    Token(TokenIssuer),
}

impl SigningArgs {
    pub(crate) fn load(&self) -> Result<Signing, Error> {
        Ok(Signing { scheme: self.scheme()?, names: self.secrets.preset().sent() })
    }

    fn scheme(&self) -> Result<Scheme, Error> {
        if let Some(file) = &self.token_key_file {
            let kid = self.kid.clone().unwrap_or_default();
            let fail = |problem: String| Error::Unusable { what: input::name(file), problem };
            let key = Zeroizing::new(input::read(file, input::TEXT_LIMIT)?);
            let signer = TokenSigner::new(kid, &der(key).map_err(fail)?).map_err(|error| fail(error.to_string()))?;
            let issuer = TokenIssuer::new(signer, self.audience.clone());
            return Ok(Scheme::Token(match &self.issuer {
                Some(name) => issuer.named(name),
                None => issuer,
            }));
        }
        let secrets = self.secrets.secrets()?;
        let texts = secrets::load("private-key", &[], &self.private_key_env, &self.private_key_file)?;
        let read = |given: &SecretText| {
            PrivateKey::parse(&given.text).map_err(|error| Error::PrivateKey { label: given.label.clone(), error })
        };
        let private_keys = texts.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let signer = Signer::with_keys(secrets, private_keys);
        signer.map(Scheme::List).map_err(|_| Error::TooManySecrets { limit: MAX_SECRETS })
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.secrets.files().chain(&self.private_key_file).chain(&self.token_key_file)
    }
}

impl Signing {
    /// The three headers of a delivery.
    pub(crate) fn sign(&self, id: &MessageId, now: UnixTime, body: &[u8]) -> Result<HeaderMap, Error> {
        let headers = match &self.scheme {
            Scheme::List(signer) => signer.sign(id, now, body),
            Scheme::Token(issuer) => {
                let event = event(body).map_err(|problem| Error::Argument { name: "--token-key-file", problem })?;
                issuer.sign(id, now, &event).map_err(Error::Token)?
            }
        };
        Ok(renamed(headers, &WEBHOOK_HEADERS, self.names))
    }

    /// The names of the three headers.
    pub(crate) fn names(&self) -> &'static HeaderSet {
        self.names
    }
}

/// The event as claims. They bind the event only if they are the same JSON.
fn event(body: &[u8]) -> Result<Map<String, Value>, String> {
    let object = serde_json::from_slice(body).ok().zip(str::from_utf8(body).ok());
    let (event, text): (Map<_, _>, _) =
        object.ok_or("a token takes its claims from the body, which is not a JSON object")?;
    if let Some(name) = REGISTERED.iter().find(|name| event.contains_key(**name)) {
        return Err(format!("the body has `{}`, which is a claim about the token itself", shown(name)));
    }
    let written = serde_json::to_string(&event).map_err(|error| error.to_string())?;
    if shape(&written) == shape(text) {
        Ok(event)
    } else {
        Err("the body has a duplicate name, or a number that would be written differently (1.10, 1e3, 20 digits): \
             receivers would not accept the claims as the same event"
            .into())
    }
}

/// What parsing and serializing JSON may change: the number of members, and the digits of numbers.
fn shape(text: &str) -> (usize, Vec<String>) {
    let (mut in_text, mut is_escaped) = (false, false);
    let outside: String = text
        .chars()
        .filter(|character| {
            let was_in_text = in_text;
            in_text ^= *character == '"' && !is_escaped;
            is_escaped = was_in_text && !is_escaped && *character == '\\';
            !was_in_text && !in_text
        })
        .collect();
    let is_number = |word: &&str| word.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let words = outside.split([',', ':', '[', ']', '{', '}']).map(str::trim);
    let mut numbers: Vec<_> = words.filter(is_number).map(str::to_owned).collect();
    numbers.sort_unstable();
    (outside.matches(':').count(), numbers)
}

fn der(key: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, String> {
    const PEM: &[u8] = b"-----BEGIN ";
    if !key.windows(PEM.len()).any(|window| window == PEM) {
        return Ok(key);
    }
    let read = PrivatePkcs1KeyDer::from_pem_slice(&key);
    let read = read.map_err(|_| {
        "it holds no `RSA PRIVATE KEY` (PKCS#1): `openssl rsa -traditional -in FILE` writes one".to_owned()
    })?;
    Ok(Zeroizing::new(read.secret_pkcs1_der().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_its_claims_would_not_bind_is_rejected() {
        for body in [r#"{"a": [1, -2.5, {"b:\"[1.10": "1.10\\"}]}"#, "{}", r#"{"b":1,"a":2}"#] {
            assert!(event(body.as_bytes()).is_ok(), "{body}");
        }
        for body in [
            "[]",
            "",
            r#"{"exp":1}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            r#"{"a":1.10}"#,
            r#"{"a":1e3}"#,
            r#"{"a":18446744073709551617}"#,
        ] {
            assert!(event(body.as_bytes()).is_err(), "{body}");
        }
    }
}
