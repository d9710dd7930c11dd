//! The cases. Each says what it expects, and what it found instead.

use std::fmt::Debug;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::subject::{GRACE, LEASE, RETAIN, Subject};
use crate::clock::{ClockReading, UnixTime};
use crate::replay::contract::{Claim, ClaimToken, ReplayKey, ReplayStore, Settled, StoreError};

type Outcome = Result<(), String>;

pub(super) async fn a_message_is_fresh_then_in_flight_then_done<S: Subject>(subject: &S) -> Outcome {
    let (store, key) = (subject.store(RETAIN).await, key("source", "msg_1")?);
    let token = fresh(&store, &key, subject.now(), "the first claim").await?;
    is(token.key(), &key, "the key of the token")?;
    is(&claim(&store, &key, subject.now()).await, &Ok(Claim::InFlight), "a claim while another holds the key")?;
    is(&store.confirm(token, subject.now()).await, &Ok(Settled::Recorded), "the confirmation")?;
    is(&claim(&store, &key, subject.now()).await, &Ok(Claim::Done), "a claim after the confirmation")
}

pub(super) async fn a_release_frees_the_key<S: Subject>(subject: &S) -> Outcome {
    let (store, key) = (subject.store(RETAIN).await, key("source", "msg_1")?);
    store.release(fresh(&store, &key, subject.now(), "the first claim").await?);
    let found = settled_claim(subject, &store, &key).await;
    is_fresh(found, "a claim after the release").map(drop)
}

pub(super) async fn a_lease_frees_the_key_when_it_has_run_out<S: Subject>(subject: &S) -> Outcome {
    let (store, key) = (subject.store(RETAIN).await, key("source", "msg_1")?);
    drop(fresh(&store, &key, subject.now(), "the first claim").await?);
    subject.pass(LEASE.saturating_sub(GRACE)).await;
    is(&claim(&store, &key, subject.now()).await, &Ok(Claim::InFlight), "a claim within the lease")?;
    subject.pass(2 * GRACE).await;
    fresh(&store, &key, subject.now(), "a claim after the lease").await.map(drop)
}

pub(super) async fn a_late_confirm_leaves_the_key_to_its_new_holder<S: Subject>(subject: &S) -> Outcome {
    let (store, key) = (subject.store(RETAIN).await, key("source", "msg_1")?);
    let (late, holder) = two_claims(subject, &store, &key).await?;
    is(&store.confirm(late, subject.now()).await, &Ok(Settled::Superseded), "the late confirmation")?;
    is(&claim(&store, &key, subject.now()).await, &Ok(Claim::InFlight), "a claim after it")?;
    is(&store.confirm(holder, subject.now()).await, &Ok(Settled::Recorded), "the confirmation by the holder")
}

pub(super) async fn a_late_release_leaves_the_key_to_its_new_holder<S: Subject>(subject: &S) -> Outcome {
    let (store, key) = (subject.store(RETAIN).await, key("source", "msg_1")?);
    let (late, holder) = two_claims(subject, &store, &key).await?;
    store.release(late);
    subject.pass(LEASE / 8).await;
    is(&claim(&store, &key, subject.now()).await, &Ok(Claim::InFlight), "a claim after the late release")?;
    is(&store.confirm(holder, subject.now()).await, &Ok(Settled::Recorded), "the confirmation by the holder")
}

pub(super) async fn a_late_settlement_does_not_undo_a_confirmation<S: Subject>(subject: &S) -> Outcome {
    let store = subject.store(RETAIN).await;
    for released in [false, true] {
        let key = key("source", if released { "msg_1" } else { "msg_2" })?;
        let (late, holder) = two_claims(subject, &store, &key).await?;
        is(&store.confirm(holder, subject.now()).await, &Ok(Settled::Recorded), "the confirmation by the holder")?;
        if released {
            store.release(late);
            subject.pass(LEASE / 8).await;
        } else {
            is(&store.confirm(late, subject.now()).await, &Ok(Settled::Superseded), "the late confirmation")?;
        }
        is(&claim(&store, &key, subject.now()).await, &Ok(Claim::Done), "a claim after the late settlement")?;
    }
    Ok(())
}

pub(super) async fn a_late_confirm_is_recorded_if_nobody_holds_the_key<S: Subject>(subject: &S) -> Outcome {
    let (store, key) = (subject.store(RETAIN).await, key("source", "msg_1")?);
    let token = fresh(&store, &key, subject.now(), "the first claim").await?;
    subject.pass(LEASE + GRACE).await;
    is(&store.confirm(token, subject.now()).await, &Ok(Settled::Recorded), "the late confirmation")?;
    is(&claim(&store, &key, subject.now()).await, &Ok(Claim::Done), "a claim after it")
}

pub(super) async fn a_confirmed_key_is_done_until_its_time_has_passed<S: Subject>(subject: &S) -> Outcome {
    let (store, key) = (subject.store(RETAIN).await, key("source", "msg_1")?);
    let token = fresh(&store, &key, subject.now(), "the first claim").await?;
    // The time begins with the confirmation.
    subject.pass(LEASE.saturating_sub(GRACE)).await;
    is(&store.confirm(token, subject.now()).await, &Ok(Settled::Recorded), "the confirmation")?;
    subject.pass(RETAIN.saturating_sub(GRACE)).await;
    is(&claim(&store, &key, subject.now()).await, &Ok(Claim::Done), "a claim before the end of `retain`")?;
    subject.pass(2 * GRACE).await;
    fresh(&store, &key, subject.now(), "a claim after the end of `retain`").await.map(drop)
}

/// Also not when nothing is left of the key.
pub(super) async fn a_claim_number_is_never_used_again<S: Subject>(subject: &S) -> Outcome {
    let (store, key) = (subject.store(RETAIN).await, key("source", "msg_1")?);
    let (late, holder) = two_claims(subject, &store, &key).await?;
    let mut numbers = vec![late.number(), holder.number()];
    store.release(holder);
    let third = is_fresh(settled_claim(subject, &store, &key).await, "a claim after the release")?;
    numbers.push(third.number());
    is(&store.confirm(third, subject.now()).await, &Ok(Settled::Recorded), "the confirmation")?;
    subject.pass(RETAIN + GRACE).await;
    let fourth = fresh(&store, &key, subject.now(), "a claim after the key was forgotten").await?;
    if numbers.contains(&fourth.number()) || (1..numbers.len()).any(|n| numbers[..n].contains(&numbers[n])) {
        return Err(format!("claims on one key have the numbers {numbers:?} and {}", fourth.number()));
    }
    store.release(late);
    subject.pass(LEASE / 8).await;
    is(&claim(&store, &key, subject.now()).await, &Ok(Claim::InFlight), "a claim after the release of the oldest")
}

/// By source and id, in letter case, and to the last character of the longest.
pub(super) async fn keys_are_compared_whole<S: Subject>(subject: &S) -> Outcome {
    let store = subject.store(RETAIN).await;
    let long = "m".repeat(255);
    let pairs = [
        [("a", "msg_1"), ("b", "msg_1")],
        [("a", "bc"), ("ab", "c")],
        [("a", "b-c"), ("a-b", "c")],
        [("a", "b:c"), ("a", "b_c")],
        [("a", "Msg_2"), ("a", "msg_2")],
        [("a", &format!("{long}1")), ("a", &format!("{long}2"))],
    ];
    for [one, other] in pairs {
        for (source, id) in [one, other] {
            let token =
                fresh(&store, &key(source, id)?, subject.now(), &format!("the claim of {id} of {source}")).await?;
            is(&store.confirm(token, subject.now()).await, &Ok(Settled::Recorded), "its confirmation")?;
        }
    }
    Ok(())
}

pub(super) async fn a_full_store_rejects_and_forgets_nothing<S: Subject>(subject: &S) -> Outcome {
    let Some(store) = subject.small_store(RETAIN, 2).await else { return Ok(()) };
    let (one, two, three) = (key("source", "msg_1")?, key("source", "msg_2")?, key("source", "msg_3")?);
    let first = fresh(&store, &one, subject.now(), "a claim in an empty store").await?;
    let second = fresh(&store, &two, subject.now(), "a claim in a store with room for one").await?;
    is(&claim(&store, &three, subject.now()).await, &Err(StoreError::full()), "a claim in a store full of claims")?;
    is(&claim(&store, &one, subject.now()).await, &Ok(Claim::InFlight), "a claim on a key that the full store holds")?;
    is(&store.confirm(first, subject.now()).await, &Ok(Settled::Recorded), "a confirmation in a full store")?;
    is(&store.confirm(second, subject.now()).await, &Ok(Settled::Recorded), "a confirmation in a full store")?;
    is(&claim(&store, &three, subject.now()).await, &Err(StoreError::full()), "a claim in a store full of ids")?;
    for key in [&one, &two] {
        is(&claim(&store, key, subject.now()).await, &Ok(Claim::Done), "a claim on a key that the full store knows")?;
    }
    subject.pass(RETAIN + GRACE).await;
    fresh(&store, &three, subject.now(), "a claim after the ids have expired").await.map(drop)
}

pub(super) async fn a_wall_clock_that_jumps_changes_nothing<S: Subject>(subject: &S) -> Outcome {
    const JUMP: Duration = Duration::from_secs(26 * 60 * 60);
    let shift = |wall: UnixTime| [wall, wall.saturating_add(JUMP), wall.saturating_sub(JUMP), wall];
    let store = subject.store(RETAIN).await;
    let (done, held) = (key("source", "msg_1")?, key("source", "msg_2")?);
    let token = fresh(&store, &done, subject.now(), "the first claim").await?;
    is(&store.confirm(token, subject.now()).await, &Ok(Settled::Recorded), "the confirmation")?;
    drop(fresh(&store, &held, subject.now(), "the second claim").await?);
    for wall in shift(subject.now().wall) {
        let now = ClockReading { wall, ..subject.now() };
        // Claims of other keys are when a store makes room.
        drop(fresh(&store, &key("source", &format!("other_{}", wall.as_millis()))?, now, "another claim").await.ok());
        is(&claim(&store, &done, now).await, &Ok(Claim::Done), "a claim on a confirmed key after a jump")?;
        is(&claim(&store, &held, now).await, &Ok(Claim::InFlight), "a claim on a claimed key after a jump")?;
    }
    // What began while the clock was wrong lasts no longer for it.
    let wrong = ClockReading { wall: subject.now().wall.saturating_add(JUMP), ..subject.now() };
    let (done, held) = (key("source", "msg_3")?, key("source", "msg_4")?);
    let token = fresh(&store, &done, wrong, "a claim at a wrong time").await?;
    is(&store.confirm(token, wrong).await, &Ok(Settled::Recorded), "a confirmation at a wrong time")?;
    drop(fresh(&store, &held, wrong, "a claim at a wrong time").await?);
    subject.pass(RETAIN + GRACE).await;
    drop(fresh(&store, &held, subject.now(), "a claim after a lease that began at a wrong time").await?);
    fresh(&store, &done, subject.now(), "a claim after `retain` that began at a wrong time").await.map(drop)
}

pub(super) async fn of_64_claims_at_once_one_is_fresh<S: Subject>(subject: &S) -> Outcome {
    let (store, key) = (subject.store(RETAIN).await, key("source", "msg_1")?);
    let mut claims: Vec<_> = (0..64).map(|_| (store.claim(key.clone(), LEASE, subject.now()), None)).collect();
    poll_fn(|cx| {
        for (claim, found) in &mut claims {
            if found.is_none()
                && let Poll::Ready(outcome) = Pin::new(claim).poll(cx)
            {
                *found = Some(outcome);
            }
        }
        if claims.iter().all(|(_, found)| found.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    let (fresh, others): (Vec<_>, Vec<_>) =
        claims.into_iter().filter_map(|(_, found)| found).partition(|found| matches!(found, Ok(Claim::Fresh(_))));
    is(&fresh.len(), &1, "the number of fresh claims")?;
    others.iter().try_for_each(|found| is(found, &Ok(Claim::InFlight), "each of the others"))
}

/// Before it is polled, or while it waits.
pub(super) async fn a_confirm_whose_future_is_dropped_is_carried_out<S: Subject>(subject: &S) -> Outcome {
    let store = subject.store(RETAIN).await;
    for polls in 0..3 {
        let key = key("source", &format!("msg_{polls}"))?;
        let token = fresh(&store, &key, subject.now(), "the first claim").await?;
        give_up(store.confirm(token, subject.now()), polls);
        let when = format!("a claim after a confirmation that was dropped after {polls} polls");
        is(&settled_claim(subject, &store, &key).await, &Ok(Claim::Done), &when)?;
    }
    Ok(())
}

pub(super) async fn a_claim_whose_future_is_dropped_ends_with_its_lease<S: Subject>(subject: &S) -> Outcome {
    let store = subject.store(RETAIN).await;
    for polls in 0..3 {
        let key = key("source", &format!("msg_{polls}"))?;
        give_up(store.claim(key.clone(), LEASE, subject.now()), polls);
        subject.pass(LEASE + GRACE).await;
        let when = format!("a claim after one that was dropped after {polls} polls");
        let token = fresh(&store, &key, subject.now(), &when).await?;
        is(&store.confirm(token, subject.now()).await, &Ok(Settled::Recorded), "its confirmation")?;
    }
    Ok(())
}

/// Two claims on one key: the first lost it when its lease ran out, the second holds it.
async fn two_claims<S: Subject>(
    subject: &S,
    store: &S::Store,
    key: &ReplayKey,
) -> Result<(ClaimToken, ClaimToken), String> {
    let late = fresh(store, key, subject.now(), "the first claim").await?;
    subject.pass(LEASE + GRACE).await;
    let holder = fresh(store, key, subject.now(), "a claim after the lease").await?;
    Ok((late, holder))
}

/// What a claim finds once the store has done what it was asked before, which takes no longer than
/// half a lease.
async fn settled_claim<S: Subject>(subject: &S, store: &S::Store, key: &ReplayKey) -> Result<Claim, StoreError> {
    for _ in 0..8 {
        match claim(store, key, subject.now()).await {
            Ok(Claim::InFlight) => subject.pass(LEASE / 16).await,
            found => return found,
        }
    }
    claim(store, key, subject.now()).await
}

async fn claim(store: &impl ReplayStore, key: &ReplayKey, now: ClockReading) -> Result<Claim, StoreError> {
    store.claim(key.clone(), LEASE, now).await
}

async fn fresh(store: &impl ReplayStore, key: &ReplayKey, now: ClockReading, when: &str) -> Result<ClaimToken, String> {
    is_fresh(claim(store, key, now).await, when)
}

fn is_fresh(found: Result<Claim, StoreError>, when: &str) -> Result<ClaimToken, String> {
    match found {
        Ok(Claim::Fresh(token)) => Ok(token),
        other => Err(format!("{when} is {other:?}, and should be fresh")),
    }
}

fn is<T: Debug + PartialEq>(found: &T, expected: &T, when: &str) -> Outcome {
    if found == expected { Ok(()) } else { Err(format!("{when} is {found:?}, and should be {expected:?}")) }
}

fn key(source: &str, id: &str) -> Result<ReplayKey, String> {
    ReplayKey::parse(source, id).map_err(|_| format!("{source}/{id} is not a key"))
}

/// Polls a future so many times, and drops it.
fn give_up(mut future: impl Future + Unpin, polls: usize) {
    for _ in 0..polls {
        if Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return;
        }
    }
}
