//! Deliveries that are leased when their message is stored, and leases that are given back.

use countersign::clock::ClockReading;
use countersign::replay::Settled;

use super::steps::{
    HERE, Outcome, enqueue, failed, is, lease_none, lease_one, leased_from, only, pass_beyond, returns, to_here,
};
use super::subject::{GRACE, LEASE, Subject};
use crate::contract::{Enqueued, Inbox};
use crate::delivery::{Leased, Receipt, State};

/// Enqueues a message, and leases its delivery to `HERE`.
async fn enqueue_leased(inbox: &impl Inbox, id: &str, now: ClockReading) -> Result<(Enqueued, Vec<Leased>), String> {
    let new = to_here(id, now)?.also_to("there").leased(|destination| (destination == HERE).then_some(LEASE));
    inbox.enqueue_leased(new, now).await.map_err(|error| failed("an enqueue", &error))
}

pub(super) async fn a_message_can_be_leased_when_it_is_stored<S: Subject>(subject: &S) -> Outcome {
    let (inbox, now) = (subject.inbox().await, subject.now());
    let expected = to_here("msg_1", now)?.message;
    let (enqueued, mut leased) = enqueue_leased(&inbox, "msg_1", now).await?;
    let first = leased.pop().ok_or("no delivery was leased")?;
    is(&(enqueued, leased.len()), &(Enqueued::Stored, 0), "the result and the other deliveries that were leased")?;
    is(&(&first.message, first.attempt), &(&expected, 1), "the leased message and its attempt")?;
    subject.pass(LEASE.saturating_sub(GRACE)).await;
    lease_none(subject, &inbox, "a lease while the first one is valid").await?;
    is(&leased_from(subject, &inbox, "there", 10, LEASE).await?.len(), &1, "the leases of the other destination")?;
    let again = enqueue_leased(&inbox, "msg_1", subject.now()).await?;
    is(&(again.0, again.1.len()), &(Enqueued::Duplicate, 0), "the second enqueue and its leases")?;
    returns(inbox.acknowledge(first.receipt, subject.now()).await, &Settled::Recorded, "the acknowledgement")?;
    pass_beyond(subject, LEASE).await;
    lease_none(subject, &inbox, "a lease after the acknowledgement").await
}

pub(super) async fn a_first_lease_ends_and_its_receipt_becomes_void<S: Subject>(subject: &S) -> Outcome {
    let inbox = subject.inbox().await;
    let first = enqueue_leased(&inbox, "msg_1", subject.now()).await?.1.pop().ok_or("no delivery was leased")?;
    pass_beyond(subject, LEASE).await;
    let second = lease_one(subject, &inbox, "a lease after the first has expired").await?;
    is(&(second.attempt, second.since, &second.message), &(2, first.since, &first.message), "the second attempt")?;
    let (now, late) = (subject.now(), &Settled::Superseded);
    returns(inbox.acknowledge(first.receipt, now).await, late, "an acknowledgement with the old receipt")?;
    returns(inbox.acknowledge(second.receipt, now).await, &Settled::Recorded, "an acknowledgement with the new receipt")
}

pub(super) async fn an_attempt_that_does_not_start_does_not_count<S: Subject>(subject: &S) -> Outcome {
    let inbox = subject.inbox().await;
    enqueue(subject, &inbox, "msg_1").await?;
    let first = lease_one(subject, &inbox, "the first lease").await?;
    let copy = Receipt::new(first.receipt.delivery(), first.receipt.number());
    returns(inbox.give_back(first.receipt, subject.now()).await, &Settled::Recorded, "a lease that is given back")?;
    // Whether it was recorded before or not, it changes nothing.
    inbox.give_back(copy, subject.now()).await.map_err(|error| failed("a lease that is given back again", &error))?;
    let delivery = only(&inbox).await?;
    is(&(delivery.state, delivery.attempts, delivery.last_error), &(State::Waiting, 0, None), "the delivery after it")?;
    let second = lease_one(subject, &inbox, "the second lease").await?;
    is(&(second.attempt, second.since), &(1, first.since), "the attempt and the start of the schedule")
}
