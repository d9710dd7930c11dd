//! The engine "sqlite".

use std::path::Path;

use countersign_sqlite::{Options, SqliteStore};

use super::figures::Figures;
use crate::causes::with_causes;
use crate::config::{Problem, SqliteSpec};

pub(super) fn open(file: &SqliteSpec, folder: &Path) -> Result<SqliteStore, Problem> {
    file.check(folder)?;
    let options = Options::default().max_size(file.max_size).max_messages(file.max_messages);
    let store = SqliteStore::open(file.path(folder), options.max_ids(file.max_ids));
    store.map_err(|error| file.problem(folder, &with_causes(&error)))
}

pub(super) fn figures(store: &SqliteStore) -> Figures {
    let stats = store.stats();
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    Figures {
        batches: stats.batches,
        operations: stats.operations,
        errors: stats.errors,
        busy: stats.busy,
        queued: count(stats.queued),
        messages: Some(stats.messages),
        ids: Some(count(stats.ids)),
        size: Some(stats.size),
        failing: stats.failing,
        full: Some(stats.full),
    }
}
