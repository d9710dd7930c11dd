//! The host and the paths that a route is for, and the client headers that it forwards.

use std::fmt;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};

use super::addresses::{check_path, is_host};
use super::hide::{is_like_a_secret, is_marked};
use super::values::text;
use crate::path::PathPattern;
use crate::route::Host;
use crate::trust::Opened;

/// Paths and hosts are shown.
pub(super) const PATH_LIKE_A_SECRET: &str = "a path is shown in metrics and logs, and this one looks like a secret";
const HOST_LIKE_A_SECRET: &str = "a host is shown in metrics and logs, and this one looks like a secret";

/// Reads the paths that a route is for.
pub(super) fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathPattern, D::Error> {
    text(deserializer, "a path like \"/gemini\", or \"/hooks/*\" for all below it", |path| {
        if is_marked(path) { Err(PATH_LIKE_A_SECRET) } else { PathPattern::parse(path) }
    })
}

pub(super) fn path_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^/", "maxLength": 4097, "examples": ["/gemini", "/hooks/*"] })
}

/// Reads the beginning of paths that is left out, without slashes at the end.
pub(super) fn strip_prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let prefix = text(deserializer, "the beginning of a path, like \"/hooks\"", |text| {
        let prefix = text.trim_end_matches('/');
        if prefix.is_empty() {
            return Err("nothing would be left out: write the beginning of the route's path, like \"/hooks\"");
        }
        check_path(prefix).map(|()| prefix.to_owned())
    });
    prefix.map(Some)
}

pub(super) fn strip_prefix_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^/", "maxLength": 4097, "examples": ["/hooks"] })
}

/// Reads the host that a route is for.
pub(super) fn host<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Host>, D::Error> {
    let host = text(deserializer, "a host name like \"hooks.example.com\", or an IP address", |text| {
        if is_like_a_secret(text) {
            return Err(HOST_LIKE_A_SECRET);
        }
        let host = Host::parse(text)?;
        if !is_host(text) {
            return Err("no request names this host: it is a name like \"hooks.example.com\", or an IP address");
        }
        Ok(host)
    });
    host.map(Some)
}

/// Reads the names of client headers that a route forwards.
pub(super) fn opened<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Opened, D::Error> {
    deserializer.deserialize_seq(Names)
}

pub(super) fn opened_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": { "type": "string", "pattern": r"^[-!#\x24&'+.^_`|~0-9A-Za-z]+$" },
        "uniqueItems": true,
        "examples": [["x-real-ip"]],
    })
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Opened;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of header names, like [\"x-real-ip\"]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Opened, A::Error> {
        let mut opened = Opened::default();
        while names.next_element_seed(Name(&mut opened))?.is_some() {}
        Ok(opened)
    }
}

/// One more name. Whether it may be opened depends on those before it.
struct Name<'a>(&'a mut Opened);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        text(deserializer, "a header name, like \"x-real-ip\"", |name| self.0.open(name).map(drop))
    }
}
