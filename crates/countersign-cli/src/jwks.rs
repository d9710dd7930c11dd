//! Key sets, from files and from where senders publish them.

use std::path::Path;

use countersign::KeySet;
use countersign_jwks::{Fetch as _, HttpFetch, JwksUrl};

use crate::error::Error;
use crate::{client, input};

/// Reads the usable keys of a document.
pub(crate) fn key_set(source: &Path) -> Result<KeySet, Error> {
    parse(source, &read(source)?)
}

pub(crate) fn parse(source: &Path, document: &[u8]) -> Result<KeySet, Error> {
    KeySet::parse(document).map_err(|error| Error::KeySet { what: input::name(source), error })
}

/// Reads a document from a file, stdin (`-`) or a URL.
pub(crate) fn read(source: &Path) -> Result<Vec<u8>, Error> {
    let Some(text) = source.to_str().filter(|text| text.contains("://")) else {
        return input::read(source, input::TEXT_LIMIT);
    };
    let url = JwksUrl::parse(text).map_err(|error| Error::Url(format!("`{text}`: {error}")))?;
    let fetched = client::runtime()?.block_on(HttpFetch::new(url).fetch());
    fetched.map(|document| document.body.to_vec()).map_err(|error| Error::Fetch { what: text.into(), error })
}
