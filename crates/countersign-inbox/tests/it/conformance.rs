//! A plain inbox keeps the contract, and each faulty one fails.

use std::time::Duration;

use countersign::UnixTime;
use countersign::clock::{Clock, ClockReading, ManualClock};
use countersign_inbox::conformance::{Subject, Violations, check};

use crate::plain::{Fault, Plain};

struct Inboxes(ManualClock, Fault);

impl Subject for Inboxes {
    type Inbox = Plain;

    async fn inbox(&self) -> Plain {
        Plain::new(1000, self.1)
    }

    async fn small_inbox(&self, capacity: usize) -> Option<Plain> {
        Some(Plain::new(capacity, self.1))
    }

    fn now(&self) -> ClockReading {
        self.0.read()
    }

    async fn pass(&self, by: Duration) {
        self.0.advance(by);
    }
}

async fn checked(fault: Fault) -> Result<(), Violations> {
    check(&Inboxes(ManualClock::new(UnixTime::from_secs(1_700_000_000)), fault)).await
}

#[tokio::test]
async fn a_plain_inbox_keeps_the_contract() {
    if let Err(violations) = checked(Fault::None).await {
        panic!("{violations}");
    }
}

#[tokio::test]
async fn each_fault_is_found() {
    for (fault, case) in [
        (Fault::ForgetsIds, "a_message_is_stored_once_and_leased_as_it_was_enqueued"),
        (Fault::ForgetsIds, "of_64_enqueues_at_once_one_is_stored"),
        (Fault::IgnoresSources, "sources_and_ids_are_compared_whole"),
        (Fault::DeliversToOneDestination, "each_destination_has_its_own_delivery"),
        (Fault::AcceptsOldReceipts, "a_lease_ends_and_its_receipt_becomes_void"),
        (Fault::VoidsLateReceipts, "a_late_acknowledgement_counts_if_nobody_leased_again"),
        (Fault::RetriesAtOnce, "a_retry_is_due_after_its_delay_and_not_before"),
        (Fault::LeasesDeadLetters, "a_dead_letter_keeps_its_error_and_is_not_leased"),
        (Fault::KeepsAttempts, "a_requeued_delivery_starts_again"),
        (Fault::RequeuesLeased, "a_leased_or_unknown_delivery_is_not_requeued"),
        (Fault::ForgetsDiscarded, "a_discarded_delivery_is_gone_and_its_id_is_remembered"),
        (Fault::DiscardsLeased, "a_leased_or_unknown_delivery_is_not_discarded"),
        (Fault::NewestFirst, "the_longest_due_are_leased_first_up_to_the_limit"),
        (Fault::IgnoresFilter, "the_list_is_filtered_and_paged"),
        (Fault::ExpiresAll, "only_ended_deliveries_expire"),
        (Fault::GrowsWithoutLimit, "a_full_inbox_rejects_messages_and_goes_on"),
        (Fault::TrustsTheWallClock, "a_wall_clock_that_jumps_changes_nothing"),
        (Fault::WaitsForPolls, "an_acknowledgement_whose_future_is_dropped_is_carried_out"),
        (Fault::ForgetsPauses, "a_pause_lasts_until_it_is_ended"),
        (Fault::CountsEnded, "the_backlog_has_what_is_not_done_of_each_destination"),
        (Fault::MistakesTheOldest, "the_backlog_has_what_is_not_done_of_each_destination"),
        (Fault::LosesFirstLeases, "a_message_can_be_leased_when_it_is_stored"),
        (Fault::LeasesAll, "a_message_can_be_leased_when_it_is_stored"),
        (Fault::CountsUnused, "an_attempt_that_does_not_start_does_not_count"),
        (Fault::IsDueLate, "the_next_due_time_is_neither_early_nor_late"),
    ] {
        let violations = checked(fault).await.expect_err("a violation");
        assert!(violations.cases().any(|found| found == case), "{fault:?} is not found by {case}: {violations}");
    }
}
