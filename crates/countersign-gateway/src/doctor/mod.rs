//! `--doctor`: checks this machine, and everything that a configuration names, before the gateway starts or while it runs.
//!
//! Nothing is changed: ports are bound for a moment, a store is only read, and servers are asked once.

mod clock;
mod listeners;
mod permissions;
mod reach;
mod report;
mod store;

use std::path::Path;
use std::time::Duration;

use countersign_jwks::JwksUrl;
use tokio::runtime;

use crate::config::{Config, Warning};
use crate::process::probe;
use crate::state::{Publisher, Rehearsal};
pub use report::Report;
use report::{Check, Finding};

/// A server that any sender of Gemini API webhooks depends on.
const CLOCK: &str = "https://generativelanguage.googleapis.com/";
/// The smallest difference that matters, for a configuration without sources.
const TOLERANCE: Duration = Duration::from_mins(5);

/// Checks the configuration in `file`, and this machine for it. The clock is compared with that of the server at the URL
/// `clock`. Default: the first key set, or else the Gemini API.
///
/// # Errors
///
/// The runtime cannot be started.
pub fn examine(file: &Path, clock: Option<JwksUrl>) -> std::io::Result<Report> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let mut findings = Vec::new();
    let read = Config::load(file).and_then(|config| Rehearsal::of(&config).map(|rehearsal| (config, rehearsal)));
    let (config, rehearsal) = match read {
        Ok((config, rehearsal)) => (config, rehearsal),
        Err(error) => {
            findings.push(Finding::failed(Check::Configuration, error.to_string()));
            findings.push(runtime.block_on(clock::check(&server(clock, &[]), TOLERANCE)));
            return Ok(Report::new(findings));
        }
    };
    findings.extend(configuration(&config, &rehearsal));
    let tolerance = config.sources.values().map(|source| source.tolerance).min().unwrap_or(TOLERANCE);
    findings.push(runtime.block_on(clock::check(&server(clock, &rehearsal.publishers), tolerance)));
    findings.push(open_files(&config));
    findings.extend(listeners::check(&config));
    findings.extend(permissions::check(&config));
    findings.extend(store::check(&config));
    findings.extend(runtime.block_on(reach::key_sets(&rehearsal.publishers)));
    findings.extend(runtime.block_on(reach::upstreams(&rehearsal.upstreams)));
    Ok(Report::new(findings))
}

/// The server that the clock is compared with.
fn server(given: Option<JwksUrl>, publishers: &[Publisher]) -> Publisher {
    #[expect(clippy::expect_used, reason = "it is a constant, which a test parses")]
    let default = || JwksUrl::parse(CLOCK).expect("a URL");
    match (given, publishers) {
        (None, [first, ..]) => first.clone(),
        (given, _) => Publisher { url: given.unwrap_or_else(default), ca: None, proxy: None },
    }
}

fn configuration(config: &Config, rehearsal: &Rehearsal) -> Vec<Finding> {
    let warnings = config.warnings.iter().chain(&rehearsal.warnings);
    let warnings: Vec<_> =
        warnings.map(|warning: &Warning| Finding::warning(Check::Configuration, warning.to_string())).collect();
    if warnings.is_empty() {
        vec![Finding::ok(Check::Configuration, format!("{}: no errors and no warnings", config.file().display()))]
    } else {
        warnings
    }
}

fn open_files(config: &Config) -> Finding {
    match probe::connections(&config.server) {
        Ok((connections, None)) => {
            Finding::ok(Check::OpenFiles, format!("there is room for {connections} connections from senders"))
        }
        Ok((_, Some(warning))) => Finding::warning(Check::OpenFiles, warning),
        Err(error) => Finding::failed(Check::OpenFiles, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_compared_with_the_first_key_set_unless_a_url_is_given() {
        let url = |text: &str| JwksUrl::parse(text).unwrap();
        let published = Publisher { url: url("https://a/keys"), ca: None, proxy: None };
        assert_eq!(server(None, &[]).url, url(CLOCK));
        assert_eq!(server(None, std::slice::from_ref(&published)).url, published.url);
        assert_eq!(server(Some(url("https://b/")), &[published]).url, url("https://b/"));
    }
}
