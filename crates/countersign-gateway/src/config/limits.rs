//! Limits that no machine can keep, and durations that are probably not meant.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytesize::ByteSize;
use rustix::process::{Resource, getrlimit};

use super::error::Problem;
use super::key_path::KeyPath;

/// More threads than any machine has processors.
pub(super) const MOST_THREADS: usize = 4096;
/// More files than Linux lets any process have open.
const MOST_FILES: usize = 1 << 30;
/// A JSON object with a type and an id has more bytes.
const SMALL_BODY: usize = 64;
/// About the memory that one id takes in the replay store.
const BYTES_PER_ID: usize = 64;

/// One thread for each processor.
pub(super) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Warns of many more threads than processors.
pub(super) fn warn_of_threads(at: &KeyPath, threads: usize, warnings: &mut Vec<Problem>) {
    let processors = processors();
    if threads > 64.max(8 * processors) {
        let message = format!("{threads} threads for {processors} processors: they would only wait for each other");
        warnings.push(Problem::at(at, message));
    }
}

/// Warns of more connections than this process may have open files: it would not start.
pub(super) fn warn_of_connections(at: &KeyPath, count: usize, warnings: &mut Vec<Problem>) {
    let most = getrlimit(Resource::Nofile).maximum.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    let most = most.min(MOST_FILES);
    if count >= most {
        let message = format!(
            "`max_connections` is {count}, but a process may have {most} files open here, so it would not start: allow \
             fewer, or raise the limit (ulimit -Hn, LimitNOFILE)"
        );
        warnings.push(Problem::at(at, message));
    }
}

/// Warns of a body limit that no event fits in.
pub(super) fn warn_of_small_body(at: &KeyPath, bytes: usize, warnings: &mut Vec<Problem>) {
    if bytes < SMALL_BODY {
        let message = format!("`body_limit` is {bytes} bytes, which hardly any event fits in: is the unit right?");
        warnings.push(Problem::at(at, message));
    }
}

/// Warns if the value of this key allows more bytes than this machine has memory.
pub(super) fn warn_of_memory(at: &KeyPath, bytes: usize, warnings: &mut Vec<Problem>) {
    if let (Some(memory), Some((key, _))) = (memory().filter(|memory| *memory < bytes as u64), at.last_key()) {
        let (needed, memory) = (ByteSize(bytes as u64), ByteSize(memory));
        let message = format!("`{key}` may take {needed} of memory, and this machine has {memory}");
        warnings.push(Problem::at(at, message));
    }
}

/// Warns of more ids than this machine could remember.
pub(super) fn warn_of_capacity(at: &KeyPath, ids: usize, warnings: &mut Vec<Problem>) {
    warn_of_memory(at, ids.saturating_mul(BYTES_PER_ID), warnings);
}

/// Warns if the duration of this key in this table is far from usual.
pub(super) fn warn_outside(
    table: &KeyPath,
    key: &str,
    duration: Duration,
    usual: RangeInclusive<Duration>,
    why: &str,
    warnings: &mut Vec<Problem>,
) {
    if !usual.contains(&duration) {
        let is = if duration < *usual.start() { "only " } else { "" };
        let message = format!("`{key}` is {is}{}: {why}", humantime::format_duration(duration));
        warnings.push(Problem::at(&table.key(key), message));
    }
}

/// The memory of this machine or of the container around this process. `None` if neither is known.
fn memory() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kib.checked_mul(1024)
    });
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    machine.into_iter().chain(container).min()
}
