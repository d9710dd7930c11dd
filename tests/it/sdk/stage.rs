//! An emulator, a receiver of its deliveries, and an SDK that is driven against both.

use std::fs::{self, File};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use countersign_emulator::{Config, Dynamic, Emulator};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::client::{Major, Sdk};
use super::facts::VERSIONS;
use super::receiver::{AUDIENCE, Receiver};
use super::relay::{Exchange, Relay};

/// How long a job takes, in emulated time, which the scripts let pass.
pub(crate) const JOB_TIME: Duration = Duration::from_hours(1);
/// A script that has not ended by then never does.
const PATIENCE: Duration = Duration::from_mins(3);
/// What SDKs send again by themselves, for seconds; all from 500 on too.
const SENT_AGAIN: [u16; 3] = [408, 409, 429];

pub(crate) struct Stage {
    runtime: Runtime,
    emulator: Option<Emulator>,
    pub(crate) receiver: Receiver,
    relay: Relay,
}

impl Stage {
    pub(crate) fn start(dynamic: Dynamic) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let config = Config {
            listen: "127.0.0.1:0".parse().expect("an address"),
            job_time: JOB_TIME,
            dynamic,
            audience: Some(AUDIENCE.to_owned()),
            ..Config::default()
        };
        let (emulator, receiver, relay) = runtime.block_on(async {
            let emulator = Emulator::start(config, None).await.expect("an emulator");
            let receiver = Receiver::start(&emulator.jwks_url()).await;
            let relay = Relay::start(emulator.base_url()).await;
            (emulator, receiver, relay)
        });
        Self { runtime, emulator: Some(emulator), receiver, relay }
    }

    /// Where the emulator is, as it says itself.
    pub(crate) fn base_url(&self) -> &str {
        self.emulator.as_ref().expect("it runs").base_url()
    }

    /// Where the receiver is.
    pub(crate) fn receiver_url(&self) -> String {
        format!("http://{}", self.receiver.address)
    }

    /// Runs a script to its end, and gives the facts that it prints: of each version of the API, the same ones.
    ///
    /// The SDK sends again what is refused in some ways, for seconds, unless it is told not to. Here it is not,
    /// and has no reason to.
    pub(crate) fn drive(&self, sdk: Sdk, major: Major, script: &str, argument: Option<&str>) -> Value {
        let before = VERSIONS.map(|version| self.relay.exchanges(version).len());
        let folder = TempDir::new().expect("a folder");
        let [out, err] = ["out", "err"].map(|name| folder.path().join(name));
        let file = |path| File::create(path).expect("a file");
        let mut command = sdk.command(major, script);
        command
            .args(argument)
            .env("EMULATOR", format!("http://{}", self.relay.address))
            .env("RECEIVER", self.receiver_url())
            .stdin(Stdio::null())
            .stdout(file(&out))
            .stderr(file(&err));
        forget_the_user(&mut command);
        let status = run(sdk, &mut command);
        let [out, err] = [out, err].map(|path| fs::read_to_string(path).expect("text"));
        assert!(status.is_some_and(|status| status.success()), "{command:?}: {status:?}\n{out}{err}");

        let [one, other] = [0, 1].map(|index| self.relay.exchanges(VERSIONS[index]).split_off(before[index]));
        assert!(!one.is_empty(), "nothing was asked of {}", VERSIONS[0]);
        for exchange in one.iter().chain(&other) {
            assert!(exchange.status < 500 && !SENT_AGAIN.contains(&exchange.status), "{exchange:?} is sent again");
        }
        let line = |exchanges: &[_]| exchanges.iter().map(described).collect::<Vec<_>>();
        assert_eq!(line(&one), line(&other), "the versions of the API were asked for different things");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }
}

/// An exchange without the names in it, which differ.
fn described(exchange: &Exchange) -> (String, usize, u16) {
    (exchange.method.clone(), exchange.target.split('/').count(), exchange.status)
}

/// Keeps from an SDK what the environment may tell it of its user: keys, projects, proxies.
fn forget_the_user(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let upper = name.to_string_lossy().to_ascii_uppercase();
        if upper.starts_with("GOOGLE_") || upper.starts_with("GEMINI_") || upper.ends_with("_PROXY") {
            command.env_remove(name);
        }
    }
}

/// `None` if it had to be ended.
fn run(sdk: Sdk, command: &mut Command) -> Option<ExitStatus> {
    let mut process: Child = command.spawn().unwrap_or_else(|error| panic!("{}", sdk.explain(&error)));
    let give_up = SystemClock.instant() + PATIENCE;
    while SystemClock.instant() < give_up {
        if let Some(status) = process.try_wait().expect("a child can be asked") {
            return Some(status);
        }
        sleep(Duration::from_millis(10));
    }
    process.kill().expect("a child can be ended");
    process.wait().expect("a child that was ended");
    None
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(emulator) = self.emulator.take() {
            self.runtime.block_on(emulator.stop());
        }
    }
}
