//! A delivery to send: what is signed, and the headers beside the signature.

use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use countersign::gemini::EventKind;
use countersign::{MessageId, UnixTime};
use countersign_emulator::Event;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::post::{Endpoint, Receipt};
use crate::signing::Signing;
use crate::{input, random};

/// The options for the contents of a delivery.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct ContentArgs {
    /// The type of the event to send
    #[arg(long, value_name = "TYPE", required_unless_present = "body")]
    event: Option<String>,
    /// Returned with the event as its `data.user_metadata`
    #[arg(long, value_name = "JSON", requires = "event", value_parser = parse_object)]
    user_metadata: Option<Map<String, Value>>,
    /// Send this file, byte for byte, instead of an event; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "event")]
    body: Option<PathBuf>,
    /// An additional header, or another value for a header that is sent anyway
    #[arg(long, value_name = "NAME: VALUE", value_parser = parse_header)]
    header: Vec<(HeaderName, HeaderValue)>,
}

impl ContentArgs {
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.body.iter()
    }

    /// The body, and the additional headers.
    pub(crate) fn load(&self, now: UnixTime) -> Result<Content, Error> {
        let body: Bytes = match (&self.body, &self.event) {
            (Some(path), _) => input::read(path, input::BODY_LIMIT)?,
            (None, event) => {
                let event = event.as_deref().or(EventKind::BatchSucceeded.name()).unwrap_or_default();
                let event = Event::example(event, &random::short_name()?, now);
                event.with_user_metadata(self.user_metadata.clone()).to_body()
            }
        }
        .into();
        Ok(Content { body, extra: self.header.clone() })
    }
}

/// A body, and additional headers.
#[derive(Clone)]
pub(crate) struct Content {
    pub(crate) body: Bytes,
    extra: Vec<(HeaderName, HeaderValue)>,
}

impl Content {
    /// Signs and posts it.
    pub(crate) async fn post(
        &self,
        endpoint: &Endpoint,
        signing: &Signing,
        id: &MessageId,
        now: UnixTime,
    ) -> Result<Receipt, String> {
        let mut headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (USER_AGENT, HeaderValue::from_static(concat!("countersign/", env!("CARGO_PKG_VERSION")))),
        ]);
        headers.extend(signing.sign(id, now, &self.body).map_err(|error| error.to_string())?);
        for (name, value) in &self.extra {
            headers.insert(name, value.clone());
        }
        endpoint.post(headers, self.body.clone()).await
    }
}

fn parse_object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("write a JSON object: {error}"))
}

fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write `name: value`")?;
    let name = name.trim().parse().map_err(|_| "that is not a header name")?;
    Ok((name, value.trim().parse().map_err(|_| "that is not a header value")?))
}
