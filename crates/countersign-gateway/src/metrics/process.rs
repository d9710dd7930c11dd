//! Metrics of the process, under the names that all Prometheus clients use.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// The process, read when Prometheus scrapes. Values that the system does not tell are left out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    started: f64,
}

impl Process {
    /// This process, which starts now.
    pub(super) fn starting() -> Self {
        Self { started: seconds(clock_gettime(ClockId::Realtime)) }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let cpu = ConstCounter::new(seconds(clock_gettime(ClockId::ProcessCPUTime)));
        let help = "CPU time of the process, in user and system mode";
        cpu.encode(encoder.encode_descriptor("process_cpu", help, Some(&Unit::Seconds), MetricType::Counter)?)?;
        let help = "When the process started, in seconds since 1970";
        let start = encoder.encode_descriptor("process_start_time", help, Some(&Unit::Seconds), MetricType::Gauge)?;
        ConstGauge::new(self.started).encode(start)?;
        let mut gauge = |name, help, unit: Option<&Unit>, value: Option<u64>| {
            let Some(value) = value else { return Ok(()) };
            let value = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            value.encode(encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?)
        };
        let memory = fs::read_to_string("/proc/self/statm").ok();
        let [size, resident] = memory.as_deref().map_or([None; 2], bytes);
        gauge("process_virtual_memory", "Virtual memory of the process", Some(&Unit::Bytes), size)?;
        gauge("process_resident_memory", "Resident memory of the process", Some(&Unit::Bytes), resident)?;
        gauge("process_open_fds", "Open file descriptors of the process", None, open_files())?;
        let limit = getrlimit(Resource::Nofile).current;
        gauge("process_max_fds", "The maximum number of open file descriptors", None, limit)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a fraction of a second is lost after millions of years")]
fn seconds(time: Timespec) -> f64 {
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The virtual and the resident memory, in bytes, from `/proc/self/statm`.
fn bytes(statm: &str) -> [Option<u64>; 2] {
    let page = u64::try_from(rustix::param::page_size()).ok();
    let mut pages = statm.split_ascii_whitespace().map(|pages| pages.parse::<u64>().ok());
    let mut next = || pages.next().flatten()?.checked_mul(page?);
    [next(), next()]
}

/// Reading the folder opens a file too, which is not counted.
fn open_files() -> Option<u64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    u64::try_from(count).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_counted_in_pages() {
        let page = u64::try_from(rustix::param::page_size()).unwrap();
        assert_eq!(bytes("300 200 100 1 0 9 0\n"), [Some(300 * page), Some(200 * page)]);
        assert_eq!(bytes("300"), [Some(300 * page), None]);
        assert_eq!(bytes("many 18446744073709551615"), [None, None]);
    }
}
