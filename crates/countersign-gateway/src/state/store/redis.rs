//! The engine "redis".

use std::path::Path;

use countersign::replay::StoreError;
pub(super) use countersign_redis::Pending as Call;
use countersign_redis::RedisStore;
pub(super) use countersign_redis::RedisStore as Store;

use super::figures::Figures;
use super::server::{address, authorities, invalid};
use crate::config::{Problem, RedisServers, RedisSpec, SecretOrigin};

pub(super) fn open(spec: &RedisSpec, folder: &Path) -> Result<Store, Problem> {
    let ca = authorities(spec.ca.as_ref(), folder)?;
    let addresses = |key: &str, origins: &[SecretOrigin]| {
        origins.iter().map(|origin| address(key, origin, folder)).collect::<Result<Vec<_>, _>>()
    };
    let (key, builder) = match &spec.servers {
        RedisServers::Single(url) => ("url", RedisStore::builder(address("url", url, folder)?)),
        RedisServers::Sentinels { master, urls } => {
            ("sentinel", RedisStore::sentinels(master, addresses("sentinel", urls)?))
        }
        RedisServers::Cluster(nodes) => ("cluster", RedisStore::cluster(addresses("cluster", nodes)?)),
    };
    let builder = if let Some(ca) = ca { builder.ca(ca) } else { builder };
    builder.build().map_err(|error| invalid(key, &error))
}

pub(super) fn weaknesses(store: &Store) -> Result<Vec<String>, StoreError> {
    Ok(store.check().wait()?.iter().map(ToString::to_string).collect())
}

pub(super) async fn works(store: &Store) -> bool {
    store.check().await.is_ok()
}

pub(super) fn figures(store: &Store) -> Figures {
    let stats = store.stats();
    Figures {
        batches: stats.calls,
        operations: stats.calls,
        errors: stats.errors,
        busy: stats.busy,
        queued: u64::try_from(stats.queued).unwrap_or(u64::MAX),
        messages: None,
        ids: stats.ids,
        size: stats.memory,
        failing: stats.failing,
        full: Some(stats.full),
    }
}
