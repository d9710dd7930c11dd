//! How much memory the memory store takes for an id, and how long its longest operation is while it grows.

#![expect(clippy::expect_used, reason = "a bench that cannot read its own memory has nothing to measure")]

use std::process::Command;
use std::{env, fs};

use countersign_benches::deliveries::message_id;
use countersign_benches::report::{Report, Target};
use countersign_benches::spread::Spread;
use countersign_benches::stores::FullStore;

/// Each in a process of its own, so that none profits from what another one freed.
const STORES: usize = 5;
const SIZES: [(u32, Target); 2] = [(1_000_000, Target::AtMost(64.0)), (10_000_000, Target::AtMost(40.0))];
const LONGEST_MS: Target = Target::AtMost(3.0);

fn main() {
    if let Some(ids) = env::args().nth(1) {
        fill(ids.parse().expect("a number of ids"));
        return;
    }
    let mut report = Report::new(
        "memory",
        "Memory store: memory and longest operation",
        "Bytes an id: the resident memory that filling a store adds to a process, divided by the ids, less the 40 \
         bytes of the message id. Longest operation: the longest claim and confirmation of one delivery while the \
         store was filled; whatever else the core did in that time is part of it. Each figure is the median of five \
         processes and their range, with the system's allocator.",
    );
    report.columns(&["ids", "figure", "measured", "target", ""]);
    for (ids, most_bytes) in SIZES {
        let (bytes, longest): (Vec<_>, Vec<_>) = (0..STORES).map(|_| in_another_process(ids)).unzip();
        let rows = [("bytes an id", bytes, most_bytes), ("longest operation, ms", longest, LONGEST_MS)];
        for (figure, samples, target) in rows {
            let measured = Spread::of(samples);
            let verdict = target.verdict(measured).to_owned();
            report.row(&[ids.to_string(), figure.to_owned(), format!("{measured:.2}"), target.to_string(), verdict]);
        }
    }
    report.publish();
}

fn in_another_process(ids: u32) -> (f64, f64) {
    let itself = env::current_exe().expect("a program knows where it lies");
    let output = Command::new(itself).arg(ids.to_string()).output().expect("a program can start itself");
    let text = String::from_utf8(output.stdout).expect("it prints two numbers");
    let mut numbers = text.split_whitespace().map(|number| number.parse().expect("it prints numbers"));
    (numbers.next().expect("the bytes"), numbers.next().expect("the milliseconds"))
}

/// Prints the bytes an id, and the longest operation in milliseconds.
fn fill(ids: u32) {
    let before = resident_kib();
    let store = FullStore::new(ids);
    let added = resident_kib() - before;
    assert_eq!(store.ids(), ids as usize, "every id is remembered");
    println!("{} {}", f64::from(added) * 1024.0 / f64::from(ids) - id_len(), store.longest().as_secs_f64() * 1e3);
}

fn id_len() -> f64 {
    f64::from(u8::try_from(message_id(0, 0).as_str().len()).expect("an id is short"))
}

fn resident_kib() -> u32 {
    let status = fs::read_to_string("/proc/self/status").expect("there is a /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has a line on memory");
    line.trim().trim_end_matches(" kB").parse().expect("it is a number")
}
