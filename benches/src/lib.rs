//! What the benches share: the deliveries that they verify, and how their numbers are made.

pub mod channel;
pub mod contestants;
pub mod cpu;
pub mod deliveries;
pub mod forgeries;
pub mod measurement;
pub mod paired;
pub mod pass_through;
pub mod process;
pub mod report;
pub mod rounds;
pub mod scenario;
pub mod servers;
pub mod spread;
pub mod stores;
pub mod table;
pub mod tls;
pub mod traffic;
pub mod wire;
