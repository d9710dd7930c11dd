//! `--migrate`: the tables of a store in PostgreSQL.

use crate::config::{Config, ConfigError, KeyPath, Problem};
use crate::state::store::Engine;

/// The SQL that creates the tables.
///
/// # Errors
///
/// The gateway was built without PostgreSQL.
pub fn sql() -> Result<String, String> {
    let absent =
        "this gateway was built without PostgreSQL: build it with the Cargo feature `postgres`, which is on by default";
    Engine::schema().ok_or_else(|| absent.to_owned())
}

/// Creates the tables of the store, or brings them up to date.
///
/// # Errors
///
/// The store has no tables, or its server cannot be reached or does not permit it.
pub fn run(config: &Config) -> Result<(), ConfigError> {
    let document = config.document();
    let migrated = Engine::open(&config.store, document.folder())
        .and_then(|engine| engine.migrate().map_err(|message| Problem::at(&KeyPath::store(), message)));
    migrated.map_err(|problem| document.error(problem))
}
