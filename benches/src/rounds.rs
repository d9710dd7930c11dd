//! Servers that take turns before the load generator, so that ratios are computed within a round.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Serialize;

use crate::cpu::{CpuTime, CpuUse};
use crate::measurement::Measurement;
use crate::process::{LOAD_CORE, pinned};
use crate::scenario::{Reference, Scenario};
use crate::servers::{Kind, Server};
use crate::spread::Spread;
use crate::traffic::{Plan, Traffic};

const WARM_UP_MILLIS: u32 = 300;

/// How much is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effort {
    amount: Amount,
    /// Part of the titles of the scenarios that are played. Default: all scenarios.
    only: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Amount {
    /// As much as the scenarios say.
    Full,
    /// Two rounds of 0.4 s. The figures tell the order of magnitude.
    Short,
    /// One turn of 0.1 s for each server. It shows that everything runs; its figures mean nothing.
    Quick,
}

impl Effort {
    /// What the arguments of this program say: `--short` or `--quick`, and `--only PART_OF_A_TITLE`.
    pub fn from_arguments() -> Result<Self, Box<dyn Error>> {
        let mut effort = Self { amount: Amount::Full, only: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--short" => effort.amount = Amount::Short,
                "--quick" => effort.amount = Amount::Quick,
                "--only" => effort.only = Some(arguments.next().ok_or("--only needs a part of a title")?),
                _ => {
                    let options = "--short, --quick, and --only PART_OF_A_TITLE";
                    return Err(format!("unknown argument {argument:?}; the options are {options}").into());
                }
            }
        }
        Ok(effort)
    }

    /// The number of rounds, and the length of a warm-up turn and of a measured one.
    fn amount<K: Kind>(&self, scenario: &Scenario<K>) -> (usize, u32, u32) {
        match self.amount {
            Amount::Full => (scenario.rounds, WARM_UP_MILLIS, scenario.turn_millis),
            Amount::Short => (2, WARM_UP_MILLIS, 400),
            Amount::Quick => (1, 30, 100),
        }
    }

    fn includes<K: Kind>(&self, scenario: &Scenario<K>) -> bool {
        let title = scenario.title.to_lowercase();
        self.only.as_ref().is_none_or(|part| title.contains(&part.to_lowercase()))
    }
}

/// One server's part of a round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Turn {
    pub(crate) measurement: Measurement,
    /// The CPU time of the server, if the bench started it.
    pub(crate) cpu: Option<CpuUse>,
    /// The same server just before, if the scenario compares with that.
    own: Option<Measurement>,
}

impl Turn {
    /// The CPU time of the server for each request, in microseconds: a part of what it used.
    pub(crate) fn cpu_micros(&self, part: fn(CpuUse) -> Duration) -> Option<f64> {
        let responses = f64::from(u32::try_from(self.measurement.responses()).unwrap_or(u32::MAX));
        self.cpu.map(|used| part(used).as_secs_f64() * 1e6 / responses)
    }
}

type Round<K> = BTreeMap<K, Turn>;

/// All rounds of one scenario at one concurrency.
#[derive(Debug)]
pub struct Results<K: 'static> {
    pub(crate) scenario: &'static Scenario<K>,
    pub(crate) concurrency: u32,
    rounds: Vec<Round<K>>,
}

/// Checks that the servers do what they are measured for, and measures them in all scenarios.
pub fn measure<K: Kind>(
    load: &Load,
    servers: &[Server<K>],
    scenarios: &'static [Scenario<K>],
    effort: &Effort,
) -> Result<Vec<Results<K>>, Box<dyn Error>> {
    servers.iter().try_for_each(Server::check)?;
    let chosen = scenarios.iter().filter(|scenario| effort.includes(scenario));
    let cases = chosen.flat_map(|scenario| scenario.concurrencies.iter().map(move |&number| (scenario, number)));
    cases.map(|(scenario, concurrency)| Results::measure(load, servers, scenario, concurrency, effort)).collect()
}

impl<K: Kind> Results<K> {
    fn measure(
        load: &Load,
        servers: &[Server<K>],
        scenario: &'static Scenario<K>,
        concurrency: u32,
        effort: &Effort,
    ) -> Result<Self, Box<dyn Error>> {
        let (count, warm_up, millis) = effort.amount(scenario);
        play(load, servers, scenario, concurrency, warm_up)?;
        let rounds = (0..count).map(|number| {
            eprintln!("{}: concurrency {concurrency}, round {} of {count}", scenario.title, number + 1);
            play(load, servers, scenario, concurrency, millis)
        });
        Ok(Self { scenario, concurrency, rounds: rounds.collect::<Result<_, _>>()? })
    }

    /// The servers that took part.
    pub(crate) fn servers(&self) -> impl Iterator<Item = K> {
        self.rounds.first().into_iter().flat_map(|round| round.keys().copied())
    }

    /// The measurements of all rounds, by the name of the server.
    pub(crate) fn raw(&self) -> serde_json::Value {
        let round = |round: &Round<K>| round.iter().map(|(kind, turn)| (kind.name(), turn.clone())).collect();
        let rounds: Vec<BTreeMap<_, _>> = self.rounds.iter().map(round).collect();
        serde_json::json!({ "concurrency": self.concurrency, "rounds": rounds })
    }

    /// The spread over the rounds of a figure of one server's turn. `None` if a turn lacks it.
    pub(crate) fn spread(&self, kind: K, figure: impl Fn(&Turn) -> Option<f64>) -> Option<Spread> {
        let figures = self.rounds.iter().map(|round| figure(round.get(&kind)?));
        figures.collect::<Option<Vec<_>>>().map(Spread::of)
    }

    /// The spread over the rounds of one server's requests per second, as a ratio. `None` if the reference is missing.
    pub(crate) fn ratio(&self, kind: K, reference: Reference<K>) -> Option<Spread> {
        let ratio = |round: &Round<K>| {
            let turn = round.get(&kind)?;
            let (measured, own) = (&turn.measurement, turn.own.as_ref());
            Some(match reference {
                Reference::Server(other) => {
                    measured.requests_per_second / round.get(&other)?.measurement.requests_per_second
                }
                Reference::OwnPlainTraffic => measured.requests_per_second / own?.requests_per_second,
                Reference::OwnTailAlone => measured.p99_micros / own?.p99_micros,
            })
        };
        self.rounds.iter().map(ratio).collect::<Option<Vec<_>>>().map(Spread::of)
    }
}

/// Gives each server its turn.
fn play<K: Kind>(
    load: &Load,
    servers: &[Server<K>],
    scenario: &Scenario<K>,
    concurrency: u32,
    millis: u32,
) -> Result<Round<K>, Box<dyn Error>> {
    let turn = |server: &Server<K>| -> Result<Turn, Box<dyn Error>> {
        let run = |traffic: &Traffic| load.run(server.port(traffic.protocol), traffic, concurrency, millis);
        let own = scenario.own_reference().as_ref().map(run).transpose()?;
        let beside = scenario.beside.map(|(traffic, connections)| {
            // It has to last longer than what is measured.
            load.start(server.port(traffic.protocol), &traffic, connections, 2 * millis + 500)
        });
        let beside = beside.transpose()?;
        let before = server.process_id().map(CpuTime::of).transpose()?;
        let mut measurement = run(&scenario.traffic)?;
        if server.queues() {
            measurement.add_time(server.delivered()?);
        }
        let after = server.process_id().map(CpuTime::of).transpose()?;
        drop(beside);
        let cpu = before.zip(after).map(|(before, after)| after.since(before));
        Ok(Turn { measurement, cpu, own })
    };
    let included = servers.iter().filter(|server| (scenario.includes)(server.kind()));
    let turns = included.map(|server| {
        let turn = turn(server).map_err(|error| format!("{}: {}: {error}", scenario.title, server.kind().name()))?;
        Ok((server.kind(), turn))
    });
    turns.collect()
}

/// The load generator.
#[derive(Debug)]
pub struct Load {
    programs: PathBuf,
    awake: bool,
}

impl Load {
    /// The load generators among these programs. They sleep while they wait, so that they can share their core.
    pub fn of(programs: &Path) -> Self {
        Self { programs: programs.to_owned(), awake: false }
    }

    /// Keeps it awake. Otherwise the server's core would have to wake it, and more often if the server is slow.
    #[must_use]
    pub fn awake(self) -> Self {
        Self { awake: true, ..self }
    }

    /// Sends to the server on this port.
    pub fn run(
        &self,
        port: u16,
        traffic: &Traffic,
        connections: u32,
        millis: u32,
    ) -> Result<Measurement, Box<dyn Error>> {
        let output = self.command(port, traffic, connections, millis)?.output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(format!("load: {} {text}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(serde_json::from_str(&text)?)
    }

    /// Begins to send to the server on this port, once the deliveries are signed. Dropping the result ends it.
    fn start(&self, port: u16, traffic: &Traffic, connections: u32, millis: u32) -> Result<Beside, Box<dyn Error>> {
        let mut command = self.command(port, traffic, connections, millis)?;
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let beside = Beside(child);
        std::thread::sleep(Duration::from_millis(u64::from(millis) / 5));
        Ok(beside)
    }

    fn command(&self, port: u16, traffic: &Traffic, connections: u32, millis: u32) -> Result<Command, Box<dyn Error>> {
        let plan = Plan { traffic: *traffic, connections, millis, awake: self.awake };
        let arguments = [port.to_string(), serde_json::to_string(&plan)?];
        let program = if traffic.protocol.is_http2() { "load_http2" } else { "load" };
        Ok(pinned(LOAD_CORE, &self.programs.join(program), &arguments.each_ref().map(String::as_str)))
    }
}

/// A load generator that runs until this is dropped.
struct Beside(Child);

impl Drop for Beside {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
