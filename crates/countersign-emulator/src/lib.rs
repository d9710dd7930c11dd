//! The sending side of Gemini API webhooks, on this machine: what a receiver is tried with.
//!
//! An [`Emulator`] serves the `WebhookService` API and the jobs that end in events, as the official SDKs
//! call them, delivers signed events with retries, and goes wrong when asked to. Its keys and secrets
//! are for testing.
//!
//! - **API**, under `/v1` and `/v1beta`: `webhooks`, `interactions`, `batches`, videos
//!   (`:predictLongRunning` and its operations). Any key that is not empty is a project of its own.
//! - **Deliveries**: `v1` with each secret of a registered webhook that is valid, `v1a` or an RS256 token for the
//!   addresses of a job's `webhook_config`, at least once, by a [`Schedule`] over 24 hours. Keys are at
//!   `/.well-known/jwks.json`.
//! - **Sight and control**, under `/_emulator`: deliveries and their attempts, redelivery, events by
//!   hand and in bursts, [`Faults`], the clock, key rotation.
//!
//! Jobs are asked for their end in words: a text that holds `[[fail]]` makes its job fail, `[[expire]]` its batch
//! expire, and the name of a declared tool makes an interaction require action.
//!
//! Time is emulated: it passes [`time_scale`](Config::time_scale) times as fast as the machine's, and
//! can be advanced. Jobs, schedules, `Retry-After` and the grace of secrets live in it; the timestamp
//! that is signed is the machine's, for receivers compare it with their own clock, and so is the time
//! that an answer may take.
//!
//! What is not known of the real service is chosen here, and may differ: the body of a ping, where
//! `user_metadata` stands (`data.user_metadata`), the `id` in the data of a job's event (the name that
//! the job is asked for by), the codes of interactions' errors, and when a webhook is disabled.
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
mod ids;
mod job;
mod jobs;
mod keys;
mod listener;
mod outbox;
mod project;
mod report;
mod schedule;
mod sender;
mod shared;
mod signing;
mod time;
mod webhook;
mod world;

pub use config::{Config, ConfigError};
pub use delivery::{Answer, Attempt, Ending};
pub use emulator::{Emulator, StartError};
pub use event::Event;
pub use faults::{Dose, Fault, Faults};
pub use outbox::Totals;
pub use report::{Observer, Report};
pub use schedule::Schedule;
pub use sender::{Response, Sender};
pub use signing::Dynamic;
