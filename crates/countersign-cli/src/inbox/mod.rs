//! Deliveries of a gateway's inbox: which are selected, and how they are shown.

mod filter;
mod show;

pub(crate) use filter::FilterArgs;
pub(crate) use show::{Page, Shown, table};
