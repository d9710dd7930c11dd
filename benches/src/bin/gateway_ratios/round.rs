//! One round: each server's turn, and what came of it.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use countersign_benches::measurement::Measurement;
use countersign_benches::process::{LOAD_CORE, pinned};
use countersign_benches::spread::Spread;

use crate::servers::{Kind, Server};

const TURN_MILLIS: u32 = 1500;

pub(crate) type Round = BTreeMap<Kind, Measurement>;

/// Lets each server have its turn.
pub(crate) fn play(load: &Path, servers: &[Server], concurrency: u32) -> Result<Round, Box<dyn Error>> {
    servers.iter().map(|server| Ok((server.kind, turn(load, server, concurrency)?))).collect()
}

fn turn(load: &Path, server: &Server, concurrency: u32) -> Result<Measurement, Box<dyn Error>> {
    let arguments = [u32::from(server.port), concurrency, TURN_MILLIS].map(|number| number.to_string());
    let output = pinned(LOAD_CORE, load, &arguments.each_ref().map(String::as_str)).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {complaint} {text}", server.kind.name()).into());
    }
    Ok(serde_json::from_str(&text)?)
}

/// All rounds, by concurrency.
#[derive(Default)]
pub(crate) struct Results(BTreeMap<u32, Vec<Round>>);

impl Results {
    pub(crate) fn add(&mut self, concurrency: u32, round: Round) {
        self.0.entry(concurrency).or_default().push(round);
    }

    /// The spread over the rounds of what `measure` makes of one server's turn.
    pub(crate) fn spread(&self, concurrency: u32, kind: Kind, measure: fn(&Measurement) -> f64) -> Spread {
        Spread::of(self.0[&concurrency].iter().map(|round| measure(&round[&kind])))
    }

    /// The spread over the rounds of one server's requests a second, over another's in the same round.
    pub(crate) fn ratio(&self, concurrency: u32, kind: Kind, to: Kind) -> Spread {
        let rounds = &self.0[&concurrency];
        Spread::of(rounds.iter().map(|round| round[&kind].requests_per_second / round[&to].requests_per_second))
    }
}
