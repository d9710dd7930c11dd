//! Sizes and times, and which of them no machine has and nobody means.

use std::time::Duration;

use bytesize::ByteSize;
use rustix::process::{Resource, getrlimit};
use toml::Spanned;

use super::error::Problem;
use super::parse;

/// No time of a configuration is longer: a longer one has the wrong unit.
const LONGEST: Duration = Duration::from_hours(366 * 24);
/// No limit on bytes is larger.
const LARGEST: u64 = 1 << 40;
/// More threads than any machine has processors.
const MOST_THREADS: usize = 4096;
/// More files than Linux lets any process have open.
const MOST_FILES: usize = 1 << 30;
/// A JSON object with a type and an id has more bytes.
const SMALL_BODY: usize = 64;
/// About what an id takes up in the replay memory.
const BYTES_PER_ID: usize = 64;

/// Reads a time that is not zero.
pub(super) fn duration_or(text: Option<&Spanned<String>>, default: Duration) -> Result<Duration, Problem> {
    text.map_or(Ok(default), |text| {
        parse(text, |text| {
            match humantime::parse_duration(text)
                .map_err(|_| "a time is a number and a unit, like \"30s\" or \"5m\"")?
            {
                Duration::ZERO => Err("the time is zero"),
                time if time > LONGEST => Err("the time is longer than a year: is the unit right?"),
                time => Ok(time),
            }
        })
    })
}

/// Reads a number of bytes.
pub(super) fn size(text: &Spanned<String>) -> Result<usize, Problem> {
    parse(text, |text| {
        let size: ByteSize = text.parse().map_err(|_| "a size is a number and a unit, like \"64KiB\" or \"1MiB\"")?;
        if size.as_u64() == 0 {
            return Err("the size is zero, so nothing would fit");
        }
        if size.as_u64() > LARGEST {
            return Err("the size is larger than the memory of any machine (1 TiB is the most): is the unit right?");
        }
        usize::try_from(size.as_u64()).map_err(|_| "the size is larger than this machine can address")
    })
}

/// Reads the number of threads; one for each processor, unless it is given.
pub(super) fn threads(given: Option<&Spanned<usize>>, warnings: &mut Vec<Problem>) -> Result<usize, Problem> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let Some(given) = given else { return Ok(processors) };
    match *given.get_ref() {
        0 => Err(Problem::at(given.span(), "one thread at least")),
        threads if threads > MOST_THREADS => Err(Problem::at(
            given.span(),
            format!("{threads} threads: at most {MOST_THREADS}; the default is one for each processor"),
        )),
        threads => {
            if threads > 64.max(8 * processors) {
                let message =
                    format!("{threads} threads for {processors} processors: they would only wait for each other");
                warnings.push(Problem::at(given.span(), message));
            }
            Ok(threads)
        }
    }
}

/// Warns of more connections than this process may have open files: it would not start.
pub(super) fn warn_of_connections(count: &Spanned<usize>, warnings: &mut Vec<Problem>) {
    let most = getrlimit(Resource::Nofile).maximum.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    if *count.get_ref() >= most.min(MOST_FILES) {
        let message = format!(
            "`max_connections` is {}, but a process may have {} files open here, so it would not start: allow fewer, or \
             raise the limit (ulimit -Hn, LimitNOFILE)",
            count.get_ref(),
            most.min(MOST_FILES)
        );
        warnings.push(Problem::at(count.span(), message));
    }
}

/// Warns of a body limit that no event fits in.
pub(super) fn warn_of_small_body(text: &Spanned<String>, bytes: usize, warnings: &mut Vec<Problem>) {
    if bytes < SMALL_BODY {
        let message = format!("`body_limit` is {bytes} bytes, which hardly any event fits in: is the unit right?");
        warnings.push(Problem::at(text.span(), message));
    }
}

/// Warns of more bytes than this machine has memory.
pub(super) fn warn_of_memory(key: &str, bytes: usize, at: std::ops::Range<usize>, warnings: &mut Vec<Problem>) {
    if let Some(memory) = memory().filter(|memory| *memory < bytes as u64) {
        let (needed, memory) = (ByteSize(bytes as u64), ByteSize(memory));
        let message = format!("`{key}` may take {needed} of memory, and this machine has {memory}");
        warnings.push(Problem::at(at, message));
    }
}

/// Warns of more ids than this machine could remember.
pub(super) fn warn_of_capacity(capacity: &Spanned<usize>, warnings: &mut Vec<Problem>) {
    warn_of_memory("capacity", capacity.get_ref().saturating_mul(BYTES_PER_ID), capacity.span(), warnings);
}

/// Warns of a time that is far from what its key is for.
pub(super) fn warn_outside(
    key: &str,
    given: Option<&Spanned<String>>,
    range: std::ops::RangeInclusive<Duration>,
    why: &str,
    warnings: &mut Vec<Problem>,
) -> Result<(), Problem> {
    if let Some(text) = given
        && let time = duration_or(Some(text), Duration::ZERO)?
        && !range.contains(&time)
    {
        let is = if time < *range.start() { "only " } else { "" };
        warnings.push(Problem::at(text.span(), format!("`{key}` is {is}{}: {why}", humantime::format_duration(time))));
    }
    Ok(())
}

/// The memory of this machine, or of the container that this runs in; unknown where neither says.
fn memory() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let kib: u64 = text
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))?
            .trim()
            .strip_suffix("kB")?
            .trim()
            .parse()
            .ok()?;
        kib.checked_mul(1024)
    });
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    machine.into_iter().chain(container).min()
}
