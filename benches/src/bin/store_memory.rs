//! How much memory the memory store takes for an id, when it remembers a million.

#![expect(clippy::expect_used, reason = "a bench that cannot read its own memory has nothing to measure")]

use std::process::Command;
use std::{env, fs};

use countersign_benches::deliveries::message_id;
use countersign_benches::report::{Report, Target};
use countersign_benches::spread::Spread;
use countersign_benches::stores::FullStore;

/// Each in a process of its own, so that none profits from what another one freed.
const STORES: usize = 5;
const FILL_ONE: &str = "--fill-one";

fn main() {
    if env::args().any(|argument| argument == FILL_ONE) {
        println!("{}", bytes_for_an_id());
        return;
    }
    let measured = Spread::of((0..STORES).map(|_| in_another_process()));
    let target = Target::AtMost(64.0);
    let mut report = Report::new(
        "memory",
        "Memory store: a million ids",
        "Resident memory that filling a store adds to a process, for an id, less the 40 bytes of the \
         message id: the median of five processes, and their range. The system's allocator.",
    );
    report.columns(&["bytes an id beyond the id itself", "target", ""]);
    report.row(&[format!("{measured:.1}"), target.to_string(), target.verdict(measured).to_owned()]);
    report.publish();
}

fn in_another_process() -> f64 {
    let itself = env::current_exe().expect("a program knows where it lies");
    let output = Command::new(itself).arg(FILL_ONE).output().expect("a program can start itself");
    let text = String::from_utf8(output.stdout).expect("it prints a number");
    text.trim().parse().expect("it prints a number")
}

fn bytes_for_an_id() -> f64 {
    let before = resident_kib();
    let store = FullStore::new();
    let added = resident_kib() - before;
    let ids = u32::try_from(store.ids()).expect("a million");
    f64::from(added) * 1024.0 / f64::from(ids) - id_len()
}

fn id_len() -> f64 {
    f64::from(u8::try_from(message_id(0, 0).as_str().len()).expect("an id is short"))
}

fn resident_kib() -> u32 {
    let status = fs::read_to_string("/proc/self/status").expect("there is a /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has a line on memory");
    line.trim().trim_end_matches(" kB").parse().expect("it is a number")
}
