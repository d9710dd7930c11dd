//! How requests leave this machine: certificate authorities, proxy, runtime.

use std::path::PathBuf;

use clap::Args;
use countersign_client::{CaBundle, Client, ClientBuilder, Proxy, ProxyError};
use tokio::runtime::{Builder, Runtime};

use crate::error::Error;
use crate::input;

/// The options of every verb that makes requests.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArgs {
    /// Trust the certificate authorities in this PEM file, and no others, for https
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Send requests through this HTTP proxy (CONNECT): `http://[user:password@]host:port`. Other users of this
    /// machine can read it in the process list
    #[arg(long, value_name = "URL", conflicts_with = "proxy_from_env")]
    // Parsed later: an error of the argument parser would repeat the password.
    proxy: Option<String>,
    /// Send https requests through the proxy in `HTTPS_PROXY`, except to the hosts in `NO_PROXY`
    #[arg(long)]
    proxy_from_env: bool,
}

impl NetworkArgs {
    /// A client with these options.
    pub(crate) fn client(&self) -> Result<ClientBuilder, Error> {
        let builder = Client::builder().proxy(self.proxy()?);
        Ok(match self.ca()? {
            Some(ca) => builder.ca(ca),
            None => builder,
        })
    }

    /// The proxy, if one was given.
    pub(crate) fn proxy(&self) -> Result<Option<Proxy>, Error> {
        match &self.proxy {
            Some(text) => {
                let problem = |error: ProxyError| Error::Argument { name: "--proxy", problem: error.to_string() };
                Proxy::parse(text).map(Some).map_err(problem)
            }
            None if self.proxy_from_env => Proxy::from_env().map_err(Error::Proxy),
            None => Ok(None),
        }
    }

    /// The certificate authorities, if a file was given.
    pub(crate) fn ca(&self) -> Result<Option<CaBundle>, Error> {
        let read = |path: &PathBuf| {
            let pem = input::read(path, input::TEXT_LIMIT)?;
            CaBundle::from_pem(&pem).map_err(|error| Error::Ca { what: input::name(path), error })
        };
        self.ca.as_ref().map(read).transpose()
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.ca.iter()
    }
}

/// The runtime of a verb that makes requests.
pub(crate) fn runtime() -> Result<Runtime, Error> {
    Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)
}
