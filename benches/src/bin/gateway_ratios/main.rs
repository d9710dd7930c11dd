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
use countersign_benches::servers::{Kind as _, Server};
use countersign_benches::table;

use crate::scenarios::SCENARIOS;
use crate::servers::Kind;

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
    let in_memory = tempfile::tempdir_in("/dev/shm")?;
    let servers = servers::start_all(programs, &folder, in_memory.path(), backend)?;
    let at_start = memory(&servers)?;
    let results = rounds::measure(&Load::of(programs), &servers, &SCENARIOS, &effort)?;
    let at_end = memory(&servers)?;
    let mut report = Report::new(
        "gateway",
        "Gateway: one core for the server",
        "Each figure is the median of the rounds, with their range for ratios. Every delivery is new, and every \
         response had the right status: 2xx, or 401 for a forged delivery. The CPU time is that of the server alone.",
    );
    report.section(
        "Memory",
        "The resident memory of each process after its start, and after all rounds. The gateway remembers the id of \
         each delivery. Of nginx, only the master process counts.",
    );
    report.columns(&["server", "MiB at start", "MiB after all rounds"]);
    for ((kind, start), (_, end)) in at_start.iter().zip(&at_end) {
        report.row(&[kind.name().to_owned(), format!("{start:.1}"), format!("{end:.1}")]);
    }
    table::publish(report, &results);
    Ok(())
}

/// The resident memory of the servers that the bench started, in MiB.
fn memory(servers: &[Server<Kind>]) -> Result<Vec<(Kind, f64)>, Box<dyn Error>> {
    let resident = |server: &Server<Kind>| -> Result<_, Box<dyn Error>> {
        Ok(server.resident_kib()?.map(|(now, _)| (server.kind(), f64::from(now) / 1024.0)))
    };
    servers.iter().filter_map(|server| resident(server).transpose()).collect()
}
