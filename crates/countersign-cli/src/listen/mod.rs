//! A local receiver that verifies, shows, explains, forwards and saves webhooks.
//!
//! The server (`server.rs`) verifies and responds at once. The desk (`desk.rs`), a thread of its own, explains and shows
//! what was received, so that a long search delays no response.

mod desk;
mod forward;
mod history;
mod received;
mod receiver;
mod save;
mod server;
mod show;

pub(crate) use desk::{Desk, Saving, Task};
pub(crate) use forward::Forward;
pub(crate) use received::Keys;
pub(crate) use receiver::Receiver;
pub(crate) use save::Folder;
pub(crate) use server::serve;
pub(crate) use show::{Form, When};
