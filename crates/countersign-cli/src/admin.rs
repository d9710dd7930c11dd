//! The admin listener of a gateway: its address, its token, and requests to it.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use countersign_client::{Client, ClientBuilder, Error as ClientError};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, Request, StatusCode};
use tokio::runtime::Runtime;

use crate::error::Error;
use crate::network::{self, NetworkArgs};
use crate::output::shown;
use crate::post::parse_url;
use crate::{input, time};

/// The maximum size of a response, in bytes: a stored body can be shown.
const MAX_RESPONSE: usize = 128 << 20;

/// The options of every verb that sends commands to a gateway.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct AdminArgs {
    /// The gateway's admin listener
    #[arg(long, value_name = "URL")]
    admin: String,
    /// The file that contains the gateway's `admin_token`; a newline at its end is ignored
    #[arg(long, value_name = "FILE", conflicts_with = "token_env")]
    token_file: Option<PathBuf>,
    /// The environment variable that contains the gateway's `admin_token`
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
    /// How long to wait for a response
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = time::parse_duration)]
    timeout: Duration,
    #[command(flatten)]
    network: NetworkArgs,
}

/// The admin listener of one gateway.
pub(crate) struct Admin {
    base: String,
    token: Option<HeaderValue>,
    client: Client,
    runtime: Runtime,
}

impl AdminArgs {
    /// How requests to other servers are sent.
    pub(crate) fn client(&self) -> Result<ClientBuilder, Error> {
        Ok(self.network.client()?.timeout(self.timeout).connect_timeout(self.timeout))
    }

    /// Reads the token. Nothing is sent.
    pub(crate) fn open(&self) -> Result<Admin, Error> {
        input::stdin_once(self.network.files().chain(&self.token_file))?;
        let base = parse_url(&self.admin)?;
        if base.path() != "/" || base.query().is_some() {
            let problem = "give the address of the admin listener alone, such as http://127.0.0.1:9901".to_owned();
            return Err(Error::Argument { name: "--admin", problem });
        }
        Ok(Admin {
            base: self.admin.trim_end_matches('/').to_owned(),
            token: self.token()?,
            client: self.client()?.max_body(MAX_RESPONSE).max_idle_connections(1).build(),
            runtime: network::runtime()?,
        })
    }

    /// The value of `Authorization`, if a token is given.
    fn token(&self) -> Result<Option<HeaderValue>, Error> {
        let stored = input::line(self.token_file.as_deref(), self.token_env.as_deref(), "a token")?;
        let Some((what, line)) = stored else { return Ok(None) };
        let value = HeaderValue::try_from(format!("Bearer {}", *line));
        let mut value = value.map_err(|error| Error::Unusable { what, problem: error.to_string() })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

impl Admin {
    /// Runs requests to other servers.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Sends a command with this path and query, which are encoded. Returns the body of a response with 200, or says why
    /// there is none.
    pub(crate) fn send(&self, method: Method, path: &str) -> Result<Result<Bytes, String>, Error> {
        let url = parse_url(&format!("{}{path}", self.base))?;
        let mut request = Request::builder().method(method).uri(url);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.clone());
        }
        let request = request.body(Bytes::new()).map_err(|error| Error::Url(error.to_string()))?;
        Ok(match self.runtime.block_on(exchange(&self.client, request)) {
            Ok((StatusCode::OK, body)) => Ok(body),
            Ok((status, body)) => Err(problem(status, &String::from_utf8_lossy(&body))),
            Err(error) => Err(format!("{}: {error}", shown(&self.base))),
        })
    }
}

async fn exchange(client: &Client, request: Request<Bytes>) -> Result<(StatusCode, Bytes), ClientError> {
    let (head, body) = client.send(request).await?.into_parts();
    Ok((head.status, body.bytes().await?))
}

/// Why the gateway did not do it. It says so in plain text.
fn problem(status: StatusCode, text: &str) -> String {
    let text = shown(text.trim());
    match status {
        StatusCode::UNAUTHORIZED => {
            "the gateway needs its `admin_token`: give the right one with --token-file or --token-env".into()
        }
        _ if text.is_empty() => format!("the response has status {status}"),
        _ => format!("{text} ({})", status.as_u16()),
    }
}
