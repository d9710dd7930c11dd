//! `countersign forget`

use std::path::PathBuf;

use bytes::Bytes;
use countersign::MessageId;
use countersign_client::{Client, Error as ClientError};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::exit::Outcome;
use crate::network::{self, NetworkArgs};
use crate::output::{Output, complain, shown};
use crate::post::parse_url;
use crate::{input, time};

const EXAMPLE: &str = "\
Example:
  countersign forget gemini msg_2f7a --admin http://127.0.0.1:9901
  countersign forget gemini msg_2f7a --admin http://10.0.0.5:9901 --token-file admin.token

Exit code: 0 if the id is forgotten, 1 if the gateway did not do it, 2 for invalid arguments.";

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The name of the source in the gateway's configuration
    source: String,
    /// The id of the message (`webhook-id`)
    id: String,
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
    timeout: std::time::Duration,
    #[command(flatten)]
    network: NetworkArgs,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Outcome, Error> {
    input::stdin_once(args.network.files().chain(&args.token_file))?;
    let id = MessageId::parse(&args.id)
        .map_err(|error| Error::Argument { name: "ID", problem: format!("`{}`: {error}", shown(&args.id)) })?;
    let mut request = Request::builder().method(Method::DELETE).uri(url(&args.admin, &args.source, id.as_str())?);
    if let Some(token) = token(args)? {
        request = request.header(AUTHORIZATION, token);
    }
    let request = request.body(Bytes::new()).map_err(|error| Error::Url(error.to_string()))?;
    let client = args.network.client()?.timeout(args.timeout).connect_timeout(args.timeout).build();
    match network::runtime()?.block_on(exchange(&client, request)) {
        Ok((StatusCode::OK, _)) => {
            out.print(&format!("forgot {id}: its next delivery to `{}` is handled again\n", shown(&args.source)))?;
            Ok(Outcome::Done)
        }
        Ok((status, text)) => {
            complain(&format!("{id} is not forgotten: {}", problem(status, &text)));
            Ok(Outcome::Rejected)
        }
        Err(error) => {
            complain(&format!("{id} is not forgotten: {}: {error}", shown(&args.admin)));
            Ok(Outcome::Rejected)
        }
    }
}

/// The URL of the command, under the address of the admin listener.
fn url(admin: &str, source: &str, id: &str) -> Result<Uri, Error> {
    let base = parse_url(admin)?;
    if base.path() != "/" || base.query().is_some() {
        let problem = "give the address of the admin listener alone, such as http://127.0.0.1:9901".to_owned();
        return Err(Error::Argument { name: "--admin", problem });
    }
    let segment = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let url = format!("{}/-/sources/{}/ids/{}", admin.trim_end_matches('/'), segment(source), segment(id));
    parse_url(&url)
}

/// The value of `Authorization`, if a token is given.
fn token(args: &Args) -> Result<Option<HeaderValue>, Error> {
    let (what, text) = match (&args.token_file, &args.token_env) {
        (Some(file), _) => {
            let bytes = Zeroizing::new(input::read(file, input::TEXT_LIMIT)?);
            (input::name(file), Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
        }
        (None, Some(name)) => {
            let text = std::env::var(name).map_err(|_| Error::Env(name.clone()))?;
            (format!("the environment variable `{name}`"), Zeroizing::new(text))
        }
        (None, None) => return Ok(None),
    };
    let line = text.strip_suffix('\n').map_or(&**text, |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() || !line.bytes().all(|byte| byte.is_ascii_graphic()) {
        let problem = "this is not a token, which is one line of visible ASCII characters without spaces".to_owned();
        return Err(Error::Unusable { what, problem });
    }
    let value = HeaderValue::try_from(format!("Bearer {line}"));
    let mut value = value.map_err(|error| Error::Unusable { what, problem: error.to_string() })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

async fn exchange(client: &Client, request: Request<Bytes>) -> Result<(StatusCode, String), ClientError> {
    let (head, body) = client.send(request).await?.into_parts();
    let body = body.bytes().await?;
    Ok((head.status, String::from_utf8_lossy(&body).into_owned()))
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
