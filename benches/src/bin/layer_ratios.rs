//! Requests a second of an axum service with the layer around it, beside the same service without it.
//!
//! Every service has core 0 to itself, the load generator core 1. In a round the services take turns, and a
//! ratio is made within a round.

use std::error::Error;
use std::{env, fs};

use countersign_benches::report::{self, Report, Target};
use countersign_benches::rounds::{Load, Results};
use countersign_benches::servers::{self, Server};
use countersign_benches::table;

const TARGET: Target = Target::AtLeast(0.85);

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
    let results = Results::measure(&Load::of(programs).awake(), &services)?;
    let report = Report::new(
        "layer",
        "Layer: an axum service, 252-byte bodies, one core for the service",
        "Requests a second, as a ratio to those of the same service without the layer within the same round: \
         the median of six rounds of 1.5 s, and their range. Every delivery is new; every answer was a 2xx.",
    );
    table::publish(report, &services, &results, Service::Nobody, |service| {
        (service == Service::Layer).then_some(TARGET)
    });
    Ok(())
}

impl Service {
    /// The program, and what it is told about who verifies.
    fn program(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Nobody => ("service", Some("nobody")),
            Self::Layer => ("service", Some("layer")),
            Self::Handler => ("service", Some("handler")),
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
