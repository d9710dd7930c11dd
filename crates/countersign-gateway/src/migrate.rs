//! `--migrate`: the tables of a store in PostgreSQL.

use crate::config::{Config, ConfigError, KeyPath, Problem};
use crate::state::store::{Engine, with_causes};

/// The SQL that creates the tables.
pub fn sql() -> String {
    countersign_postgres::schema()
}

/// Creates the tables of the store, or brings them up to date.
///
/// # Errors
///
/// The store has no tables, or its server cannot be reached or does not permit it.
pub fn run(config: &Config) -> Result<(), ConfigError> {
    let document = config.document();
    let migrated = Engine::open(&config.store, document.folder()).and_then(|engine| {
        match engine {
            Engine::Postgres(store) => {
                let migrated = store.migrate().wait();
                migrated.map_err(|error| format!("the tables cannot be brought up to date: {}", with_causes(&error)))
            }
            _ => Err("only `engine = \"postgres\"` has tables: leave out `--migrate`".to_owned()),
        }
        .map_err(|message| Problem::at(&KeyPath::store(), message))
    });
    migrated.map_err(|problem| document.error(problem))
}
