//! Key sets from files, and from the URLs where senders publish them.

use std::path::Path;

use countersign::KeySet;
use countersign::key::KeySetError;
use countersign_explain::other_document;
use countersign_jwks::{Fetch as _, HttpFetch, JwksUrl};

use crate::error::Error;
use crate::input;
use crate::network::{self, NetworkArgs};

/// Loads the usable keys of a document.
pub(crate) fn load(source: &Path, network: &NetworkArgs) -> Result<KeySet, Error> {
    parse(source, &read(source, network)?)
}

pub(crate) fn parse(source: &Path, document: &[u8]) -> Result<KeySet, Error> {
    KeySet::parse(document).map_err(|error| match other_document::named(document) {
        Some(named) if error == KeySetError::NotAKeySet => {
            Error::Unusable { what: input::name(source), problem: format!("this is not a key set: {named}") }
        }
        _ => Error::KeySet { what: input::name(source), error },
    })
}

/// Whether the key set is at a URL, and not in a file.
pub(crate) fn is_url(source: &Path) -> bool {
    source.to_str().is_some_and(|text| text.contains("://"))
}

/// Reads a document from a file, stdin (`-`) or a URL.
pub(crate) fn read(source: &Path, network: &NetworkArgs) -> Result<Vec<u8>, Error> {
    let Some(text) = source.to_str().filter(|text| text.contains("://")) else {
        return input::read(source, input::TEXT_LIMIT);
    };
    let url = JwksUrl::parse(text).map_err(|error| Error::Url(format!("`{text}`: {error}")))?;
    let fetch = HttpFetch::new(url).proxy(network.proxy()?);
    let fetch = match network.ca()? {
        Some(ca) => fetch.ca(ca),
        None => fetch,
    };
    let fetched = network::runtime()?.block_on(fetch.fetch());
    fetched.map(|document| document.body.to_vec()).map_err(|error| Error::Fetch { what: text.into(), error })
}
