//! The store for the message ids of all sources.

use std::path::{Path, PathBuf};

use countersign_inbox::Keep;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};

use super::error::Problem;
use super::key_path::KeyPath;
use super::store_keep::KeepSpec;
use super::store_server::{CaFile, PostgresSpec, RedisServers, RedisSpec, SentinelTable};
use super::stored_value::StoredTable;
use super::values::{NonEmpty, count, text};
use super::{hide, size};

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
    Redis(RedisSpec),
    /// In PostgreSQL.
    Postgres(PostgresSpec),
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
    /// How many messages the inbox of the engine "sqlite" or "postgres" has, waiting or kept. Further ones get 503. Default:
    /// 1 million.
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
    /// The sentinels that know where the server of the engine "redis" is, in place of `url`.
    sentinel: Option<SentinelTable>,
    /// The addresses of nodes of a cluster, for the engine "redis" in place of `url`. The gateway asks them for the others.
    #[schemars(length(min = 1))]
    cluster: Option<Vec<StoredTable>>,
    /// A PEM file with the certificate authorities to trust for the servers. Default: those of the system. A relative path
    /// starts at the directory of this configuration.
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
        let StoreTable { engine, path, max_size, max_messages, max_ids, keep, url, sentinel, cluster, ca } = table;
        if engine != Engine::Sqlite && (path.is_some() || max_size.is_some() || max_ids.is_some()) {
            return Err("`path`, `max_size` and `max_ids` are for `engine = \"sqlite\"`");
        }
        if matches!(engine, Engine::Memory | Engine::Redis) && (keep.is_some() || max_messages.is_some()) {
            return Err("`keep` and `max_messages` are for an inbox: it needs `engine = \"sqlite\"` or \
                        `engine = \"postgres\"`");
        }
        let max_messages = max_messages.and_then(|max| u64::try_from(max).ok()).unwrap_or(1_000_000);
        if matches!(engine, Engine::Memory | Engine::Sqlite) && (url.is_some() || ca.is_some()) {
            return Err("`url` and `ca` are for `engine = \"redis\"` and `engine = \"postgres\"`");
        }
        if engine != Engine::Redis && (sentinel.is_some() || cluster.is_some()) {
            return Err("`sentinel` and `cluster` are for `engine = \"redis\"`");
        }
        let ca = ca.map(|NonEmpty(path)| CaFile(path));
        match engine {
            Engine::Memory => Ok(Self::Memory),
            Engine::Sqlite => {
                let NonEmpty(path) = path.ok_or("`engine = \"sqlite\"` needs a `path`")?;
                let max_size = max_size.and_then(|size| u64::try_from(size).ok());
                Ok(Self::Sqlite(SqliteSpec {
                    path,
                    max_size: max_size.unwrap_or(16 << 30),
                    max_messages,
                    max_ids: max_ids.unwrap_or(10_000_000),
                    keep: keep.unwrap_or_default(),
                }))
            }
            Engine::Redis => {
                let servers = RedisServers::from_keys(url, sentinel, cluster)?;
                Ok(Self::Redis(RedisSpec { servers, ca }))
            }
            Engine::Postgres => {
                let url = url.and_then(StoredTable::origin);
                let url = url.ok_or(
                    "`engine = \"postgres\"` needs a `url` that is named: { env = \"NAME\" } or { file = \"PATH\" }",
                )?;
                Ok(Self::Postgres(PostgresSpec { url, max_messages, keep: keep.unwrap_or_default(), ca }))
            }
        }
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
