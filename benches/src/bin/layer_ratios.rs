//! Requests per second and CPU time of an axum service with the layer around it, and of the same service without it.
//! `--quick` checks that everything runs.
//!
//! Every service has core 0 to itself, and the load generator has core 1. The services take turns in each round, and a
//! ratio is computed within a round.

use std::error::Error;
use std::{env, fs};

use countersign_benches::report::{self, Report, Target};
use countersign_benches::rounds::{self, Effort, Load};
use countersign_benches::scenario::{Goal, Reference, Scenario};
use countersign_benches::servers::{self, Server};
use countersign_benches::table;
use countersign_benches::traffic::Traffic;

static SCENARIOS: [Scenario<Service>; 1] = [Scenario {
    title: "Plain deliveries",
    conditions: "252-byte bodies, one write each, on connections that are kept alive. Six rounds of 1.5 s.",
    traffic: Traffic::PLAIN,
    beside: None,
    concurrencies: &[32, 128],
    rounds: 6,
    turn_millis: 1500,
    includes: |_| true,
    reference: Reference::Server(Service::Nobody),
    goals: &[Goal {
        server: Service::Layer,
        reference: Reference::Server(Service::Nobody),
        target: Target::AtLeast(0.85),
    }],
}];

/// Who verifies what a service takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Service {
    Nobody,
    Layer,
    Handler,
    /// No HTTP service: what the sockets alone take of a core.
    Sockets,
}

fn main() -> Result<(), Box<dyn Error>> {
    let effort = Effort::from_arguments()?;
    let folder = report::target_dir().join("bench").join("services");
    fs::create_dir_all(&folder)?;
    let programs = env::current_exe()?;
    let programs = programs.parent().ok_or("a program lies in a directory")?;

    let start = |service: Service| {
        let (program, who) = service.program();
        Server::start(service, &programs.join(program), &folder, |port| {
            Ok(who.into_iter().map(str::to_owned).chain([port.to_string()]).collect())
        })
    };
    let services = [Service::Nobody, Service::Layer, Service::Handler, Service::Sockets].map(start);
    let services = services.into_iter().collect::<Result<Vec<_>, _>>()?;
    let results = rounds::measure(&Load::of(programs).awake(), &services, &SCENARIOS, &effort)?;
    let report = Report::new(
        "layer",
        "Layer: an axum service, one core for the service",
        "Each figure is the median of the rounds, with their range for ratios. Every delivery is new, and every \
         response was a 2xx. The CPU time is that of the service alone.",
    );
    table::publish(report, &results);
    Ok(())
}

impl Service {
    /// The program, and what it is told about who verifies.
    fn program(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Nobody => ("service", Some("nobody")),
            Self::Layer => ("service", Some("layer")),
            Self::Handler => ("service", Some("standardwebhooks")),
            Self::Sockets => ("backend", None),
        }
    }
}

impl servers::Kind for Service {
    fn name(self) -> &'static str {
        match self {
            Self::Nobody => "axum, nobody verifies",
            Self::Layer => "axum, `VerifyLayer` around it",
            Self::Handler => "axum, `standardwebhooks` in the handler",
            Self::Sockets => "no axum: the sockets alone",
        }
    }

    fn verifies(self) -> bool {
        matches!(self, Self::Layer | Self::Handler)
    }
}
