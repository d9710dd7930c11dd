//! A test suite for your own [`Inbox`](crate::Inbox): its contract as a list of cases.
//!
//! Implement [`Subject`], which creates inboxes and advances their time, and call [`check`] in a test. All cases together
//! advance the time by about 60 s, which takes no real time with a
//! [`ManualClock`](countersign::clock::ManualClock).
//!
//! Durability is not tested here: kill a process that enqueues, and look for the messages that it had acknowledged.

mod cases;
mod first_leases;
mod overview;
mod steps;
mod subject;

use std::fmt;

pub use subject::{GRACE, LEASE, RETAIN, Subject};

macro_rules! run {
    ($subject:expr, $($module:ident { $($case:ident),+ $(,)? })+) => {{
        let mut violations = Vec::new();
        $($(
            if let Err(what) = $module::$case($subject).await {
                violations.push(Violation { case: stringify!($case), what });
            }
        )+)+
        violations
    }};
}

/// Runs all cases, each with its own inbox.
pub async fn check<S: Subject>(subject: &S) -> Result<(), Violations> {
    let violations = run!(
        subject,
        cases {
            a_message_is_stored_once_and_leased_as_it_was_enqueued,
            an_id_is_remembered_until_its_time_has_passed,
            sources_and_ids_are_compared_whole,
            each_destination_has_its_own_delivery,
            an_acknowledged_delivery_is_not_leased_again,
            a_lease_ends_and_its_receipt_becomes_void,
            a_late_acknowledgement_counts_if_nobody_leased_again,
            a_retry_is_due_after_its_delay_and_not_before,
            a_dead_letter_keeps_its_error_and_is_not_leased,
            a_requeued_delivery_starts_again,
            a_leased_or_unknown_delivery_is_not_requeued,
            a_discarded_delivery_is_gone_and_its_id_is_remembered,
            a_leased_or_unknown_delivery_is_not_discarded,
            the_longest_due_are_leased_first_up_to_the_limit,
            the_list_is_filtered_and_paged,
            only_ended_deliveries_expire,
            a_full_inbox_rejects_messages_and_goes_on,
            of_64_enqueues_at_once_one_is_stored,
            a_wall_clock_that_jumps_changes_nothing,
            an_acknowledgement_whose_future_is_dropped_is_carried_out,
        }
        first_leases {
            a_message_can_be_leased_when_it_is_stored,
            a_first_lease_ends_and_its_receipt_becomes_void,
            an_attempt_that_does_not_start_does_not_count,
        }
        overview {
            a_pause_lasts_until_it_is_ended,
            the_backlog_has_what_is_not_done_of_each_destination,
            the_next_due_time_is_neither_early_nor_late,
        }
    );
    if violations.is_empty() { Ok(()) } else { Err(Violations(violations)) }
}

/// The cases in which an inbox violated the contract.
#[derive(Clone, Debug)]
pub struct Violations(Vec<Violation>);

#[derive(Clone, Debug)]
struct Violation {
    case: &'static str,
    what: String,
}

impl Violations {
    /// The names of the cases.
    pub fn cases(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|violation| violation.case)
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the inbox violates its contract:")?;
        self.0.iter().try_for_each(|Violation { case, what }| write!(f, "\n- {case}: {what}"))
    }
}

impl std::error::Error for Violations {}
