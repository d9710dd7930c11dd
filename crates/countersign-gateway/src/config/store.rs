//! The store for the message ids of all sources.

use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_inbox::Keep;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};

use super::error::Problem;
use super::key_path::KeyPath;
use super::secrets::SecretOrigin;
use super::stored_value::StoredTable;
use super::values::{NonEmpty, count, text};
use super::{duration, hide, size};

/// Where message ids are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "StoreTable")]
pub enum StoreSpec {
    /// In the memory of the process. A restart forgets all ids.
    #[default]
    Memory,
    /// In an SQLite file.
    Sqlite(SqliteSpec),
    /// In Redis or Valkey.
    Redis(ServerSpec),
    /// In PostgreSQL.
    Postgres(ServerSpec),
}

/// The server of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSpec {
    /// How long ended deliveries are kept.
    pub keep: KeepSpec,
    /// Where its address is stored.
    pub url: SecretOrigin,
    ca: Option<String>,
}

/// An SQLite file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteSpec {
    path: String,
    /// The size of the file beyond which no message is stored, in bytes.
    pub max_size: u64,
    /// How many messages the inbox has, waiting or kept.
    pub max_messages: u64,
    /// How many ids are remembered, of all sources together.
    pub max_ids: usize,
    /// How long ended deliveries are kept.
    pub keep: KeepSpec,
}

/// How long deliveries are kept after their end, for lists and to deliver them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Keep")]
pub struct KeepSpec {
    /// Deliveries that are done. Default: 7 days.
    #[serde(default = "default_done", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub done: Duration,
    /// Dead letters. Default: 30 days.
    #[serde(default = "default_dead", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub dead: Duration,
}

impl Default for KeepSpec {
    fn default() -> Self {
        Self { done: default_done(), dead: default_dead() }
    }
}

impl From<KeepSpec> for Keep {
    fn from(KeepSpec { done, dead }: KeepSpec) -> Self {
        Self { done, dead }
    }
}

fn default_done() -> Duration {
    Keep::default().done
}

fn default_dead() -> Duration {
    Keep::default().dead
}

/// Where message ids are stored, for all sources.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Store")]
struct StoreTable {
    /// The engine. Default: "memory".
    #[serde(default)]
    engine: Engine,
    /// The file of the engine "sqlite", on a local disk. It is created if it does not exist; its directory is not. A relative
    /// path starts at the directory of this configuration.
    path: Option<NonEmpty>,
    /// The maximum size of the file of the engine "sqlite". Default: 16 GiB.
    #[serde(default, deserialize_with = "size::optional::deserialize")]
    #[schemars(schema_with = "size::schema")]
    max_size: Option<usize>,
    /// How many messages the inbox in the file of the engine "sqlite" has, waiting or kept. Further ones get 503. Default: 1
    /// million.
    #[serde(default, deserialize_with = "number")]
    #[schemars(range(min = 1))]
    max_messages: Option<usize>,
    /// How many ids the file of the engine "sqlite" remembers, of all sources together. Each takes up to 32 bytes of memory.
    /// Default: 10 million.
    #[serde(default, deserialize_with = "number")]
    #[schemars(range(min = 1))]
    max_ids: Option<usize>,
    /// How long deliveries of inboxes are kept after their end.
    keep: Option<KeepSpec>,
    /// The address of the engine "redis" (`rediss://:password@host/0`) or "postgres"
    /// (`postgres://user:password@host/database?sslmode=require`).
    url: Option<StoredTable>,
    /// A PEM file with the certificate authorities to trust for `url`. Default: those of the system. A relative path starts
    /// at the directory of this configuration.
    ca: Option<NonEmpty>,
}

/// The engine of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Engine")]
enum Engine {
    /// In the memory of the process. A restart forgets all ids.
    #[default]
    Memory,
    /// In an SQLite file. A restart forgets nothing.
    Sqlite,
    /// In Redis 7 or later, or Valkey. Several gateways can share it.
    Redis,
    /// In PostgreSQL 13 or later. Several gateways can share it.
    Postgres,
}

impl<'de> Deserialize<'de> for Engine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "the engine of the store, like \"sqlite\"", |name| match name {
            "memory" => Ok(Self::Memory),
            "sqlite" => Ok(Self::Sqlite),
            "redis" => Ok(Self::Redis),
            "postgres" => Ok(Self::Postgres),
            _ => Err("the engines are \"memory\", \"sqlite\", \"redis\" and \"postgres\""),
        })
    }
}

impl TryFrom<StoreTable> for StoreSpec {
    type Error = &'static str;

    fn try_from(table: StoreTable) -> Result<Self, Self::Error> {
        const ADDRESS: &str = "`engine = \"redis\"` and `engine = \"postgres\"` need a `url` that is named: { env = \"NAME\" } \
                               or { file = \"PATH\" }";
        let StoreTable { engine, path, max_size, max_messages, max_ids, keep, url, ca } = table;
        let is_limited = max_size.is_some() || max_messages.is_some() || max_ids.is_some();
        if engine != Engine::Sqlite && (path.is_some() || is_limited) {
            return Err("`path`, `max_size`, `max_messages` and `max_ids` are for `engine = \"sqlite\"`");
        }
        if matches!(engine, Engine::Memory | Engine::Redis) && keep.is_some() {
            return Err("`keep` is for an inbox: it needs `engine = \"sqlite\"` or `engine = \"postgres\"`");
        }
        if matches!(engine, Engine::Memory | Engine::Sqlite) && (url.is_some() || ca.is_some()) {
            return Err("`url` and `ca` are for `engine = \"redis\"` and `engine = \"postgres\"`");
        }
        let server = || {
            let url = url.and_then(StoredTable::origin).ok_or(ADDRESS)?;
            Ok(ServerSpec { keep: keep.unwrap_or_default(), url, ca: ca.map(|NonEmpty(ca)| ca) })
        };
        match engine {
            Engine::Memory => Ok(Self::Memory),
            Engine::Sqlite => {
                let NonEmpty(path) = path.ok_or("`engine = \"sqlite\"` needs a `path`")?;
                let max_size = max_size.and_then(|size| u64::try_from(size).ok());
                let max_messages = max_messages.and_then(|max| u64::try_from(max).ok());
                Ok(Self::Sqlite(SqliteSpec {
                    path,
                    max_size: max_size.unwrap_or(16 << 30),
                    max_messages: max_messages.unwrap_or(1_000_000),
                    max_ids: max_ids.unwrap_or(10_000_000),
                    keep: keep.unwrap_or_default(),
                }))
            }
            Engine::Redis => server().map(Self::Redis),
            Engine::Postgres => server().map(Self::Postgres),
        }
    }
}

impl ServerSpec {
    /// The certificate authorities in the file that `ca` names, for a configuration in this directory.
    pub(crate) fn ca(&self, folder: &Path) -> Result<Option<Vec<u8>>, Problem> {
        let Some(ca) = &self.ca else { return Ok(None) };
        std::fs::read(folder.join(ca)).map(Some).map_err(|error| {
            let shown = folder.join(hide::path(ca, folder)).display().to_string();
            let message = format!("the file {shown} cannot be read: {error}");
            Problem::at(&KeyPath::store().key("ca"), message).showing(shown)
        })
    }
}

impl JsonSchema for StoreSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        StoreTable::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        StoreTable::json_schema(generator)
    }
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    count(deserializer, 1..=usize::MAX, "nothing would be stored: allow one at least").map(Some)
}

impl StoreSpec {
    /// How long ended deliveries are kept.
    pub fn keep(&self) -> Keep {
        match self {
            Self::Sqlite(file) => file.keep.into(),
            Self::Postgres(server) => server.keep.into(),
            Self::Memory | Self::Redis(_) => Keep::default(),
        }
    }
}

impl SqliteSpec {
    /// The path of the file, for a configuration in this directory.
    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(&self.path)
    }

    /// A problem with the file. `why` must not contain its path.
    pub(crate) fn problem(&self, folder: &Path, why: &str) -> Problem {
        let shown = folder.join(hide::path(&self.path, folder)).display().to_string();
        Problem::at(&KeyPath::store().key("path"), format!("the store {shown} cannot be opened: {why}")).showing(shown)
    }

    /// Checks what can be checked without creating the file.
    pub(crate) fn check(&self, folder: &Path) -> Result<(), Problem> {
        let path = self.path(folder);
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if parent.is_dir() { Ok(()) } else { Err(self.problem(folder, "its directory does not exist: create it")) }
    }
}
