//! What the durable stores accept in a second, beside their engines without them, on a disk whose syncs take 1 ms.

#![expect(clippy::expect_used, reason = "a bench that cannot run has nothing to measure")]

mod load;
mod postgres;
mod sqlite;

use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{env, iter};

use countersign_benches::report::{Report, Target};
use countersign_benches::spread::Spread;
use countersign_test::disk::Disk;

/// How long each sync takes.
const SYNC: Duration = Duration::from_millis(1);
/// How many ids a store already has.
const IDS: u32 = 1_000_000;
const MANY_IDS: u32 = 5_000_000;
/// The names of the measurements, and the targets for the store's operations in a second.
const LOADS: [(&str, &str, usize, Option<f64>); 8] = [
    ("sqlite", "enqueue", 64, Some(20_000.0)),
    ("sqlite", "enqueue", 512, Some(50_000.0)),
    ("sqlite", "claim and confirm", 64, None),
    ("sqlite", "claim and confirm", 512, None),
    ("postgres", "enqueue", 64, None),
    ("postgres", "enqueue", 512, Some(35_000.0)),
    ("postgres", "claim and confirm", 64, None),
    ("postgres", "claim and confirm", 512, None),
];

/// How much is measured.
#[derive(Clone, Copy)]
struct Effort {
    rounds: usize,
    millis: u64,
    ids: u32,
    many_ids: u32,
}

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let texts: Vec<_> = arguments.iter().map(String::as_str).collect();
    match *texts.as_slice() {
        [] => all(Effort { rounds: 3, millis: 2000, ids: IDS, many_ids: MANY_IDS }),
        ["--quick"] => all(Effort { rounds: 1, millis: 200, ids: 1000, many_ids: 10_000 }),
        ["start", folder] => println!("{}", sqlite::time_of_start(Path::new(folder)).as_secs_f64()),
        [engine, kind, work, callers, millis, ids, folder] => {
            let callers = callers.parse().expect("a number of callers");
            let time = Duration::from_millis(millis.parse().expect("milliseconds"));
            let (ids, folder) = (ids.parse().expect("a number of ids"), Path::new(folder));
            let measured = match (engine, kind) {
                ("sqlite", "store") => sqlite::store(folder, work, callers, time, ids),
                ("sqlite", _) => sqlite::bare(folder, work, callers, time, ids),
                (_, "store") => postgres::store(folder, work, callers, time, ids),
                _ => postgres::bare(folder, work, callers, time, ids),
            };
            println!("{} {}", measured.per_second, measured.p99.as_secs_f64() * 1e3);
        }
        _ => panic!("unknown arguments: {arguments:?}"),
    }
}

fn all(effort: Effort) {
    let disk = Disk::compile();
    let mut report = Report::new(
        "stores",
        "Durable stores",
        "Operations in a second of a store and of its engine alone, with files in memory and 1 ms for each sync. The \
         engine alone writes the same rows in transactions of as many operations as there are callers (256 at most in \
         PostgreSQL, over two connections). Callers, store and server share all cores. A store starts with a million ids. \
         Each figure is the median of the rounds and their range.",
    );
    report.columns(&["engine", "operation", "callers", "store/s", "p99 ms", "engine alone/s", "target", ""]);
    for (engine, work, callers, target) in LOADS {
        let rounds = iter::repeat_with(|| {
            ["store", "bare"].map(|kind| {
                let text = |number: u64| number.to_string();
                let (callers, ids) = (text(callers as u64), text(u64::from(effort.ids)));
                in_another_process(&disk, &[engine, kind, work, &callers, &text(effort.millis), &ids])
            })
        });
        let (mut stores, mut tails, mut engines) = (Vec::new(), Vec::new(), Vec::new());
        for [store, bare] in rounds.take(effort.rounds) {
            stores.push(store[0]);
            tails.push(store[1]);
            engines.push(bare[0]);
        }
        let (store, target) = (Spread::of(stores), target.map(Target::AtLeast));
        report.row(&[
            engine.to_owned(),
            work.to_owned(),
            callers.to_string(),
            format!("{store:.0}"),
            format!("{:.1}", Spread::of(tails)),
            format!("{:.0}", Spread::of(engines)),
            target.map(|target| target.to_string()).unwrap_or_default(),
            target.map(|target| target.verdict(store)).unwrap_or_default().to_owned(),
        ]);
    }
    report.section("Start with five million ids", "The time until an SQLite file of this many ids is open.");
    report.columns(&["seconds", "target", ""]);
    let folder = memory();
    sqlite::fill(folder.path(), effort.many_ids);
    let times: Vec<_> =
        (0..effort.rounds).map(|_| run(Command::new(itself()).arg("start").arg(folder.path()))[0]).collect();
    let (time, target) = (Spread::of(times), Target::AtMost(4.0));
    report.row(&[format!("{time:.2}"), target.to_string(), target.verdict(time).to_owned()]);
    report.publish();
}

/// Runs a measurement on a slow disk, and returns the numbers that it prints.
fn in_another_process(disk: &Disk, arguments: &[&str]) -> Vec<f64> {
    let folder = memory();
    let mut command = Command::new(itself());
    disk.slow(command.args(arguments).arg(folder.path()), folder.path(), SYNC);
    run(&mut command)
}

fn run(command: &mut Command) -> Vec<f64> {
    let output = command.output().expect("a program can start itself");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("it prints numbers");
    text.split_whitespace().map(|number| number.parse().expect("it prints numbers")).collect()
}

fn itself() -> std::path::PathBuf {
    env::current_exe().expect("a program knows where it lies")
}

/// A folder in memory.
fn memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").expect("a folder in memory")
}
