//! What the operator writes, key by key. A key that is not here is an error.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Spanned, Value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) server: Server,
    #[serde(default)]
    pub(super) sources: BTreeMap<Spanned<String>, Source>,
    #[serde(default)]
    pub(super) routes: Vec<Route>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    pub(super) listen: Spanned<Vec<Spanned<String>>>,
    pub(super) admin: Option<Spanned<String>>,
    pub(super) threads: Option<Spanned<usize>>,
    pub(super) shutdown_timeout: Option<Spanned<String>>,
    pub(super) body_budget: Option<Spanned<String>>,
    pub(super) max_connections: Option<Spanned<usize>>,
    pub(super) head_timeout: Option<Spanned<String>>,
    pub(super) idle_timeout: Option<Spanned<String>>,
    pub(super) write_timeout: Option<Spanned<String>>,
    pub(super) accelerate: Option<bool>,
}

/// Values that may hold a secret by mistake are taken as they are, for an error that does not repeat them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    #[serde(default)]
    pub(super) secrets: Vec<Spanned<Value>>,
    #[serde(default)]
    pub(super) public_keys: Vec<Spanned<Value>>,
    pub(super) jwks: Option<Spanned<Value>>,
    pub(super) token: Option<Spanned<Value>>,
    pub(super) tolerance: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) replay: Replay,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Replay {
    pub(super) store: Option<Spanned<String>>,
    pub(super) retain: Option<Spanned<String>>,
    pub(super) lease: Option<Spanned<String>>,
    pub(super) capacity: Option<Spanned<usize>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    pub(super) path: Spanned<String>,
    pub(super) host: Option<Spanned<String>>,
    pub(super) source: Spanned<String>,
    pub(super) upstream: Spanned<Vec<Spanned<String>>>,
    pub(super) events: Option<Spanned<Vec<String>>>,
    pub(super) untyped: Option<Spanned<Untyped>>,
    #[serde(default)]
    pub(super) grpc: bool,
    #[serde(default)]
    pub(super) forward_headers: Vec<Spanned<String>>,
    pub(super) body_limit: Option<Spanned<String>>,
    pub(super) body_timeout: Option<Spanned<String>>,
    pub(super) upstream_timeout: Option<Spanned<String>>,
    pub(super) upstream_idle_timeout: Option<Spanned<String>>,
    pub(super) connect_timeout: Option<Spanned<String>>,
}

/// What a route with `events` does with a delivery whose type cannot be read.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Untyped {
    Forward,
    Reject,
}
