//! What the servers of stores have in common.

use std::error::Error;
use std::path::Path;

use super::super::secrets::Secrets;
use crate::config::{CaFile, KeyPath, Problem, SecretOrigin, hide};

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

/// The certificate authorities in this file, for a configuration in this directory.
pub(super) fn authorities(file: Option<&CaFile>, folder: &Path) -> Result<Option<Vec<u8>>, Problem> {
    let Some(CaFile(path)) = file else { return Ok(None) };
    std::fs::read(folder.join(path)).map(Some).map_err(|error| {
        let shown = folder.join(hide::path(path, folder)).display().to_string();
        let message = format!("the file {shown} cannot be read: {error}");
        Problem::at(&KeyPath::store().key("ca"), message).showing(shown)
    })
}
