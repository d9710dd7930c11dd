//! Requests per second and CPU time of the gateway and of its peers. `--quick` checks that everything runs.
//!
//! Every server has core 0 to itself. The load generator and the backend share core 1. The servers take turns in
//! each round, and a ratio is computed within a round.

mod scenarios;
mod servers;

use std::error::Error;
use std::{env, fs};

use countersign_benches::process::{self, LOAD_CORE, Process};
use countersign_benches::report::{self, Report};
use countersign_benches::rounds::{self, Effort, Load};
use countersign_benches::table;

use crate::scenarios::SCENARIOS;

fn main() -> Result<(), Box<dyn Error>> {
    let effort = Effort::from_arguments()?;
    let folder = report::target_dir().join("bench").join("peers");
    fs::create_dir_all(&folder)?;
    let programs = env::current_exe()?;
    let programs = programs.parent().ok_or("this program is not in a directory")?;

    let backend = process::free_port()?;
    let log = folder.join("backend.log");
    let _backend =
        Process::start(LOAD_CORE, &programs.join("backend"), &[&backend.to_string()], log)?.ready(backend)?;
    let servers = servers::start_all(programs, &folder, backend)?;
    let results = rounds::measure(&Load::of(programs), &servers, &SCENARIOS, effort)?;
    let report = Report::new(
        "gateway",
        "Gateway: one core for the server",
        "Each figure is the median of the rounds, with their range for ratios. Every delivery is new, and every \
         response had the right status: 2xx, or 401 for a forged delivery. The CPU time is that of the server alone.",
    );
    table::publish(report, &results);
    Ok(())
}
