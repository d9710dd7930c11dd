//! Load: many deliveries, as fast as they are answered or at a fixed rate, and what became of them.

mod counts;
mod latencies;
mod load;
mod pace;
mod summary;

pub(crate) use load::{Load, Progress};
pub(crate) use pace::Pace;
pub(crate) use summary::Summary;
