//! Servers that take turns before the load generator, so that ratios are made within a round.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use crate::measurement::Measurement;
use crate::process::{LOAD_CORE, pinned};
use crate::servers::{Kind, Server};
use crate::spread::Spread;

/// As many rounds count; one more goes before them, to warm up.
const ROUNDS: usize = 6;
const TURN_MILLIS: u32 = 1500;

/// How many connections the load generator has, each with one request at a time.
pub const CONCURRENCIES: [u32; 2] = [32, 128];

type Round<K> = BTreeMap<K, Measurement>;

/// All rounds, by concurrency.
#[derive(Debug)]
pub struct Results<K>(BTreeMap<u32, Vec<Round<K>>>);

impl<K: Kind> Results<K> {
    /// Checks that the servers do what they are measured for, and plays all rounds.
    pub fn measure(load: &Load, servers: &[Server<K>]) -> Result<Self, Box<dyn Error>> {
        servers.iter().try_for_each(Server::check)?;
        let mut results = BTreeMap::new();
        for concurrency in CONCURRENCIES {
            play(load, servers, concurrency)?; // to warm up
            let rounds = (0..ROUNDS).map(|number| {
                eprintln!("concurrency {concurrency}, round {} of {ROUNDS}", number + 1);
                play(load, servers, concurrency)
            });
            results.insert(concurrency, rounds.collect::<Result<_, _>>()?);
        }
        Ok(Self(results))
    }

    /// The spread over the rounds of what `measure` makes of one server's turn.
    pub(crate) fn spread(&self, concurrency: u32, kind: K, measure: fn(&Measurement) -> f64) -> Spread {
        Spread::of(self.0[&concurrency].iter().map(|round| measure(&round[&kind])))
    }

    /// The spread over the rounds of one server's requests a second, over another's in the same round.
    pub(crate) fn ratio(&self, concurrency: u32, kind: K, to: K) -> Spread {
        let rounds = &self.0[&concurrency];
        Spread::of(rounds.iter().map(|round| round[&kind].requests_per_second / round[&to].requests_per_second))
    }
}

/// Lets each server have its turn.
fn play<K: Kind>(load: &Load, servers: &[Server<K>], concurrency: u32) -> Result<Round<K>, Box<dyn Error>> {
    servers
        .iter()
        .map(|server| {
            let measured = load.turn(server.port(), concurrency, TURN_MILLIS);
            Ok((server.kind(), measured.map_err(|error| format!("{}: {error}", server.kind().name()))?))
        })
        .collect()
}

/// The load generator.
#[derive(Debug)]
pub struct Load {
    program: PathBuf,
    awake: bool,
}

impl Load {
    /// The one that lies among the programs. It sleeps while it waits, so that it can share its core.
    pub fn of(programs: &Path) -> Self {
        Self { program: programs.join("load"), awake: false }
    }

    /// Has it stay awake. To wake it is work of the server's core, which a slower server has more of.
    #[must_use]
    pub fn awake(self) -> Self {
        Self { awake: true, ..self }
    }

    /// One run before the server on this port.
    pub fn turn(&self, port: u16, concurrency: u32, millis: u32) -> Result<Measurement, Box<dyn Error>> {
        let numbers = [u32::from(port), concurrency, millis].map(|number| number.to_string());
        let awake = self.awake.then_some("awake");
        let arguments: Vec<&str> = numbers.iter().map(String::as_str).chain(awake).collect();
        let output = pinned(LOAD_CORE, &self.program, &arguments).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(format!("load: {} {text}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(serde_json::from_str(&text)?)
    }
}
