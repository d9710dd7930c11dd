//! Servers that several gateways can use as a store.

use schemars::JsonSchema;
use serde::Deserialize;

use super::secrets::SecretOrigin;
use super::store_keep::KeepSpec;
use super::stored_value::StoredTable;
use super::values::NonEmpty;

/// PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresSpec {
    /// Where its address is stored.
    pub url: SecretOrigin,
    /// How many messages the inbox has, waiting or kept.
    pub max_messages: u64,
    /// How long ended deliveries are kept.
    pub keep: KeepSpec,
    /// The certificate authorities to trust.
    pub ca: Option<CaFile>,
}

/// Redis or Valkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSpec {
    /// The server or the servers.
    pub servers: RedisServers,
    /// The certificate authorities to trust.
    pub ca: Option<CaFile>,
}

/// Where Redis or Valkey is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisServers {
    /// One server, with the place of its address.
    Single(SecretOrigin),
    /// The server that sentinels name as this master.
    Sentinels {
        /// The name.
        master: String,
        /// Where the addresses of the sentinels are stored.
        urls: Vec<SecretOrigin>,
    },
    /// A cluster, with the places of the addresses of some of its nodes.
    Cluster(Vec<SecretOrigin>),
}

/// The sentinels that know where a server is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Sentinel")]
pub(super) struct SentinelTable {
    /// What the sentinels call the server.
    master: NonEmpty,
    /// The addresses of the sentinels (`redis://host:26379`), each named and never written. The user, the password and the
    /// database of the first one are used for the server, not for the sentinels.
    #[schemars(length(min = 1))]
    urls: Vec<StoredTable>,
}

const NAMED: &str = "each address is named: { env = \"NAME\" } or { file = \"PATH\" }";

impl RedisServers {
    /// Where the addresses are stored.
    pub(crate) fn urls(&self) -> &[SecretOrigin] {
        match self {
            Self::Single(url) => std::slice::from_ref(url),
            Self::Sentinels { urls, .. } | Self::Cluster(urls) => urls,
        }
    }

    /// One of the three keys says where the server is.
    pub(super) fn from_keys(
        url: Option<StoredTable>,
        sentinel: Option<SentinelTable>,
        cluster: Option<Vec<StoredTable>>,
    ) -> Result<Self, &'static str> {
        match (url, sentinel, cluster) {
            (Some(url), None, None) => Ok(Self::Single(url.origin().ok_or(NAMED)?)),
            (None, Some(SentinelTable { master: NonEmpty(master), urls }), None) => {
                Ok(Self::Sentinels { master, urls: origins(urls)? })
            }
            (None, None, Some(nodes)) => Ok(Self::Cluster(origins(nodes)?)),
            (None, None, None) => Err("`engine = \"redis\"` needs a `url` that is named ({ env = \"NAME\" } or \
                                       { file = \"PATH\" }), `sentinel` or `cluster`"),
            _ => Err("`url`, `sentinel` and `cluster` exclude each other: leave all but one out"),
        }
    }
}

fn origins(urls: Vec<StoredTable>) -> Result<Vec<SecretOrigin>, &'static str> {
    if urls.is_empty() {
        return Err("without an address there is no server: name one at least");
    }
    urls.into_iter().map(|url| url.origin().ok_or(NAMED)).collect()
}

/// A PEM file with certificate authorities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaFile(pub(crate) String);
