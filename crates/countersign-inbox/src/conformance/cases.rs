//! The cases. An error contains the expected and the actual result.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use countersign::UnixTime;
use countersign::clock::ClockReading;
use countersign::replay::Settled;

use super::steps::{
    HERE, Outcome, enqueue, failed, is, lease, lease_none, lease_one, leased_from, listed, message, only, pass_beyond,
    returns, stored, to_here,
};
use super::subject::{GRACE, LEASE, RETAIN, Subject};
use crate::contract::{Enqueued, Inbox, Pending};
use crate::delivery::{DeliveryId, State};
use crate::error::InboxError;
use crate::filter::{Filter, Keep};
use crate::message::NewMessage;

pub(super) async fn a_message_is_stored_once_and_leased_as_it_was_enqueued<S: Subject>(subject: &S) -> Outcome {
    let (inbox, now) = (subject.inbox().await, subject.now());
    let expected = message("source", "msg_1", now)?;
    stored(&inbox.enqueue(to_here("msg_1", now)?, now).await, "the first enqueue")?;
    returns(inbox.enqueue(to_here("msg_1", now)?, now).await, &Enqueued::Duplicate, "the second enqueue")?;
    let leased = lease_one(subject, &inbox, "the lease").await?;
    is(&leased.message, &expected, "the leased message")?;
    is(&leased.attempt, &1, "the attempt")?;
    let delivery = only(&inbox).await?;
    is(&(delivery.id, delivery.state), &(leased.receipt.delivery(), State::Leased), "the listed delivery")?;
    is(&delivery.key, &expected.key, "the listed key")?;
    is(&delivery.event_type, &expected.event_type, "the listed event type")?;
    returns(inbox.message(delivery.id).await, &Some(expected), "the message of the delivery")
}

pub(super) async fn an_id_is_remembered_until_its_time_has_passed<S: Subject>(subject: &S) -> Outcome {
    let inbox = subject.inbox().await;
    enqueue(subject, &inbox, "msg_1").await?;
    let receipt = lease_one(subject, &inbox, "the lease").await?.receipt;
    returns(inbox.acknowledge(receipt, subject.now()).await, &Settled::Recorded, "the acknowledgement")?;
    subject.pass(RETAIN.saturating_sub(GRACE)).await;
    let now = subject.now();
    let found = inbox.enqueue(to_here("msg_1", now)?, now).await;
    returns(found, &Enqueued::Duplicate, "an enqueue before the end of `retain`")?;
    subject.pass(2 * GRACE).await;
    enqueue(subject, &inbox, "msg_1").await
}

pub(super) async fn sources_and_ids_are_compared_whole<S: Subject>(subject: &S) -> Outcome {
    let (inbox, now) = (subject.inbox().await, subject.now());
    for (source, id) in [("a", "bc"), ("ab", "c"), ("a", "BC"), ("b", "bc")] {
        let new = NewMessage::new(message(source, id, now)?, HERE, RETAIN);
        stored(&inbox.enqueue(new, now).await, &format!("the enqueue of {source}/{id}"))?;
    }
    Ok(())
}

pub(super) async fn each_destination_has_its_own_delivery<S: Subject>(subject: &S) -> Outcome {
    let (inbox, now) = (subject.inbox().await, subject.now());
    let new = to_here("msg_1", now)?.also_to("there").also_to("there");
    stored(&inbox.enqueue(new, now).await, "the enqueue")?;
    let receipt = lease_one(subject, &inbox, "the lease of the first destination").await?.receipt;
    returns(inbox.acknowledge(receipt, now).await, &Settled::Recorded, "the acknowledgement")?;
    let there = leased_from(subject, &inbox, "there", 10, LEASE).await?;
    is(&there.len(), &1, "the deliveries of the second destination")?;
    is(&leased_from(subject, &inbox, "nowhere", 10, LEASE).await?.len(), &0, "the deliveries of an unknown destination")
}

pub(super) async fn an_acknowledged_delivery_is_not_leased_again<S: Subject>(subject: &S) -> Outcome {
    let inbox = subject.inbox().await;
    enqueue(subject, &inbox, "msg_1").await?;
    let receipt = lease_one(subject, &inbox, "the lease").await?.receipt;
    returns(inbox.acknowledge(receipt, subject.now()).await, &Settled::Recorded, "the acknowledgement")?;
    pass_beyond(subject, LEASE).await;
    lease_none(subject, &inbox, "a lease after the acknowledgement").await?;
    is(&only(&inbox).await?.state, &State::Done, "the state")
}

pub(super) async fn a_lease_ends_and_its_receipt_becomes_void<S: Subject>(subject: &S) -> Outcome {
    let inbox = subject.inbox().await;
    enqueue(subject, &inbox, "msg_1").await?;
    let first = lease_one(subject, &inbox, "the first lease").await?;
    let copies = [0, 1].map(|_| crate::Receipt::new(first.receipt.delivery(), first.receipt.number()));
    subject.pass(LEASE.saturating_sub(GRACE)).await;
    lease_none(subject, &inbox, "a lease while another holds the delivery").await?;
    subject.pass(2 * GRACE).await;
    let second = lease_one(subject, &inbox, "a lease after the first has expired").await?;
    is(&second.attempt, &2, "the attempt")?;
    if second.receipt == first.receipt {
        return Err(format!("two leases have the same receipt {:?}", second.receipt));
    }
    let (now, late) = (subject.now(), &Settled::Superseded);
    returns(inbox.acknowledge(first.receipt, now).await, late, "an acknowledgement with the old receipt")?;
    let [retry, dead] = copies;
    returns(inbox.retry(retry, Duration::ZERO, "late", now).await, late, "a retry with the old receipt")?;
    returns(inbox.dead_letter(dead, "late", now).await, late, "a dead letter with the old receipt")?;
    lease_none(subject, &inbox, "a lease after the old receipts").await?;
    returns(inbox.acknowledge(second.receipt, now).await, &Settled::Recorded, "an acknowledgement with the new receipt")
}

pub(super) async fn a_late_acknowledgement_counts_if_nobody_leased_again<S: Subject>(subject: &S) -> Outcome {
    let inbox = subject.inbox().await;
    enqueue(subject, &inbox, "msg_1").await?;
    let receipt = lease_one(subject, &inbox, "the lease").await?.receipt;
    pass_beyond(subject, LEASE).await;
    returns(inbox.acknowledge(receipt, subject.now()).await, &Settled::Recorded, "the late acknowledgement")?;
    lease_none(subject, &inbox, "a lease after it").await
}

pub(super) async fn a_retry_is_due_after_its_delay_and_not_before<S: Subject>(subject: &S) -> Outcome {
    let inbox = subject.inbox().await;
    enqueue(subject, &inbox, "msg_1").await?;
    let leased = lease_one(subject, &inbox, "the first lease").await?;
    let delay = 3 * GRACE;
    returns(inbox.retry(leased.receipt, delay, "status 503", subject.now()).await, &Settled::Recorded, "the retry")?;
    let delivery = only(&inbox).await?;
    is(&(delivery.state, delivery.attempts), &(State::Waiting, 1), "the state and the attempts")?;
    is(&delivery.last_error.as_deref(), &Some("status 503"), "the last error")?;
    subject.pass(delay.saturating_sub(GRACE)).await;
    lease_none(subject, &inbox, "a lease before the delay has passed").await?;
    subject.pass(2 * GRACE).await;
    let again = lease_one(subject, &inbox, "a lease after the delay").await?;
    is(&(again.attempt, again.since), &(2, leased.since), "the attempt and the start of the schedule")
}

pub(super) async fn a_dead_letter_keeps_its_error_and_is_not_leased<S: Subject>(subject: &S) -> Outcome {
    let inbox = subject.inbox().await;
    enqueue(subject, &inbox, "msg_1").await?;
    let receipt = lease_one(subject, &inbox, "the lease").await?.receipt;
    let found = inbox.dead_letter(receipt, "status 500", subject.now()).await;
    returns(found, &Settled::Recorded, "the dead letter")?;
    pass_beyond(subject, LEASE).await;
    lease_none(subject, &inbox, "a lease after the dead letter").await?;
    let delivery = only(&inbox).await?;
    is(&(delivery.state, delivery.last_error.as_deref()), &(State::Dead, Some("status 500")), "the dead letter")
}

pub(super) async fn a_requeued_delivery_starts_again<S: Subject>(subject: &S) -> Outcome {
    let inbox = subject.inbox().await;
    enqueue(subject, &inbox, "msg_1").await?;
    for state in [State::Dead, State::Done, State::Waiting] {
        let leased = lease_one(subject, &inbox, "the lease").await?;
        let (id, now) = (leased.receipt.delivery(), subject.now());
        let settled = match state {
            State::Dead => inbox.dead_letter(leased.receipt, "status 500", now).await,
            State::Done => inbox.acknowledge(leased.receipt, now).await,
            State::Waiting | State::Leased => inbox.retry(leased.receipt, LEASE * 10, "status 500", now).await,
        };
        returns(settled, &Settled::Recorded, "the settlement")?;
        pass_beyond(subject, GRACE).await;
        let when = format!("the requeue of a delivery that is {state:?}");
        returns(inbox.requeue(id, subject.now()).await, &true, &when)?;
        let delivery = only(&inbox).await?;
        is(&(delivery.state, delivery.attempts), &(State::Waiting, 0), &when)?;
        if delivery.since <= leased.since {
            return Err(format!("{when}: the schedule still starts at {:?}", delivery.since));
        }
    }
    is(&lease_one(subject, &inbox, "the last lease").await?.attempt, &1, "the attempt after a requeue")
}

pub(super) async fn a_leased_or_unknown_delivery_is_not_requeued<S: Subject>(subject: &S) -> Outcome {
    let inbox = subject.inbox().await;
    enqueue(subject, &inbox, "msg_1").await?;
    let receipt = lease_one(subject, &inbox, "the lease").await?.receipt;
    let now = subject.now();
    returns(inbox.requeue(receipt.delivery(), now).await, &false, "the requeue of a leased delivery")?;
    returns(inbox.requeue(DeliveryId::new(1 << 40), now).await, &false, "the requeue of an unknown delivery")?;
    returns(inbox.acknowledge(receipt, now).await, &Settled::Recorded, "the acknowledgement")
}

pub(super) async fn a_discarded_delivery_is_gone_and_its_id_is_remembered<S: Subject>(subject: &S) -> Outcome {
    let (inbox, now) = (subject.inbox().await, subject.now());
    let message = to_here("msg_1", now)?.also_to("there");
    stored(&inbox.enqueue(message, now).await, "the enqueue")?;
    let here = listed(&inbox, Filter { destination: Some(HERE.to_owned()), ..Filter::default() }).await?;
    let here = here.first().ok_or("the delivery is not listed")?.id;
    returns(inbox.discard(here, subject.now()).await, &true, "the discard")?;
    returns(inbox.discard(here, subject.now()).await, &false, "the discard of a discarded delivery")?;
    lease_none(subject, &inbox, "a lease after the discard").await?;
    is(&only(&inbox).await?.destination.as_str(), &"there", "the destination that is left")?;
    is(&leased_from(subject, &inbox, "there", 10, LEASE).await?.len(), &1, "the leases of the other delivery")?;
    let again = inbox.enqueue(to_here("msg_1", now)?, subject.now()).await;
    returns(again, &Enqueued::Duplicate, "the enqueue of a discarded message")
}

pub(super) async fn a_leased_or_unknown_delivery_is_not_discarded<S: Subject>(subject: &S) -> Outcome {
    let inbox = subject.inbox().await;
    enqueue(subject, &inbox, "msg_1").await?;
    let receipt = lease_one(subject, &inbox, "the lease").await?.receipt;
    let now = subject.now();
    returns(inbox.discard(receipt.delivery(), now).await, &false, "the discard of a leased delivery")?;
    returns(inbox.discard(DeliveryId::new(1 << 40), now).await, &false, "the discard of an unknown delivery")?;
    returns(inbox.acknowledge(receipt, now).await, &Settled::Recorded, "the acknowledgement")
}

pub(super) async fn the_longest_due_are_leased_first_up_to_the_limit<S: Subject>(subject: &S) -> Outcome {
    let inbox = subject.inbox().await;
    for id in ["msg_1", "msg_2", "msg_3"] {
        enqueue(subject, &inbox, id).await?;
        subject.pass(GRACE / 10).await;
    }
    let ids = |leased: Vec<crate::Leased>| {
        leased.iter().map(|leased| leased.message.key.message_id().as_str().to_owned()).collect::<Vec<_>>()
    };
    is(&ids(lease(subject, &inbox, 2).await?), &vec!["msg_1".to_owned(), "msg_2".to_owned()], "the first two")?;
    is(&ids(lease(subject, &inbox, 2).await?), &vec!["msg_3".to_owned()], "the rest")
}

pub(super) async fn the_list_is_filtered_and_paged<S: Subject>(subject: &S) -> Outcome {
    let (inbox, start) = (subject.inbox().await, subject.now());
    for (source, id, event) in [("a", "msg_1", "x"), ("a", "msg_2", "y"), ("b", "msg_1", "y")] {
        let now = subject.now();
        let mut message = message(source, id, now)?;
        message.event_type = Some(event.to_owned());
        stored(&inbox.enqueue(NewMessage::new(message, id, RETAIN), now).await, "the enqueue")?;
        subject.pass(GRACE).await;
    }
    let all = listed(&inbox, Filter::default()).await?;
    is(&all.iter().map(|one| one.key.source()).collect::<Vec<_>>(), &vec!["b", "a", "a"], "all, newest first")?;
    let later = Some(start.wall.saturating_add(GRACE / 2));
    let leased = leased_from(subject, &inbox, "msg_2", 1, LEASE).await?;
    is(&leased.len(), &1, "the leased deliveries")?;
    let none = Filter::default;
    for (filter, expected, name) in [
        (Filter { source: Some("a".to_owned()), ..none() }, 2, "source"),
        (Filter { message_id: Some("msg_1".to_owned()), ..none() }, 2, "message id"),
        (Filter { event_type: Some("y".to_owned()), ..none() }, 2, "event type"),
        (Filter { destination: Some("msg_2".to_owned()), ..none() }, 1, "destination"),
        (Filter { state: Some(State::Leased), ..none() }, 1, "leased"),
        (Filter { state: Some(State::Waiting), ..none() }, 2, "waiting"),
        (Filter { state: Some(State::Dead), ..none() }, 0, "dead"),
        (Filter { received_from: later, ..none() }, 2, "received from"),
        (Filter { received_before: later, ..none() }, 1, "received before"),
        (Filter { limit: 2, ..none() }, 2, "limit"),
        (Filter { older_than: all.get(1).map(|one| one.id), ..none() }, 1, "older than"),
        (Filter { source: Some("a' OR 1=1 --".to_owned()), ..none() }, 0, "a source with SQL"),
    ] {
        is(&listed(&inbox, filter).await?.len(), &expected, &format!("the number of deliveries by {name}"))?;
    }
    Ok(())
}

pub(super) async fn only_ended_deliveries_expire<S: Subject>(subject: &S) -> Outcome {
    let inbox = subject.inbox().await;
    for id in ["waiting", "done", "dead"] {
        enqueue(subject, &inbox, id).await?;
    }
    for leased in lease(subject, &inbox, 10).await? {
        let now = subject.now();
        let settled = match leased.message.key.message_id().as_str() {
            "done" => inbox.acknowledge(leased.receipt, now).await,
            "dead" => inbox.dead_letter(leased.receipt, "status 500", now).await,
            _ => inbox.retry(leased.receipt, Duration::ZERO, "status 500", now).await,
        };
        returns(settled, &Settled::Recorded, "the settlement")?;
    }
    let keep = Keep { done: LEASE, dead: LEASE * 4 };
    returns(inbox.expire(keep, 10, subject.now()).await, &0, "the number of deliveries that expire at once")?;
    pass_beyond(subject, LEASE).await;
    returns(inbox.expire(keep, 10, subject.now()).await, &1, "the number after `done`")?;
    pass_beyond(subject, LEASE * 4).await;
    returns(inbox.expire(keep, 10, subject.now()).await, &1, "the number after `dead`")?;
    is(&only(&inbox).await?.key.message_id().as_str(), &"waiting", "the delivery that is left")
}

pub(super) async fn a_full_inbox_rejects_messages_and_goes_on<S: Subject>(subject: &S) -> Outcome {
    let Some(inbox) = subject.small_inbox(2).await else { return Ok(()) };
    enqueue(subject, &inbox, "msg_1").await?;
    enqueue(subject, &inbox, "msg_2").await?;
    let now = subject.now();
    match inbox.enqueue(to_here("msg_3", now)?, now).await {
        Err(InboxError::Full) => {}
        other => return Err(format!("the third enqueue returned {other:?}, expected `Full`")),
    }
    returns(inbox.enqueue(to_here("msg_1", now)?, now).await, &Enqueued::Duplicate, "the enqueue of a duplicate")?;
    for leased in lease(subject, &inbox, 10).await? {
        returns(inbox.acknowledge(leased.receipt, now).await, &Settled::Recorded, "an acknowledgement")?;
    }
    pass_beyond(subject, RETAIN).await;
    let keep = Keep { done: Duration::ZERO, dead: Duration::ZERO };
    returns(inbox.expire(keep, 10, subject.now()).await, &2, "the number of expired deliveries")?;
    enqueue(subject, &inbox, "msg_3").await
}

pub(super) async fn of_64_enqueues_at_once_one_is_stored<S: Subject>(subject: &S) -> Outcome {
    let (inbox, now) = (subject.inbox().await, subject.now());
    let mut pending = Vec::new();
    for _ in 0..64 {
        pending.push(inbox.enqueue(to_here("msg_1", now)?, now));
    }
    let mut stored = 0;
    for found in join_all(pending).await {
        stored += usize::from(found.map_err(|error| failed("an enqueue", &error))? == Enqueued::Stored);
    }
    is(&stored, &1, "the number of stored messages")?;
    lease_one(subject, &inbox, "the lease").await.map(drop)
}

pub(super) async fn a_wall_clock_that_jumps_changes_nothing<S: Subject>(subject: &S) -> Outcome {
    let (inbox, now) = (subject.inbox().await, subject.now());
    let at = |wall| ClockReading { wall, ..now };
    stored(&inbox.enqueue(to_here("msg_1", now)?, now).await, "the enqueue")?;
    let day = Duration::from_secs(86_400);
    let leased = inbox.lease(HERE, 1, LEASE, at(now.wall.saturating_sub(day))).await;
    is(&leased.map_err(|error| failed("the lease", &error))?.len(), &1, "the leases a day earlier")?;
    for wall in [now.wall.saturating_add(day), UnixTime::default()] {
        let leased = inbox.lease(HERE, 1, LEASE, at(wall)).await;
        is(&leased.map_err(|error| failed("the lease", &error))?.len(), &0, "the leases while another is valid")?;
        let found = inbox.enqueue(to_here("msg_1", now)?, at(wall)).await;
        returns(found, &Enqueued::Duplicate, "the enqueue of a duplicate")?;
    }
    Ok(())
}

pub(super) async fn an_acknowledgement_whose_future_is_dropped_is_carried_out<S: Subject>(subject: &S) -> Outcome {
    let inbox = subject.inbox().await;
    enqueue(subject, &inbox, "msg_1").await?;
    let receipt = lease_one(subject, &inbox, "the lease").await?.receipt;
    drop(inbox.acknowledge(receipt, subject.now()));
    pass_beyond(subject, LEASE).await;
    lease_none(subject, &inbox, "a lease after an acknowledgement that was dropped").await
}

/// Polls all of them until each has completed.
async fn join_all<T>(pending: Vec<Pending<T>>) -> Vec<Result<T, InboxError>> {
    let mut pending: Vec<_> = pending.into_iter().map(Some).collect();
    let mut done = Vec::new();
    poll_fn(move |context: &mut Context<'_>| {
        for slot in &mut pending {
            let Some(future) = slot else { continue };
            if let Poll::Ready(found) = Pin::new(future).poll(context) {
                *slot = None;
                done.push(found);
            }
        }
        if pending.iter().all(Option::is_none) { Poll::Ready(std::mem::take(&mut done)) } else { Poll::Pending }
    })
    .await
}
