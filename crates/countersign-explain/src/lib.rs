//! Finds out why a webhook was rejected: each common mistake is undone, and the signature tried again.
//!
//! A [`Case`] has the captured request, and the secrets and keys of the receiver. [`diagnose`] returns what was found, most
//! likely first. A finding is *certain* if the signature matches once a mistake is undone, or if the mistake is plainly
//! visible. The search does no I/O, reads no clock, and counts its work: a [`Budget`] limits it.
//!
//! ```
//! use countersign::UnixTime;
//! use countersign_explain::{Budget, Capture, Case, Certainty, SecretText, Setup, diagnose};
//!
//! let capture = Capture::from_request(
//!     br#"{
//!         "headers": {
//!             "webhook-id": "msg_1",
//!             "webhook-timestamp": "1790661946",
//!             "webhook-signature": "v1,lqp7EyRAaZhwEUBBYyqUskemCCBwHJrBWYyMAI3KGGo="
//!         },
//!         "body": "{\"a\": 1}\n"
//!     }"#,
//! )?;
//! let secret = SecretText::new("a.secret", "whsec_NnZ2aTU5MzdqOXY2bXFwZjgzb2R2cXM1Y3B6cTlyMnM=");
//! let setup = Setup { secrets: vec![secret], ..Setup::default() };
//! let case = Case::new(capture, &setup, UnixTime::from_secs(1_790_661_946))?;
//! let diagnosis = diagnose(&case, &Budget::default());
//! let first = &diagnosis.findings[0];
//! assert_eq!((first.code, first.certainty), ("body_reserialised", Certainty::Certain));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(missing_docs)]

mod capture;
mod case;
mod clock;
mod diagnosis;
mod encoded;
mod finding;
mod head;
mod hints;
mod json;
mod looked_at;
pub mod other_document;
mod scheme;
mod search;
mod secret;
mod secret_text;
mod setup;
mod shown;
pub mod time;
mod token;
mod trust;

pub use capture::{Capture, CaptureError};
pub use case::Case;
pub use diagnosis::{Diagnosis, diagnose, diagnose_head};
pub use finding::{Certainty, Finding};
pub use search::Budget;
pub use secret_text::{SecretText, SecretTextError};
pub use setup::Setup;
pub use shown::shown;
pub use trust::Trust;
