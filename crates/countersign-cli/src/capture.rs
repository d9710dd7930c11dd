//! The captured request: headers and body, in every form that people paste.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use countersign_explain::{Capture, CaptureError};

use crate::error::Error;
use crate::{input, output};

/// The options for the request. `-` is stdin.
#[derive(Args, Debug)]
#[group(skip)]
#[command(group = ArgGroup::new("capture").required(true))]
pub(crate) struct CaptureArgs {
    #[arg(long, value_name = "FILE", group = "capture", help = REQUEST_HELP)]
    request: Option<PathBuf>,
    /// The request as it is on the wire: head, an empty line, body
    #[arg(long, value_name = "FILE", group = "capture")]
    raw: Option<PathBuf>,
    /// The headers, as lines, as JSON, or as a language prints them; goes with --body
    #[arg(long, value_name = "FILE", group = "capture", requires = "body")]
    headers: Option<PathBuf>,
    /// The body, byte for byte; goes with --headers
    #[arg(long, value_name = "FILE", requires = "headers")]
    body: Option<PathBuf>,
}

const REQUEST_HELP: &str = "The whole request in any form: JSON (headers and body, an event of a function, HAR, an inspector's \
                            export), a printed object, a curl command or trace, a dump, or as it is on the wire";

impl CaptureArgs {
    pub(crate) fn read(&self) -> Result<Capture, Error> {
        let capture = match (&self.request, &self.raw, &self.headers, &self.body) {
            (Some(path), ..) => parse(path, input::REQUEST_LIMIT, Capture::from_request)?,
            (_, Some(path), ..) => parse(path, input::BODY_LIMIT + input::TEXT_LIMIT, Capture::from_raw)?,
            (_, _, Some(headers), Some(body)) => {
                let headers = parse(headers, input::TEXT_LIMIT, Capture::parse_headers)?;
                Capture::new(headers, input::read(body, input::BODY_LIMIT)?)
            }
            _ => {
                return Err(Error::Argument {
                    name: "--headers",
                    problem: "give --request, --raw, or --headers and --body".into(),
                });
            }
        };
        if let Some(doubt) = &capture.doubt {
            output::complain(&format_args!("warning: {doubt}"));
        }
        Ok(capture)
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.request, &self.raw, &self.headers, &self.body].into_iter().flatten()
    }
}

fn parse<T>(path: &Path, limit: u64, read: fn(&[u8]) -> Result<T, CaptureError>) -> Result<T, Error> {
    let bytes = input::read(path, limit)?;
    read(&bytes).map_err(|error| Error::Unusable { what: input::name(path), problem: error.to_string() })
}
