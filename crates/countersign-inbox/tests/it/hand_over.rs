//! Messages that a worker gets when they are stored, without asking the inbox.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use countersign_inbox::worker::{Attempt, AttemptOutcome};
use countersign_inbox::{Inbox, State};
use tokio::runtime::Builder;
use tokio::time::sleep;

use crate::plain::Plain;
use crate::worker::{SECOND, Seen, TokioClock, builder, listed, message, now, plain, run, states, store};

const MOMENT: Duration = Duration::from_millis(10);

/// A handler that takes this long, and what it has seen.
fn handler(
    takes: Duration,
) -> (Seen, impl Fn(Attempt) -> std::pin::Pin<Box<dyn Future<Output = AttemptOutcome> + Send>>) {
    let (seen, start) = (Seen::default(), TokioClock.instant());
    let noted = seen.clone();
    let handle = move |attempt: Attempt| {
        noted.note(&attempt, start);
        let outcome = async move {
            sleep(takes).await;
            AttemptOutcome::Done
        };
        Box::pin(outcome) as std::pin::Pin<Box<dyn Future<Output = AttemptOutcome> + Send>>
    };
    (seen, handle)
}

fn asked(plain: &Plain) -> u32 {
    plain.leases.load(Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn a_worker_with_nothing_else_to_do_gets_messages_without_asking() {
    let ((plain, inbox), (seen, handle)) = (plain(), handler(Duration::ZERO));
    let _running = run(builder(&inbox, handle));
    sleep(MOMENT).await;
    let before = asked(&plain);
    for n in 0..20 {
        store(&inbox, &format!("msg_{n}")).await;
    }
    sleep(MOMENT).await;
    assert_eq!((seen.count(), asked(&plain)), (20, before));
    assert!(listed(&plain).await.iter().all(|delivery| delivery.state == State::Done && delivery.attempts == 1));
}

#[tokio::test(start_paused = true)]
async fn messages_beyond_the_room_of_a_worker_are_leased_from_the_inbox() {
    let ((plain, inbox), (seen, handle)) = (plain(), handler(SECOND));
    let _running = run(builder(&inbox, handle).concurrency(2));
    sleep(MOMENT).await;
    for n in 0..200 {
        store(&inbox, &format!("msg_{n:03}")).await;
    }
    let waiting = states(&plain).await.iter().filter(|state| **state == State::Waiting).count();
    assert!((60..80).contains(&waiting), "{waiting}");
    sleep(110 * SECOND).await;
    // Those that waited too long were given back, which is no attempt.
    assert_eq!(seen.count(), 200);
    assert!(seen.all().iter().all(|(_, number, _)| *number == 1), "{:?}", seen.all());
    let before = asked(&plain);
    for n in 0..10 {
        store(&inbox, &format!("later_{n}")).await;
        sleep(2 * SECOND).await;
    }
    // Every five seconds, it looks for messages of other processes.
    let more = asked(&plain) - before;
    assert!(seen.count() == 210 && more <= 5, "{} attempts, asked {more} times", seen.count());
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_due_again_gets_its_turn_among_new_messages() {
    let ((_, inbox), seen, start) = (plain(), Seen::default(), TokioClock.instant());
    let noted = seen.clone();
    let worker = builder(&inbox, move |attempt: Attempt| {
        noted.note(&attempt, start);
        let fails = attempt.number == 1 && attempt.message.key.message_id().as_str() == "first";
        async move {
            sleep(SECOND / 10).await;
            if fails { AttemptOutcome::failed("status 503") } else { AttemptOutcome::Done }
        }
    });
    let _running = run(worker.concurrency(1));
    sleep(MOMENT).await;
    store(&inbox, "first").await;
    for n in 0..300 {
        store(&inbox, &format!("msg_{n}")).await;
        sleep(SECOND / 10).await;
    }
    let again = seen.all().into_iter().find(|(_, number, _)| *number == 2).expect("a second attempt");
    assert!(again.2 < 12 * SECOND, "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_for_a_destination_that_another_process_has_paused_is_given_back() {
    let ((plain, inbox), (seen, handle)) = (plain(), handler(Duration::ZERO));
    let _running = run(builder(&inbox, handle));
    sleep(3 * SECOND).await;
    plain.pause("here", true).await.expect("it is paused");
    store(&inbox, "msg_1").await;
    sleep(MOMENT).await;
    let delivery = &listed(&plain).await[0];
    assert_eq!((seen.count(), delivery.state, delivery.attempts), (0, State::Waiting, 0));
    inbox.pause("here", false).await.expect("it is resumed");
    sleep(6 * SECOND).await;
    assert_eq!(seen.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_aborted_gives_back_what_it_has_not_started() {
    let ((plain, inbox), (seen, handle)) = (plain(), handler(60 * SECOND));
    let (_stop, running) = run(builder(&inbox, handle).concurrency(1));
    sleep(MOMENT).await;
    for id in ["msg_1", "msg_2", "msg_3"] {
        store(&inbox, id).await;
    }
    sleep(MOMENT).await;
    assert_eq!(states(&plain).await, [State::Leased; 3]);
    running.abort();
    sleep(MOMENT).await;
    store(&inbox, "msg_4").await;
    let found: Vec<_> = listed(&plain).await.iter().map(|delivery| (delivery.state, delivery.attempts)).collect();
    assert_eq!(found, [(State::Waiting, 0), (State::Waiting, 0), (State::Waiting, 0), (State::Waiting, 1)]);
    assert_eq!(seen.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_sender_is_gone_is_delivered_all_the_same() {
    let ((plain, inbox), (seen, handle)) = (plain(), handler(Duration::ZERO));
    let _running = run(builder(&inbox, handle));
    sleep(MOMENT).await;
    let inbox: Arc<dyn Inbox> = Arc::new(inbox);
    drop(inbox.enqueue(message("msg_1"), now()));
    sleep(MOMENT).await;
    assert_eq!((seen.count(), states(&plain).await), (1, vec![State::Done]));
}

#[test]
fn a_message_is_delivered_in_the_runtime_that_stored_it() {
    let (plain, inbox) = plain();
    let threads = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&threads);
    let handle = move |_: Attempt| {
        noted.lock().expect("no panic").push(std::thread::current().id());
        std::future::ready(AttemptOutcome::Done)
    };
    let runtime = || Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (of_worker, of_sender) = (runtime(), runtime());
    let (stop, running) = of_worker.block_on(async { run(builder(&inbox, handle).clock(Arc::new(SystemClock))) });
    let storing = of_sender.spawn(async move {
        for n in 0..50 {
            while states(&plain).await.iter().any(|state| *state != State::Done) {
                sleep(MOMENT).await;
            }
            store(&inbox, &format!("msg_{n}")).await;
        }
        sleep(10 * MOMENT).await;
        assert_eq!(states(&plain).await, [State::Done; 50]);
        std::thread::current().id()
    });
    let sender = of_sender.block_on(storing).expect("no panic");
    let found = threads.lock().expect("no panic").clone();
    let there = found.iter().filter(|thread| **thread == sender).count();
    // The worker starts the first, and looks every two seconds whether the destination is paused.
    assert!(found.len() == 50 && there >= 45, "{there} of {}", found.len());
    stop.send(()).expect("it runs");
    of_worker.block_on(running).expect("no panic");
}
