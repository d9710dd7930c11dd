//! What is logged. The subscriber is the whole process's: one of a thread would miss events whenever another test
//! reaches the same line first.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::jwk;
use crate::support::source::{RuntimeClock, Source};
use countersign_jwks::{Config, Jwks};
use tokio::time::sleep;
use tracing_subscriber::fmt::MakeWriter;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

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
    tracing::subscriber::set_global_default(subscriber.with_target(false).finish()).unwrap();
    let source = Source::named("the log test");
    let jwks = Jwks::new(source.clone(), Config::default(), RuntimeClock);
    let _background = tokio::spawn(jwks.run());
    sleep(DAY).await;
    for published in [&[1][..], &[2], &[]] {
        source.publish(published);
        sleep(2 * DAY).await;
    }
    source.publish(&[2]);
    sleep(DAY).await;
    let x = &jwk(1)["x"];
    source.publish_text(&format!(
        r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"leaked","x":{x},"d":"AA"}},{{"kty":"EC","crv":"P-256","kid":"ec"}},{}]}}"#,
        jwk(2)
    ));
    sleep(DAY).await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<_> =
        log.lines().map(str::trim_start).filter(|line| line.contains("location=the log test")).collect();
    let down = "the response has status 500, expected 200 kind=\"status\"";
    let expected = [
        format!("WARN the key set cannot be fetched location=the log test error={down} serving=false"),
        "INFO the key set is loaded location=the log test keys=1".to_owned(),
        "INFO the key set has changed location=the log test keys=1".to_owned(),
        format!("WARN the key set cannot be fetched location=the log test error={down} serving=true"),
        "ERROR the last good key set is too old and no longer used location=the log test max_stale=86400s".to_owned(),
        "INFO the key set is loaded location=the log test keys=1".to_owned(),
        "WARN a key of the key set is not trusted location=the log test place=1 kid=\"leaked\" reason=\"its private half is \
         published, so anyone can sign with it: its sender must replace the key, and publish only the public half\""
            .to_owned(),
        "INFO a key of the key set is skipped location=the log test place=2 kid=\"ec\" reason=\"its curve is `P-256`, but `v1a` \
         uses Ed25519\""
            .to_owned(),
        "INFO the key set has changed location=the log test keys=1".to_owned(),
    ];
    assert_eq!(lines, expected);
    assert!(source.fetches() > 1000);
}
