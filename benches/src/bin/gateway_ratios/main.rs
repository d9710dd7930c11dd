//! Requests a second through the gateway and through its peers, beside a bare pingora-proxy.
//!
//! Every server has core 0 to itself; the load generator and the backend share core 1. In a round
//! the servers take turns, and a ratio is made within a round.

mod round;
mod servers;
mod table;

use std::error::Error;
use std::{env, fs};

use countersign_benches::process::{self, LOAD_CORE, Process};
use countersign_benches::report;

use crate::round::Results;
use crate::servers::Server;

/// As many rounds count; one more goes before them, to warm up.
const ROUNDS: usize = 6;
const CONCURRENCIES: [u32; 2] = [32, 128];

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
    servers.iter().try_for_each(Server::check)?;

    let load = programs.join("load");
    let mut results = Results::default();
    for concurrency in CONCURRENCIES {
        round::play(&load, &servers, concurrency)?; // to warm up
        for number in 0..ROUNDS {
            eprintln!("concurrency {concurrency}, round {} of {ROUNDS}", number + 1);
            results.add(concurrency, round::play(&load, &servers, concurrency)?);
        }
    }
    table::publish(&servers, &results);
    Ok(())
}
