//! What the servers of stores have in common.

use std::error::Error;
use std::path::Path;

use super::super::secrets::Secrets;
use crate::config::{KeyPath, Problem, SecretOrigin};

/// The address of a server, which this key of the store names.
pub(super) fn address(key: &str, origin: &SecretOrigin, folder: &Path) -> Result<String, Problem> {
    let value = Secrets::new(folder).read_value(&KeyPath::store().key(key), origin)?;
    // It is visible ASCII.
    Ok(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Without the cause, which can contain the address, and with it a password.
pub(super) fn invalid(key: &str, error: &dyn Error) -> Problem {
    Problem::at(&KeyPath::store().key(key), error.to_string())
}

pub(crate) fn with_causes(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
