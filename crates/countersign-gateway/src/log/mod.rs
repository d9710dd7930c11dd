//! The log: events go through a bounded queue to a separate thread, which writes them.
//!
//! No request, health check or shutdown ever waits for the reader of standard output. If the queue (`queue.rs`)
//! is full, lines are dropped and counted. Lines are escaped (`line.rs`), so that none can forge another.
//! Requests without a verified delivery are logged at a bounded rate (`throttle.rs`). Of the successful ones, a route may
//! choose a share (`sample.rs`).

mod line;
mod queue;
mod sample;
mod throttle;

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::panic;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use queue::Queue;
pub(crate) use sample::Sampler;
use throttle::Throttle;

/// How often suppressed requests are reported.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// Pingora logs its own start and stop at `info`, but the gateway logs them itself.
const DEFAULT_FILTER: &str = "info,pingora_core=warn";

/// The crates that log events.
const TARGETS: [&str; 15] = [
    "countersign",
    "countersign_client",
    "countersign_gateway",
    "countersign_jwks",
    "countersign_tower",
    "h2",
    "hyper",
    "hyper_util",
    "mio",
    "pingora",
    "pingora_core",
    "rustls",
    "tokio",
    "tower",
    "want",
];

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people: one line for each event, with `key=value` fields.
    Text,
    /// One JSON object for each line.
    Json,
}

/// The running log. Clones share it.
///
/// The default log writes nothing itself. It is for a process with its own subscriber.
#[derive(Clone, Debug, Default)]
pub struct Log {
    queue: Arc<Queue>,
    unverified: Arc<Throttle>,
}

impl Log {
    /// Sends the events and panics of the whole process to standard output, through a queue and a separate
    /// thread. `filter` is the value of `RUST_LOG`, if it is set.
    ///
    /// Must be called once, before anything else logs.
    pub fn start(format: Format, filter: Option<&OsStr>) -> io::Result<Self> {
        // Not `std::io::stdout()`, because a blocked write would hold its lock and its buffer.
        let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let queue = Queue::start(stdout)?;
        let lines = Arc::clone(&queue);
        let (filter, doubt) = parse_filter(filter);
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_target(false)
            .log_internal_errors(false)
            .with_writer(move || line::Lines::new(Arc::clone(&lines), format));
        match format {
            Format::Text => subscriber.with_ansi(false).init(),
            Format::Json => subscriber.json().flatten_event(true).init(),
        }
        panic::set_hook(Box::new(log_panic));
        if let Some(doubt) = doubt {
            tracing::warn!("{doubt}");
        }
        Ok(Self { queue, unverified: Arc::default() })
    }

    /// Counts the lines that were dropped because the queue was full or could not be written.
    pub fn dropped(&self) -> Counter {
        self.queue.dropped()
    }

    /// Counts the requests without a verified delivery that were not logged.
    pub fn suppressed(&self) -> Counter {
        self.unverified.suppressed()
    }

    /// Whether a request that ends now, for this reason and without a verified delivery, gets its own line.
    /// If not, it is counted for the next [report](Self::report_suppressed).
    pub(crate) fn admits_unverified(&self, reason: &'static str, now: Instant) -> bool {
        self.unverified.admits(reason, now)
    }

    /// Logs how many requests were not logged since the last report, one line for each reason.
    pub(crate) fn report_suppressed(&self) {
        for (reason, suppressed) in self.unverified.take_suppressed() {
            tracing::warn!(reason, suppressed, "unverified requests that were rejected, but not logged one by one");
        }
    }

    /// Reports suppressed requests regularly, for as long as it is polled.
    pub(crate) async fn report_regularly(self) {
        loop {
            tokio::time::sleep(REPORT_EVERY).await;
            self.report_suppressed();
        }
    }

    /// Waits until all queued lines are written, for at most `limit`.
    pub fn flush(&self, limit: Duration) {
        self.queue.flush(limit);
    }
}

/// Describes the error in this value of `RUST_LOG`. The default filter is then used instead.
pub fn doubt_about_filter(value: Option<&OsStr>) -> Option<String> {
    parse_filter(value).1
}

fn parse_filter(value: Option<&OsStr>) -> (EnvFilter, Option<String>) {
    let default = || EnvFilter::new(DEFAULT_FILTER);
    let Some(value) = value else { return (default(), None) };
    let parsed = value.to_str().filter(|text| is_meant(text)).and_then(|text| EnvFilter::try_new(text).ok());
    if let Some(filter) = parsed {
        return (filter, None);
    }
    let shown: String = crate::config::shown(&value.to_string_lossy()).chars().take(64).collect();
    let doubt = format!(
        "RUST_LOG={shown:?} has a part that is no level and no known target, or leaves the gateway's own events out, \
         so the default stays, {DEFAULT_FILTER:?}: write error, warn, info, debug, trace or off, and TARGET=LEVEL for \
         {}",
        TARGETS.join(", ")
    );
    (default(), Some(doubt))
}

/// Whether each directive is a level or names a known target, and one of them covers the gateway's own
/// events. A bare word would be read as the name of a module, and silence all other modules.
fn is_meant(filter: &str) -> bool {
    let mut covers_own = false;
    let is_known = filter.split(',').map(str::trim).filter(|directive| !directive.is_empty()).all(|directive| {
        if is_level(directive) {
            covers_own = true;
            return true;
        }
        let (target, level) = directive.split_once('=').unwrap_or((directive, "trace"));
        let root = target.split(['[', ':']).next().unwrap_or_default();
        covers_own |= root.starts_with("countersign");
        is_level(level) && TARGETS.contains(&root)
    });
    is_known && covers_own
}

/// A number would be read as a level too, but its meaning is not obvious.
fn is_level(text: &str) -> bool {
    !text.contains(|char: char| char.is_ascii_digit()) && text.parse::<LevelFilter>().is_ok()
}

/// Replaces the standard hook, which writes to standard error and waits for its reader.
fn log_panic(info: &panic::PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let backtrace = std::backtrace::Backtrace::capture();
    let is_captured = backtrace.status() == std::backtrace::BacktraceStatus::Captured;
    tracing::error!(
        thread = thread.name(),
        location = info.location().map(tracing::field::display),
        backtrace = is_captured.then(|| tracing::field::display(&backtrace)),
        "panicked: {}",
        info.payload_as_str().unwrap_or("with a value that is no text")
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_without_a_level_leaves_the_default() {
        for value in [
            "",
            " ",
            "verbose",
            "WARNING",
            "a=b",
            "info=",
            "=",
            ",",
            "a=b=info",
            "info,a=loud",
            "contersign_gateway=debug",
            "level=info",
            "RUST_LOG=info",
            "[x]=info",
            "foo=off",
            "1",
            "0",
            "wran,info",
            "info,verbose",
            "hyper=warn",
            "info,foo=debug",
            "info debug",
            "'info'",
        ] {
            let (filter, doubt) = parse_filter(Some(OsStr::new(value)));
            assert_eq!(filter.to_string(), EnvFilter::new(DEFAULT_FILTER).to_string(), "{value:?}");
            assert!(doubt.is_some_and(|doubt| doubt.contains(&format!("RUST_LOG={value:?}"))), "{value:?}");
        }
        for value in [
            "info",
            "DEBUG",
            "off",
            "hyper,info",
            " info ",
            "hyper::proto=trace,warn",
            "info,hyper=warn",
            "countersign_gateway=debug",
            "countersign_gateway",
            "countersign_gateway[request]=debug,h2=off",
            "off,countersign=info",
        ] {
            assert_eq!(doubt_about_filter(Some(OsStr::new(value))), None, "{value:?}");
        }
        assert_eq!(doubt_about_filter(None), None);
        let doubt = doubt_about_filter(Some(OsStr::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"))).unwrap();
        assert!(doubt.contains("[hidden]") && !doubt.contains("C2FV"), "{doubt}");
    }

    #[test]
    fn a_panic_becomes_a_line_of_the_log() {
        let queue = Arc::new(Queue::default());
        let lines = Arc::clone(&queue);
        let writer = move || line::Lines::new(Arc::clone(&lines), Format::Text);
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish();
        let standard = panic::take_hook();
        panic::set_hook(Box::new(log_panic));
        tracing::subscriber::with_default(subscriber, || {
            assert!(panic::catch_unwind(|| panic!("a reason\nof two lines")).is_err());
        });
        panic::set_hook(standard);
        let text = queue.take();
        assert!(text.contains("ERROR") && text.contains("panicked: a reason\\nof two lines"), "{text}");
        assert!(text.contains(concat!(file!(), ":")) && text.lines().count() == 1, "{text}");
    }
}
