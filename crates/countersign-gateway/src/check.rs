//! `--check`: reads a configuration and its secrets, and prints what is doubtful.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;

use crate::config::{Config, ConfigError, Warning};
use crate::log;
use crate::state::Rehearsal;

/// A configuration whose secrets and certificates can be read.
#[derive(Debug)]
pub struct Checked {
    config: Config,
    warnings: Vec<Warning>,
}

impl Checked {
    /// Reads the secrets and certificates that `config` names.
    ///
    /// # Errors
    ///
    /// A secret, certificate or key cannot be used.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        let mut warnings = Rehearsal::of(&config)?.warnings;
        warnings.extend_from_slice(&config.warnings);
        warnings.sort_by_key(Warning::line);
        Ok(Self { config, warnings })
    }

    /// Prints the warnings, the capacity of each replay store, and the number of routes and sources. `filter` is the value of
    /// `RUST_LOG`.
    ///
    /// # Errors
    ///
    /// `out` cannot be written to.
    pub fn print(&self, file: &Path, filter: Option<&OsStr>, out: &mut impl Write) -> io::Result<()> {
        for warning in &self.warnings {
            writeln!(out, "warning: {warning}")?;
        }
        if let Some(doubt) = log::doubt_about_filter(filter) {
            writeln!(out, "warning: {doubt}")?;
        }
        let Config { sources, routes, .. } = &self.config;
        for (name, source) in sources {
            writeln!(out, "source \"{name}\": {}", source.replay.room())?;
        }
        let counted = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
        let (routes, sources) = (counted(routes.len(), "route"), counted(sources.len(), "source"));
        writeln!(out, "{}: configuration OK ({routes}, {sources})", file.display())
    }
}
