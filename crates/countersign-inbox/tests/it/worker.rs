//! Workers, with a plain inbox and a clock that stands still while nothing waits.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use countersign::UnixTime;
use countersign::clock::{Clock, ClockReading};
use countersign::replay::ReplayKey;
use countersign_inbox::worker::{Attempt, AttemptOutcome, Deliver, Pace, SharedInbox, Worker, WorkerBuilder};
use countersign_inbox::{Delivery, Filter, Headers, Inbox, Keep, NewMessage, Schedule, State, StoredMessage};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::plain::{Fault, Plain};

const HERE: &str = "here";
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Tokio's clock, which tests advance.
#[derive(Clone, Copy)]
pub(crate) struct TokioClock;

impl Clock for TokioClock {
    fn now(&self) -> UnixTime {
        let since = self.instant().duration_since(*ORIGIN.get_or_init(|| self.instant()));
        UnixTime::from_secs(1_700_000_000).saturating_add(since)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn instant(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

static ORIGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();

pub(crate) fn now() -> ClockReading {
    TokioClock.read()
}

pub(crate) fn plain() -> (Arc<Plain>, SharedInbox) {
    let plain = Arc::new(Plain::new(1000, Fault::None));
    (Arc::clone(&plain), SharedInbox::new(plain))
}

pub(crate) fn message(id: &str) -> NewMessage {
    let message = StoredMessage {
        key: ReplayKey::parse("source", id).expect("a key"),
        event_type: None,
        path: "/".to_owned(),
        headers: Headers::default(),
        body: "{}".into(),
        received: now().wall,
    };
    NewMessage::new(message, HERE, 100 * SECOND)
}

pub(crate) async fn store(inbox: &impl Inbox, id: &str) {
    inbox.enqueue(message(id), now()).await.expect("it is stored");
}

pub(crate) async fn listed(inbox: &impl Inbox) -> Vec<Delivery> {
    inbox.list(Filter::default()).await.expect("a list")
}

pub(crate) async fn states(inbox: &impl Inbox) -> Vec<State> {
    listed(inbox).await.iter().map(|delivery| delivery.state).collect()
}

/// The attempts: message id, number, and the time since the start.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<(String, u32, Duration)>>>);

impl Seen {
    pub(crate) fn note(&self, attempt: &Attempt, start: Instant) {
        let since = TokioClock.instant().duration_since(start);
        let id = attempt.message.key.message_id().as_str().to_owned();
        self.0.lock().expect("no panic").push((id, attempt.number, since));
    }

    pub(crate) fn all(&self) -> Vec<(String, u32, Duration)> {
        self.0.lock().expect("no panic").clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.all().len()
    }
}

pub(crate) fn builder<D: Deliver>(inbox: &SharedInbox, deliver: D) -> WorkerBuilder<D> {
    let schedule = Schedule { first: 10 * SECOND, jitter: 0.0, window: 100 * SECOND, ..Schedule::default() };
    Worker::builder(inbox.clone(), HERE, deliver).schedule(schedule).clock(Arc::new(TokioClock))
}

/// Runs a worker until the sender is dropped or told.
pub(crate) fn run<D: Deliver>(worker: WorkerBuilder<D>) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let run = worker.build().run(async { drop(stopped.await) }, 5 * SECOND);
    (stop, tokio::spawn(run))
}

#[tokio::test(start_paused = true)]
async fn a_message_is_delivered_when_it_is_stored_and_an_idle_worker_asks_rarely() {
    let ((plain, inbox), seen, start) = (plain(), Seen::default(), TokioClock.instant());
    let noted = seen.clone();
    let _running = run(builder(&inbox, move |attempt: Attempt| {
        noted.note(&attempt, start);
        async { AttemptOutcome::Done }
    }));
    sleep(60 * SECOND).await;
    let asked = plain.leases.load(Ordering::SeqCst);
    assert!((1..=14).contains(&asked), "asked {asked} times in a minute");
    store(&inbox, "msg_1").await;
    sleep(Duration::from_millis(5)).await;
    assert_eq!(seen.count(), 1);
    assert!(seen.all()[0].2 < 60 * SECOND + Duration::from_millis(5), "{:?}", seen.all());
    assert_eq!(states(&plain).await, [State::Done]);
    // By another process.
    store(&plain, "msg_2").await;
    sleep(6 * SECOND).await;
    assert_eq!(seen.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn failures_are_retried_on_time_until_the_delivery_is_a_dead_letter() {
    let ((plain, inbox), seen, start) = (plain(), Seen::default(), TokioClock.instant());
    let (noted, steps) = (seen.clone(), Arc::new(Mutex::new(Vec::new())));
    let results = Arc::clone(&steps);
    let worker = builder(&inbox, move |attempt: Attempt| {
        noted.note(&attempt, start);
        let retry_after = (attempt.number == 2).then_some(30 * SECOND);
        async move {
            assert!(attempt.number > 1, "a panic is a failure");
            AttemptOutcome::Failed { error: "status 503".to_owned(), retry_after }
        }
    });
    let _running = run(worker.on_attempt(move |step| results.lock().expect("no panic").push(step.name())));
    store(&inbox, "msg_1").await;
    sleep(200 * SECOND).await;
    let seconds: Vec<_> = seen.all().iter().map(|(_, number, since)| (*number, since.as_secs())).collect();
    // The next one would be 80 s after the last.
    assert_eq!(seconds, [(1, 0), (2, 10), (3, 40), (4, 80)]);
    let dead = &listed(&plain).await[0];
    assert_eq!((dead.state, dead.last_error.as_deref()), (State::Dead, Some("status 503")));
    assert_eq!(*steps.lock().expect("no panic"), ["retry", "retry", "retry", "dead"]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_has_failed() {
    let (plain, inbox) = plain();
    let never = |_: Attempt| std::future::pending();
    let _running = run(builder(&inbox, never).timeout(3 * SECOND));
    store(&inbox, "msg_1").await;
    sleep(4 * SECOND).await;
    let delivery = &listed(&plain).await[0];
    let error = delivery.last_error.as_deref();
    assert_eq!((delivery.state, error), (State::Waiting, Some("the attempt took too long")));
}

#[tokio::test(start_paused = true)]
async fn so_many_are_attempted_at_once_and_no_more() {
    let (plain, inbox) = plain();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (current, highest) = (Arc::clone(&now), Arc::clone(&most));
    for n in 0..20 {
        store(&inbox, &format!("msg_{n}")).await;
    }
    let worker = builder(&inbox, move |_: Attempt| {
        let (current, highest) = (Arc::clone(&current), Arc::clone(&highest));
        async move {
            highest.fetch_max(current.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(SECOND).await;
            current.fetch_sub(1, Ordering::SeqCst);
            AttemptOutcome::Done
        }
    });
    let _running = run(worker.concurrency(4));
    sleep(Duration::from_millis(5100)).await;
    assert_eq!(most.load(Ordering::SeqCst), 4);
    assert!(states(&plain).await.iter().all(|state| *state == State::Done));
}

#[tokio::test(start_paused = true)]
async fn a_paused_destination_gets_nothing_until_it_is_resumed_by_any_process() {
    let ((plain, inbox), seen, start) = (plain(), Seen::default(), TokioClock.instant());
    let other = SharedInbox::new(Arc::clone(&plain) as Arc<dyn Inbox>);
    plain.pause(HERE, true).await.expect("it is paused");
    let noted = seen.clone();
    let _running = run(builder(&inbox, move |attempt: Attempt| {
        noted.note(&attempt, start);
        async { AttemptOutcome::Done }
    }));
    store(&inbox, "msg_1").await;
    sleep(10 * SECOND).await;
    assert_eq!(seen.count(), 0);
    inbox.pause(HERE, false).await.expect("it is resumed");
    sleep(Duration::from_millis(10)).await;
    assert_eq!(seen.count(), 1);
    // Another process tells nobody.
    for (is_paused, id, expected) in [(true, "msg_2", 1), (false, "msg_3", 3)] {
        other.pause(HERE, is_paused).await.expect("a change");
        sleep(3 * SECOND).await;
        store(&inbox, id).await;
        sleep(3 * SECOND).await;
        assert_eq!(seen.count(), expected, "paused: {is_paused}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_keeps_failing_is_tried_by_one_delivery_at_a_time() {
    let (_, inbox) = plain();
    let (seen, works, start) = (Seen::default(), Arc::new(AtomicU32::new(0)), TokioClock.instant());
    let (noted, state) = (seen.clone(), Arc::clone(&works));
    for n in 0..40 {
        store(&inbox, &format!("msg_{n:02}")).await;
    }
    let worker = builder(&inbox, move |attempt: Attempt| {
        noted.note(&attempt, start);
        let works = state.load(Ordering::SeqCst) > 0;
        async move { if works { AttemptOutcome::Done } else { AttemptOutcome::failed("status 500") } }
    });
    let worker = worker.concurrency(10).build();
    let watched = worker.clone();
    tokio::spawn(worker.run(std::future::pending(), SECOND));
    sleep(Duration::from_millis(100)).await;
    assert_eq!((seen.count(), watched.is_failing()), (10, true));
    // After 1 s, 3 s, 7 s, 15 s.
    sleep(16 * SECOND).await;
    assert_eq!(seen.count(), 14);
    works.store(1, Ordering::SeqCst);
    sleep(17 * SECOND).await;
    assert_eq!((seen.count(), watched.is_failing()), (14 + 40, false));
}

#[tokio::test(start_paused = true)]
async fn attempts_in_progress_finish_and_others_are_given_back() {
    for (takes, expected) in [(4, State::Done), (6, State::Waiting)] {
        let (plain, inbox) = plain();
        let slow = move |_: Attempt| async move {
            sleep(takes * SECOND).await;
            AttemptOutcome::Done
        };
        let (stop, running) = run(builder(&inbox, slow));
        store(&inbox, "msg_1").await;
        sleep(Duration::from_millis(10)).await;
        stop.send(()).expect("it runs");
        sleep(Duration::from_millis(10)).await;
        store(&inbox, "msg_2").await;
        timeout(7 * SECOND, running).await.expect("it ends").expect("no panic");
        assert_eq!(states(&plain).await, [State::Waiting, expected], "newest first, after {takes} s");
        let due = plain.next_due(HERE, now()).await.expect("a time");
        assert_eq!(due, Some(Duration::ZERO));
        assert_eq!(listed(&plain).await[0].attempts, 0, "no new attempts");
    }
}

#[tokio::test(start_paused = true)]
async fn an_aborted_worker_gives_its_deliveries_back() {
    let (plain, inbox) = plain();
    let (_stop, running) = run(builder(&inbox, |_: Attempt| std::future::pending()));
    store(&inbox, "msg_1").await;
    sleep(Duration::from_millis(10)).await;
    assert_eq!(states(&plain).await, [State::Leased]);
    running.abort();
    sleep(Duration::from_millis(10)).await;
    let delivery = &listed(&plain).await[0];
    assert_eq!((delivery.state, plain.next_due(HERE, now()).await.ok()), (State::Waiting, Some(Some(Duration::ZERO))));
}

#[tokio::test(start_paused = true)]
async fn a_result_is_recorded_after_a_short_outage() {
    let ((plain, inbox), seen, start) = (plain(), Seen::default(), TokioClock.instant());
    plain.outage.store(2, Ordering::SeqCst);
    let noted = seen.clone();
    let _running = run(builder(&inbox, move |attempt: Attempt| {
        noted.note(&attempt, start);
        async { AttemptOutcome::Done }
    }));
    store(&inbox, "msg_1").await;
    sleep(120 * SECOND).await;
    assert_eq!((seen.count(), states(&plain).await), (1, vec![State::Done]));
}

#[tokio::test(start_paused = true)]
async fn ended_deliveries_are_removed_also_while_the_destination_is_paused() {
    let (plain, inbox) = plain();
    let keep = Keep { done: 20 * SECOND, dead: 20 * SECOND };
    let worker = builder(&inbox, |attempt: Attempt| async move {
        match attempt.message.key.message_id().as_str() {
            "done" => AttemptOutcome::Done,
            _ => AttemptOutcome::Hopeless { error: "it is not for us".to_owned() },
        }
    });
    let _running = run(worker.keep(keep));
    store(&inbox, "done").await;
    store(&inbox, "hopeless").await;
    sleep(SECOND).await;
    assert_eq!(states(&plain).await, [State::Dead, State::Done]);
    inbox.pause(HERE, true).await.expect("it is paused");
    sleep(30 * SECOND).await;
    assert_eq!(states(&plain).await, []);
}

/// One attempt a second.
struct EachSecond(Mutex<Option<Instant>>);

impl Pace for EachSecond {
    fn ready(&self, now: Instant) -> Result<usize, Duration> {
        let wait = self.0.lock().expect("no panic").map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        if wait.is_zero() { Ok(1) } else { Err(wait) }
    }

    fn started(&self, count: usize, now: Instant) {
        if count > 0 {
            *self.0.lock().expect("no panic") = Some(now + SECOND);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_start_as_fast_as_the_pace_allows() {
    let ((_, inbox), seen, start) = (plain(), Seen::default(), TokioClock.instant());
    let noted = seen.clone();
    let worker = builder(&inbox, move |attempt: Attempt| {
        noted.note(&attempt, start);
        async { AttemptOutcome::Done }
    });
    let _running = run(worker.pace(Arc::new(EachSecond(Mutex::default()))));
    sleep(20 * SECOND).await;
    for n in 0..10 {
        store(&inbox, &format!("msg_{n}")).await;
    }
    sleep(Duration::from_millis(5500)).await;
    let seconds: Vec<_> = seen.all().iter().map(|(_, _, since)| since.as_secs()).collect();
    assert_eq!(seconds, [20, 21, 22, 23, 24, 25]);
}
