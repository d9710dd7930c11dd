//! Deliveries and destinations of a gateway's inbox: which are selected, and how they are shown.

mod destinations;
mod filter;
mod show;

pub(crate) use destinations::Destinations;
pub(crate) use filter::FilterArgs;
pub(crate) use show::{Page, Shown, table};
