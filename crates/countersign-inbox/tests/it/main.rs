//! The contract of inboxes: a plain inbox keeps it, and the cases find each of a set of faults. And workers, with that
//! plain inbox.

#![expect(clippy::expect_used, reason = "a test fails if its preparation fails")]

mod conformance;
mod hand_over;
mod plain;
mod worker;
