//! The contract of inboxes: a plain inbox keeps it, and the cases find each of a set of faults.

mod conformance;
mod plain;
