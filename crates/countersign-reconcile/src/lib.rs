//! Finds Gemini API jobs whose webhooks were never delivered.
//!
//! Webhooks are lost if a receiver is down for longer than the sender retries, or if the sender has disabled the
//! webhook. The API still knows the jobs. [`Api`] asks it which jobs have ended and in which state the webhooks are,
//! [`Seen`] is what an inbox has received, and [`Report`] compares the two: each job that has ended without a delivery
//! is [`Missing`]. [`Missing::body`] is an event about it, in the form of a webhook. It was polled and not verified, so
//! a program that hands it to a backend must mark it as such.
//!
//! The API lists batches. It lists neither interactions nor videos, so those are checked if they are named, and
//! interactions also if the inbox has seen that they require action.

#![deny(missing_docs)]

mod api;
mod base_url;
mod compare;
mod event;
mod job;
mod json;
mod pace;
mod run;
mod seen;
mod webhook;

pub use api::{Api, ApiError};
pub use base_url::{BaseUrl, BaseUrlError};
pub use compare::{Standing, Terms};
pub use event::Missing;
pub use job::{End, Job, JobName, JobNameError};
pub use run::{Report, reconcile};
pub use seen::{Seen, SeenError, SeenEvent, page};
pub use webhook::{Webhook, WebhookState};
