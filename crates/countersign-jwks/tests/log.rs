//! What is logged; alone in its process, for what a thread logs to is decided for all of them.
#![expect(clippy::unwrap_used, reason = "what a test cannot do is its failure")]

mod support;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_jwks::{Config, Jwks};
use support::source::{RuntimeClock, Source};
use tokio::time::sleep;
use tracing_subscriber::fmt::MakeWriter;

const DAY: Duration = Duration::from_hours(24);

/// The log, as lines.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'l> MakeWriter<'l> for Log {
    type Writer = Self;

    fn make_writer(&'l self) -> Self {
        self.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn each_change_is_logged_once() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).without_time();
    let _guard = tracing::subscriber::set_default(subscriber.with_target(false).finish());
    let source = Source::default();
    let jwks = Jwks::new(source.clone(), Config::default(), RuntimeClock);
    let _background = tokio::spawn(jwks.run());
    sleep(DAY).await;
    for published in [&[1][..], &[2], &[]] {
        source.publish(published);
        sleep(2 * DAY).await;
    }
    source.publish(&[2]);
    sleep(DAY).await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<_> = log.lines().map(str::trim_start).collect();
    let down = "the answer has status 500, and 200 was expected kind=\"status\"";
    let expected = [
        format!("WARN the key set cannot be fetched location=a test error={down} serving=false"),
        "INFO the key set is there location=a test keys=1".to_owned(),
        "INFO the key set has changed location=a test keys=1".to_owned(),
        format!("WARN the key set cannot be fetched location=a test error={down} serving=true"),
        "ERROR the last good key set is too old to serve location=a test max_stale=86400s".to_owned(),
        "INFO the key set is there location=a test keys=1".to_owned(),
    ];
    assert_eq!(lines, expected);
    assert!(source.fetches() > 1000);
}
