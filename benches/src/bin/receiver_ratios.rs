//! Requests per second and CPU time of services that verify deliveries themselves, in several languages. `--quick` checks
//! that everything runs, `--short` takes less time.
//!
//! Every service has core 0 to itself, and the load generator has core 1. The services take turns in each round, and a
//! ratio is computed within a round.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use countersign_benches::deliveries::SECRET;
use countersign_benches::process::installed;
use countersign_benches::report::{self, Report};
use countersign_benches::rounds::{self, Effort, Load};
use countersign_benches::scenario::{Reference, Scenario};
use countersign_benches::servers::{self, Kind as _, Server};
use countersign_benches::table;
use countersign_benches::traffic::Traffic;

static SCENARIOS: [Scenario<Receiver>; 1] = [Scenario {
    title: "Receivers",
    conditions: "252-byte bodies, one write each, on 32 connections that are kept alive. Each request also has a signature of \
                 its body alone, which is the only kind that adnanh/webhook verifies. Three rounds of 1.5 s.",
    traffic: Traffic { body_signature: true, ..Traffic::PLAIN },
    beside: None,
    concurrencies: &[32],
    rounds: 3,
    turn_millis: 1500,
    includes: |_| true,
    reference: Reference::Server(Receiver::Layer),
    goals: &[],
}];

/// A service that verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Receiver {
    Layer,
    StandardWebhooks,
    Svix,
    FastApi,
    Flask,
    Express,
    /// The program of Debian's package `webhook`, which starts a command for each request.
    Webhook,
}

fn main() -> Result<(), Box<dyn Error>> {
    let effort = Effort::from_arguments()?;
    let folder = report::target_dir().join("bench").join("receivers");
    fs::create_dir_all(&folder)?;
    let built = env::current_exe()?;
    let built = built.parent().ok_or("a program lies in a directory")?;
    // `benches/run` installs packages there.
    let packages = report::target_dir().join("bench-packages");

    let mut services = Vec::new();
    for receiver in [
        Receiver::Layer,
        Receiver::StandardWebhooks,
        Receiver::Svix,
        Receiver::FastApi,
        Receiver::Flask,
        Receiver::Express,
        Receiver::Webhook,
    ] {
        match receiver.program(built, &packages) {
            Some(program) => services
                .push(Server::start(receiver, &program, &folder, |port| receiver.arguments(port, &folder, &packages))?),
            None => eprintln!("left out, because it is missing: {}; {}", receiver.name(), receiver.how_to_install()),
        }
    }
    let results = rounds::measure(&Load::of(built).awake(), &services, &SCENARIOS, &effort)?;
    let report = Report::new(
        "receivers",
        "Services that verify, one core for the service",
        "Each figure is the median of the rounds, with their range for ratios. Every delivery is new, and every \
         response was a 2xx. The CPU time is that of the service alone, without the commands that adnanh/webhook starts.",
    );
    table::publish(report, &results);
    Ok(())
}

impl Receiver {
    fn program(self, built: &Path, packages: &Path) -> Option<PathBuf> {
        let there = |path: PathBuf| path.is_file().then_some(path);
        match self {
            Self::Layer | Self::StandardWebhooks | Self::Svix => there(built.join("service")),
            Self::FastApi | Self::Flask => there(packages.join("python/bin/python")),
            Self::Express => installed("node").filter(|_| packages.join("node_modules").is_dir()),
            Self::Webhook => installed("webhook"),
        }
    }

    fn how_to_install(self) -> &'static str {
        match self {
            Self::Layer | Self::StandardWebhooks | Self::Svix => "cargo build --release -p countersign-benches",
            Self::FastApi | Self::Flask => "scripts/need python3 venv, and let benches/run install the packages",
            Self::Express => "scripts/need node npm, and let benches/run install the packages",
            Self::Webhook => "scripts/need webhook, or apt-get install webhook",
        }
    }

    fn arguments(self, port: u16, folder: &Path, packages: &Path) -> Result<Vec<String>, Box<dyn Error>> {
        let file = |folder: &Path, name: &str, text: &str| -> Result<String, Box<dyn Error>> {
            let path = folder.join(name);
            fs::write(&path, text)?;
            Ok(path.to_string_lossy().into_owned())
        };
        let port = port.to_string();
        Ok(match self {
            Self::Layer => vec!["layer".into(), port],
            Self::StandardWebhooks => vec!["standardwebhooks".into(), port],
            Self::Svix => vec!["svix".into(), port],
            Self::FastApi => {
                let program = include_str!("../../peers/receivers/fastapi_receiver.py");
                vec![file(folder, "fastapi_receiver.py", program)?, port]
            }
            Self::Flask => {
                let program = include_str!("../../peers/receivers/flask_receiver.py");
                vec![file(folder, "flask_receiver.py", program)?, port]
            }
            Self::Express => {
                // Node looks for packages beside the program.
                let program = include_str!("../../peers/receivers/express_receiver.cjs");
                vec![file(packages, "express_receiver.cjs", program)?, port]
            }
            Self::Webhook => {
                let hooks = include_str!("../../peers/receivers/webhook.json").replace("@SECRET@", SECRET);
                let hooks = file(folder, "webhook.json", &hooks)?;
                ["-hooks", &hooks, "-ip", "127.0.0.1", "-port", &port, "-urlprefix", ""].map(str::to_owned).to_vec()
            }
        })
    }
}

impl servers::Kind for Receiver {
    fn name(self) -> &'static str {
        match self {
            Self::Layer => "axum with `VerifyLayer`",
            Self::StandardWebhooks => "axum, crate `standardwebhooks`",
            Self::Svix => "axum, crate `svix`",
            Self::FastApi => "FastAPI (uvicorn), package `standardwebhooks`",
            Self::Flask => "Flask (waitress), package `standardwebhooks`",
            Self::Express => "Express, package `standardwebhooks`",
            Self::Webhook => "adnanh/webhook, body alone",
        }
    }

    fn verifies(self) -> bool {
        true
    }
}
