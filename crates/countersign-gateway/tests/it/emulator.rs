//! The whole chain with faults: the emulator delivers through a gateway that is killed to a backend that fails.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::common::{Answer, Backend, Gateway, Running, Seen, call, free_address, until};
use countersign_emulator::{Config, Emulator, Ending};
use http::Method;
use serde_json::json;

/// An hour passes in a second, so that a delivery's day takes 24 seconds.
const SCALE: f64 = 3600.0;
const EVENTS: u64 = 2000;
/// How many attempts the emulator makes at a time.
const CONCURRENCY: usize = 64;
/// How many deliveries the emulator sends once more although they succeeded.
const REPEATED: usize = 100;
/// As often as the backend fails with one event, besides while it is down: after three hours of that, a
/// sender has three attempts left.
const MAX_FAILURES: u32 = 2;

/// A backend that goes down, and fails at random while it is up, with no event more often than a
/// sender is patient.
#[derive(Default)]
struct Moods {
    is_down: AtomicBool,
    events: Mutex<HashMap<String, Handled>>,
}

#[derive(Clone, Copy, Default)]
struct Handled {
    failed: u32,
    succeeded: u32,
}

impl Moods {
    fn answer(&self, seen: &Seen, rng: &mut fastrand::Rng) -> Answer {
        assert_eq!(seen.header("countersign-verdict"), Some("verified"), "{seen:?}");
        if self.is_down.load(Ordering::SeqCst) {
            return Answer::Close;
        }
        let mut events = self.events();
        let event = events.entry(seen.id().to_owned()).or_default();
        if event.failed < MAX_FAILURES && rng.u8(..4) == 0 {
            event.failed += 1;
            return [Answer::Status(500), Answer::Status(503), Answer::Close, Answer::Slow(20, 500)]
                .into_iter()
                .nth(rng.usize(..4))
                .expect("one of four");
        }
        event.succeeded += 1;
        if rng.u8(..8) == 0 { Answer::Slow(10, 200) } else { Answer::Status(200) }
    }

    fn events(&self) -> MutexGuard<'_, HashMap<String, Handled>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_reaches_a_backend_that_fails_through_a_gateway_that_is_killed() {
    let moods = Arc::new(Moods::default());
    let (answering, mut rng) = (Arc::clone(&moods), fastrand::Rng::with_seed(7));
    let backend = Backend::scripted(move |seen| answering.answer(seen, &mut rng)).await;
    let config = Config {
        listen: free_address(),
        seed: Some(7),
        time_scale: SCALE,
        concurrency: CONCURRENCY,
        faults: format!("duplicate={REPEATED},reordered=20%,tampered_body=40,wrong_key=40").parse().expect("faults"),
        ..Config::default()
    };
    let api = config.listen;
    let emulator = Emulator::start(config, None).await.expect("the emulator runs");
    let webhook = json!({ "uri": "http://127.0.0.1:1/", "subscribed_events": ["batch.succeeded"] });
    let webhook = call(api, "test", Method::POST, "/v1/webhooks", &webhook).await;
    let (folder, secret) = (tempfile::tempdir().expect("a folder"), webhook["new_signing_secret"].as_str());
    let secret_file = folder.path().join("secret");
    std::fs::write(&secret_file, secret.expect("a secret, once")).expect("a file");
    let mut gateway = Gateway::start(&format!(
        "[sources.test]\nsecrets = [{{ file = \"{}\" }}]\njwks = {{ url = \"{}\" }}\n{}",
        secret_file.display(),
        emulator.jwks_url(),
        crate::common::route(&backend, "")
    ))
    .await;
    let hook = format!("http://{}/hook", gateway.address);
    let path = format!("/v1/webhooks/{}", webhook["id"].as_str().expect("an id"));
    call(api, "test", Method::PATCH, &path, &json!({ "uri": hook })).await;

    // Half of them to the registered webhook (`v1`), half to an address of their own (`v1a`).
    let emit = async |count: u64| {
        let event = json!({ "type": "batch.succeeded", "count": count / 2 });
        call(api, "test", Method::POST, "/_emulator/events:emit", &event).await;
        let event = json!({ "type": "video.generated", "count": count / 2, "uris": [hook] });
        call(api, "test", Method::POST, "/_emulator/events:emit", &event).await;
    };
    emit(EVENTS / 4).await;

    moods.is_down.store(true, Ordering::SeqCst);
    emit(EVENTS / 4).await;
    tokio::time::sleep(Duration::from_hours(3).div_f64(SCALE)).await;
    moods.is_down.store(false, Ordering::SeqCst);

    emit(EVENTS / 4).await;
    until("deliveries are on their way", async || moods.events().len() as u64 > EVENTS / 2).await;
    gateway.kill();
    emit(EVENTS / 4).await;
    tokio::time::sleep(Duration::from_mins(30).div_f64(SCALE)).await;
    gateway.restart().await;

    // The last of 14 attempts comes within 24 seconds of the first.
    let all = async {
        while emulator.totals().open > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), all).await.expect("a day is over within a minute");

    let totals = emulator.totals();
    assert_eq!((totals.deliveries, totals.ended.get(&Ending::Delivered)), (EVENTS, Some(&EVENTS)), "{totals:?}");
    let events = moods.events().clone();
    let reached = events.values().filter(|handled| handled.succeeded > 0).count() as u64;
    let twice = events.values().filter(|handled| handled.succeeded > 1).count();
    println!(
        "{EVENTS} events, {} attempts: {reached} reached the backend, {twice} of them more than once \
         (the in-process store forgets when the gateway is killed)",
        totals.attempts
    );
    assert_eq!(reached, EVENTS);
    // What was being answered when the gateway was killed, and what was repeated after that.
    assert!(twice <= CONCURRENCY + REPEATED, "{twice} events were handled more than once");
    let duplicates = gateway.count("duplicate", "").await;
    assert!(duplicates > 0.0, "{}", gateway.metrics().await);
    emulator.stop().await;
}
