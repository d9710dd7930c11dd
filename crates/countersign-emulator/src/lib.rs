//! An emulator of the sending side of Gemini API webhooks, for testing receivers on one machine.
//!
//! An [`Emulator`] serves the `WebhookService` API and the jobs that end in events, as the official SDKs
//! call them. It delivers signed events, retries failed deliveries, and injects faults on request. Its keys
//! and secrets are for testing only.
//!
//! - **API**, under `/v1` and `/v1beta`: `webhooks`, `interactions`, `batches` and videos
//!   (`:predictLongRunning` and its operations). Every API key that is not empty has a project of its own.
//! - **Files**: the results of batches (JSON lines) and videos (a tiny MP4) under `files`, with a redirect to their
//!   content as in the real service, and in the bucket that events name (`gs://`), as clients of Cloud Storage call it
//!   with `STORAGE_EMULATOR_HOST`.
//! - **Deliveries**, at least once, by a [`Schedule`] over 24 hours. Registered webhooks are signed (`v1`) with
//!   each of their valid secrets. The addresses of a job's `webhook_config` are signed with `v1a` or an
//!   RS256 token; the public keys are at `/.well-known/jwks.json`.
//! - **Inspection and control**, under `/_emulator`: deliveries and their attempts, redelivery, single events and
//!   bursts, [`Faults`], the clock, key rotation.
//!
//! With a [`sender`](Config::sender) other than Gemini, it sends that sender's headers, secrets and events, by its
//! schedule.
//!
//! The text of a request decides how its job ends: `[[fail]]` makes it fail, `[[expire]]` makes a batch expire,
//! `[[incomplete]]` and `[[exceed_budget]]` end an interaction without an event, and the name of a declared tool makes
//! an interaction require action.
//!
//! Time is emulated: it runs [`time_scale`](Config::time_scale) times as fast as the machine's clock, and
//! can be advanced. Jobs, schedules, `Retry-After` and the grace period of rotated secrets use emulated time.
//! Signed timestamps and response timeouts use the machine's clock, because receivers compare the timestamp
//! with their own.
//!
//! Some details of the real service are not documented, and the emulator's choice may differ: the body of a
//! ping, the place of `user_metadata` (`data.user_metadata`), the `id` in the data of a job's event (the job's
//! name), the error codes of interactions, and when a webhook is disabled. A [`Quirk`] is behaviour that was seen or
//! reported, and that can be switched on.
//!
//! ```
//! use countersign_emulator::{Config, Emulator};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config { listen: "127.0.0.1:0".parse()?, seed: Some(7), ..Config::default() };
//! let emulator = Emulator::start(config, None).await?;
//! assert!(emulator.jwks_url().ends_with("/.well-known/jwks.json"));
//! emulator.stop().await;
//! # Ok(())
//! # }
//! ```

#![deny(missing_docs)]

mod api;
mod audience;
mod clock;
mod config;
mod delivery;
mod dispatch;
mod emulator;
mod event;
pub mod faults;
mod foreign;
mod ids;
mod job;
mod jobs;
mod keys;
pub mod listener;
mod outbox;
mod project;
mod quirk;
mod report;
mod shared;
mod signing;
mod time;
mod uploads;
mod webhook;
mod world;

pub use config::{Config, ConfigError};
pub use countersign_inbox::Schedule;
pub use delivery::{Attempt, AttemptOutcome, Ending};
pub use emulator::{Emulator, StartError};
pub use event::Event;
pub use faults::{Fault, Faults, Frequency};
pub use outbox::Totals;
pub use quirk::{Quirk, UnknownQuirk};
pub use report::{AttemptReport, Observer};
pub use signing::Dynamic;
