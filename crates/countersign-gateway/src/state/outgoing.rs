//! How the gateway reaches the servers of others: which authorities it trusts, and through which proxy.

use std::path::Path;

use countersign_client::{CaBundle, Client, ClientBuilder, Proxy};
use zeroize::Zeroizing;

use super::pem_file::PemFile;
use super::secrets;
use crate::config::{AuthoritiesSpec, JwksProxySpec, KeyPath, Problem};

/// How the gateway reaches a server.
#[derive(Clone, Default)]
pub(super) struct Outgoing {
    /// The authorities that are trusted, unless it is the public ones.
    pub(super) ca: Option<CaBundle>,
    /// The proxy, if there is one.
    pub(super) proxy: Option<Proxy>,
    read: Files,
}

/// What was read elsewhere.
#[derive(Clone, Default, PartialEq)]
struct Files {
    authorities: Option<Zeroizing<Vec<u8>>>,
    /// The URL of the proxy.
    proxy: Option<Zeroizing<String>>,
}

impl Outgoing {
    /// Reads what the keys `ca` and `proxy` of this table say. Relative paths start at `folder`.
    pub(super) fn read(
        ca: Option<&AuthoritiesSpec>,
        proxy: Option<&JwksProxySpec>,
        at: &KeyPath,
        folder: &Path,
    ) -> Result<Self, Problem> {
        let mut outgoing = Self::default();
        if let Some(ca) = ca {
            let file = PemFile::of_authorities(ca, at.key("ca"), folder)?;
            let bundle = CaBundle::from_pem(&file.bytes);
            outgoing.ca = Some(bundle.map_err(|error| file.problem(&format!("cannot be used: {error}")))?);
            outgoing.read.authorities = Some(file.bytes);
        }
        if let Some(proxy) = proxy {
            outgoing.read_proxy(proxy, at, folder)?;
        }
        Ok(outgoing)
    }

    fn read_proxy(&mut self, spec: &JwksProxySpec, at: &KeyPath, folder: &Path) -> Result<(), Problem> {
        let problem = |message: String| Problem::at_first([at.key("proxy"), at.clone()], format!("`proxy`: {message}"));
        self.proxy = match spec {
            JwksProxySpec::Url(url) => Some(Proxy::parse(url).map_err(|error| problem(error.to_string()))?),
            JwksProxySpec::Environment => {
                Proxy::from_env().map_err(|error| problem(format!("`HTTPS_PROXY` in the environment: {error}")))?
            }
            JwksProxySpec::Stored(origin) => {
                let read = secrets::read_text(origin, folder);
                let (found, text) = read.map_err(|(message, shown)| problem(message).showing(shown))?;
                let proxy = Proxy::parse(&text);
                let proxy = proxy.map_err(|error| problem(format!("{found}: {error}")).showing(found))?;
                self.read.proxy = Some(text);
                Some(proxy)
            }
        };
        Ok(())
    }

    /// A client for such requests.
    pub(super) fn client(&self) -> ClientBuilder {
        let client = Client::builder().proxy(self.proxy.clone());
        match &self.ca {
            Some(ca) => client.ca(ca.clone()),
            None => client,
        }
    }

    /// Whether the same was read for both.
    pub(super) fn read_the_same(&self, other: &Self) -> bool {
        self.read == other.read
    }
}
