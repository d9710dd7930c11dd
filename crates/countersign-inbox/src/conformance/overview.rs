//! The cases about destinations as a whole: pauses, backlogs, due times.

use std::time::Duration;

use countersign::replay::Settled;

use super::steps::{
    HERE, Outcome, enqueue, failed, is, lease, lease_one, leased_from, listed, returns, stored, to_here,
};
use super::subject::{GRACE, LEASE, Subject};
use crate::backlog::Backlog;
use crate::contract::Inbox;
use crate::filter::Filter;

pub(super) async fn a_pause_lasts_until_it_is_ended<S: Subject>(subject: &S) -> Outcome {
    let inbox = subject.inbox().await;
    let none = Vec::<String>::new();
    returns(inbox.paused().await, &none, "the paused destinations at first")?;
    returns(inbox.pause(HERE, false).await, &false, "the end of a pause that did not begin")?;
    returns(inbox.pause(HERE, true).await, &true, "the pause")?;
    returns(inbox.pause(HERE, true).await, &false, "the pause of a paused destination")?;
    returns(inbox.pause("a' OR 1=1 --", true).await, &true, "the pause of a name with SQL")?;
    let both = vec!["a' OR 1=1 --".to_owned(), HERE.to_owned()];
    returns(inbox.paused().await, &both, "the paused destinations, sorted")?;
    returns(inbox.pause(HERE, false).await, &true, "the end of the pause")?;
    returns(inbox.paused().await, &both[..1].to_vec(), "the paused destinations that are left")
}

pub(super) async fn the_backlog_has_what_is_not_done_of_each_destination<S: Subject>(subject: &S) -> Outcome {
    let inbox = subject.inbox().await;
    returns(inbox.backlog().await, &Vec::new(), "the backlog of an empty inbox")?;
    let now = subject.now();
    stored(&inbox.enqueue(to_here("dead", now)?.also_to("there"), now).await, "the enqueue")?;
    for id in ["done", "leased", "waiting", "again"] {
        subject.pass(GRACE / 10).await;
        enqueue(subject, &inbox, id).await?;
    }
    let mut since = Vec::new();
    for leased in lease(subject, &inbox, 4).await? {
        let now = subject.now();
        let id = leased.message.key.message_id().as_str().to_owned();
        since.push((id.clone(), leased.since));
        let settled = match id.as_str() {
            "dead" => inbox.dead_letter(leased.receipt, "status 500", now).await,
            "done" => inbox.acknowledge(leased.receipt, now).await,
            "waiting" => inbox.retry(leased.receipt, LEASE, "status 500", now).await,
            _ => continue,
        };
        returns(settled, &Settled::Recorded, "the settlement")?;
    }
    let oldest = |id: &str| since.iter().find(|(found, _)| found == id).map(|(_, since)| *since);
    let there = listed(&inbox, Filter { destination: Some("there".to_owned()), ..Filter::default() }).await?;
    let entry = |destination: &str, [waiting, leased, dead]: [u64; 3], oldest| Backlog {
        destination: destination.to_owned(),
        waiting,
        leased,
        dead,
        oldest,
    };
    let expected = [
        entry(HERE, [2, 1, 1], oldest("leased")),
        entry("there", [1, 0, 0], there.first().map(|delivery| delivery.since)),
    ];
    returns(inbox.backlog().await, &expected.to_vec(), "the backlog")?;
    for leased in leased_from(subject, &inbox, "there", 1, LEASE).await? {
        returns(inbox.acknowledge(leased.receipt, subject.now()).await, &Settled::Recorded, "the acknowledgement")?;
    }
    let dead = listed(&inbox, Filter { message_id: Some("dead".to_owned()), ..Filter::default() }).await?;
    for delivery in dead.iter().filter(|delivery| delivery.destination == HERE) {
        returns(inbox.requeue(delivery.id, subject.now()).await, &true, "the requeue of the dead letter")?;
    }
    let expected = [entry(HERE, [3, 1, 0], oldest("leased"))];
    returns(inbox.backlog().await, &expected.to_vec(), "the backlog once one destination has all")?;
    for delivery in listed(&inbox, Filter { message_id: Some("again".to_owned()), ..Filter::default() }).await? {
        returns(inbox.discard(delivery.id, subject.now()).await, &true, "the discard")?;
    }
    let expected = [entry(HERE, [2, 1, 0], oldest("leased"))];
    returns(inbox.backlog().await, &expected.to_vec(), "the backlog after a discard")
}

pub(super) async fn the_next_due_time_is_neither_early_nor_late<S: Subject>(subject: &S) -> Outcome {
    let inbox = subject.inbox().await;
    enqueue(subject, &inbox, "msg_1").await?;
    if inbox.next_due(HERE, subject.now()).await.map_err(|error| failed("the next due time", &error))?.is_none() {
        // This inbox cannot tell.
        return Ok(());
    }
    let within = async |from: Duration, until: Duration, when: &str| match inbox.next_due(HERE, subject.now()).await {
        Ok(Some(due)) if (from..=until).contains(&due) => Ok(()),
        other => Err(format!("{when}: the next delivery is due in {other:?}, expected {from:?} to {until:?}")),
    };
    within(Duration::ZERO, Duration::ZERO, "after the enqueue").await?;
    returns(inbox.next_due("nowhere", subject.now()).await, &None, "the next due time of an unknown destination")?;
    let leased = lease_one(subject, &inbox, "the lease").await?;
    within(LEASE.saturating_sub(GRACE), LEASE + GRACE, "after the lease").await?;
    let delay = 10 * GRACE;
    returns(inbox.retry(leased.receipt, delay, "status 500", subject.now()).await, &Settled::Recorded, "the retry")?;
    within(delay.saturating_sub(GRACE), delay + GRACE, "after the retry").await?;
    subject.pass(delay).await;
    let leased = lease_one(subject, &inbox, "the last lease").await?;
    returns(inbox.acknowledge(leased.receipt, subject.now()).await, &Settled::Recorded, "the acknowledgement")?;
    is(&inbox.next_due(HERE, subject.now()).await.ok(), &Some(None), "the next due time once all is done")
}
