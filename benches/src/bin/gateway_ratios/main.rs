//! Requests a second through the gateway and through its peers, beside a bare pingora-proxy.
//!
//! Every server has core 0 to itself; the load generator and the backend share core 1. In a round
//! the servers take turns, and a ratio is made within a round.

mod servers;

use std::error::Error;
use std::{env, fs};

use countersign_benches::process::{self, LOAD_CORE, Process};
use countersign_benches::report::{self, Report, Target};
use countersign_benches::rounds::{Load, Results};
use countersign_benches::table;

use crate::servers::Kind;

const TARGET: Target = Target::AtLeast(1.6);

fn main() -> Result<(), Box<dyn Error>> {
    let folder = report::target_dir().join("bench").join("peers");
    fs::create_dir_all(&folder)?;
    let programs = env::current_exe()?;
    let programs = programs.parent().ok_or("a program lies in a directory")?;

    let backend = process::free_port()?;
    let log = folder.join("backend.log");
    let _backend =
        Process::start(LOAD_CORE, &programs.join("backend"), &[&backend.to_string()], log)?.ready(backend)?;
    let servers = servers::start_all(programs, &folder, backend)?;
    let results = Results::measure(&Load::of(programs), &servers)?;
    let report = Report::new(
        "gateway",
        "Gateway: 252-byte bodies, one core for the server",
        "Requests a second, as a ratio to those of a bare pingora-proxy within the same round: the median \
         of six rounds of 1.5 s, and their range. Every delivery is new; every answer was a 2xx.",
    );
    table::publish(report, &servers, &results, Kind::BareProxy, |kind| (kind == Kind::Countersign).then_some(TARGET));
    Ok(())
}
