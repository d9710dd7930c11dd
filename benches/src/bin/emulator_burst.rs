//! Whether the emulator keeps up with the gateway in a burst, and what memory that takes.
//!
//! In a round the load generator and the emulator take turns before a gateway that has core 0 to itself;
//! they and the backend are on core 1. The load generator signs beforehand, and notes no more than statuses and
//! times: what it reaches is the most that anybody could.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use countersign::clock::{Clock as _, SystemClock};
use countersign_benches::process::{LOAD_CORE, Process, SERVER_CORE, free_port};
use countersign_benches::report::{self, Report};
use countersign_benches::rounds::Load;
use countersign_benches::spread::Spread;
use countersign_benches::traffic::Traffic;
use serde_json::Value;

const ROUNDS: usize = 6;
const EVENTS: u32 = 20_000;
const CONCURRENCY: u32 = 64;
const TURN_MILLIS: u32 = 1500;
/// How often the emulator is asked whether it is done.
const LOOK: Duration = Duration::from_millis(2);

/// What came of one round.
struct Round {
    generated: f64,
    emulated: f64,
    resident_mib: f64,
    peak_mib: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = report::target_dir().join("bench").join("peers");
    fs::create_dir_all(&folder)?;
    let programs = env::current_exe()?;
    let programs = programs.parent().ok_or("a program lies in a directory")?;
    let backend = free_port()?;
    let log = folder.join("backend.log");
    let _backend =
        Process::start(LOAD_CORE, &programs.join("backend"), &[&backend.to_string()], log)?.ready(backend)?;

    play(programs, &folder, backend)?; // to warm up
    let rounds = (0..ROUNDS).map(|number| {
        eprintln!("burst, round {} of {ROUNDS}", number + 1);
        play(programs, &folder, backend)
    });
    publish(&rounds.collect::<Result<Vec<_>, _>>()?);
    Ok(())
}

fn publish(rounds: &[Round]) {
    let mut report = Report::new(
        "emulator",
        "Emulator: a burst of 20,000 events through the gateway",
        "One emulator, 64 attempts at a time, signed with `v1`; all were delivered. Deliveries a second, and \
         those of the load generator through the same gateway in the same round: the median of six rounds, and \
         their range. Resident memory of the emulator before the burst, and at its most.",
    );
    report.columns(&["emulator / load generator", "emulator, 1/s", "load generator, 1/s", "before, MiB", "peak, MiB"]);
    let spread = |measure: fn(&Round) -> f64| Spread::of(rounds.iter().map(measure));
    report.row(&[
        format!("{:.2}", spread(|round| round.emulated / round.generated)),
        format!("{:.0}", spread(|round| round.emulated)),
        format!("{:.0}", spread(|round| round.generated)),
        format!("{:.1}", spread(|round| round.resident_mib)),
        format!("{:.1}", spread(|round| round.peak_mib)),
    ]);
    report.publish();
}

fn play(programs: &Path, folder: &Path, backend: u16) -> Result<Round, Box<dyn Error>> {
    let (gateway_port, admin, api) = (free_port()?, free_port()?, free_port()?);
    let (listen, hook) = (format!("127.0.0.1:{api}"), format!("http://127.0.0.1:{gateway_port}/webhook"));
    let arguments = ["emulate", "--listen", &listen, "--webhook", &hook];
    let log = folder.join("emulator.log");
    let emulator = Process::start(LOAD_CORE, &programs.join("countersign"), &arguments, log)?.ready(api)?;
    let secret = secret(&emulator)?;

    let config = include_str!("../../peers/emulated.toml")
        .replace("@PORT@", &gateway_port.to_string())
        .replace("@ADMIN@", &admin.to_string())
        .replace("@BACKEND@", &backend.to_string());
    let file = folder.join("emulated.toml");
    fs::write(&file, config)?;
    let (program, file) = (programs.join("countersign-gateway"), file.to_string_lossy());
    let arguments = ["--config", &file];
    let variables = [("EMULATOR_SECRET", secret.as_str())];
    let log = folder.join("emulated.log");
    let _gateway = Process::start_with(SERVER_CORE, &program, &arguments, &variables, log)?.ready(gateway_port)?;

    // The most that anybody could get through the gateway.
    let generated = Load::of(programs).run(gateway_port, &Traffic::PLAIN, CONCURRENCY, TURN_MILLIS)?;
    let (resident, _) = emulator.resident_kib()?;
    let emulated = burst(api)?;
    let (_, peak) = emulator.resident_kib()?;
    let mib = |kib: u32| f64::from(kib) / 1024.0;
    let generated = generated.requests_per_second;
    Ok(Round { generated, emulated, resident_mib: mib(resident), peak_mib: mib(peak) })
}

/// What the emulator signs with, which it says once it listens.
fn secret(emulator: &Process) -> Result<String, Box<dyn Error>> {
    for _ in 0..500 {
        let said = emulator.said()?;
        let mut words = said.split(|letter: char| letter.is_whitespace() || matches!(letter, '\'' | '='));
        if let Some(secret) = words.find(|word| word.starts_with("whsec_")) {
            // The padding of base64 was cut off with the other equal signs, and is not needed.
            return Ok(secret.to_owned());
        }
        std::thread::sleep(LOOK);
    }
    Err("the emulator does not tell its secret".into())
}

/// What the emulator gets through, in deliveries a second, from the request for the burst to its last answer.
fn burst(api: u16) -> Result<f64, Box<dyn Error>> {
    let began = SystemClock.instant();
    let event = format!(r#"{{"type":"batch.succeeded","count":{EVENTS}}}"#);
    let made = call(api, "POST", "/_emulator/events:emit", &event)?;
    if made["deliveries"] != EVENTS {
        return Err(format!("no burst: {made}").into());
    }
    loop {
        let state = call(api, "GET", "/_emulator", "")?;
        if state["open"] == 0 {
            let taken = SystemClock.instant().saturating_duration_since(began);
            return if state["ended"]["delivered"] == EVENTS && state["attempts"] == EVENTS {
                Ok(f64::from(EVENTS) / taken.as_secs_f64())
            } else {
                Err(format!("not all were delivered at the first attempt: {state}").into())
            };
        }
        std::thread::sleep(LOOK);
    }
}

fn call(port: u16, method: &str, path: &str, body: &str) -> Result<Value, Box<dyn Error>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("an answer has a head")?;
    Ok(serde_json::from_str(body)?)
}
