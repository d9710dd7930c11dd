//! The CPU time of a process, from `/proc`.

use std::error::Error;
use std::fs;
use std::time::Duration;

use serde::Serialize;

/// The CPU time that a process has used so far, in all its threads.
///
/// `schedstat` counts nanoseconds but does not separate user and system time. `stat` separates them but counts in
/// ticks. The total is from the first, and its division is from the second.
#[derive(Clone, Copy, Debug)]
pub struct CpuTime {
    total: Duration,
    user_ticks: u64,
    system_ticks: u64,
}

/// The CPU time that a process used between two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CpuUse {
    /// In the program itself.
    pub user: Duration,
    /// In the kernel.
    pub system: Duration,
}

impl CpuTime {
    /// Reads the CPU time of this process.
    pub fn of(process: u32) -> Result<Self, Box<dyn Error>> {
        let mut total = Duration::ZERO;
        for thread in fs::read_dir(format!("/proc/{process}/task"))? {
            // A thread may end after the directory was read.
            let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
            total += Duration::from_nanos(field(&text, 0)?);
        }
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The name of the program, in parentheses, may contain spaces.
        let (_, fields) = stat.rsplit_once(") ").ok_or("/proc/*/stat: no program name")?;
        Ok(Self { total, user_ticks: field(fields, 11)?, system_ticks: field(fields, 12)? })
    }

    /// The CPU time used since an earlier reading.
    pub fn since(self, earlier: Self) -> CpuUse {
        let total = self.total.saturating_sub(earlier.total);
        let user = ticks(self.user_ticks, earlier.user_ticks);
        let system = ticks(self.system_ticks, earlier.system_ticks);
        let all = user + system;
        let user = if all > 0.0 { total.mul_f64(user / all) } else { total };
        CpuUse { user, system: total.saturating_sub(user) }
    }
}

fn field(text: &str, number: usize) -> Result<u64, Box<dyn Error>> {
    let field = text.split_whitespace().nth(number).ok_or_else(|| format!("/proc: no field {number} in {text:?}"))?;
    Ok(field.parse()?)
}

fn ticks(now: u64, earlier: u64) -> f64 {
    f64::from(u32::try_from(now.saturating_sub(earlier)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_divided_in_the_ratio_of_the_ticks() {
        let reading = |millis, user_ticks, system_ticks| CpuTime {
            total: Duration::from_millis(millis),
            user_ticks,
            system_ticks,
        };
        let used = reading(1400, 40, 80).since(reading(1000, 30, 50));
        assert_eq!(used, CpuUse { user: Duration::from_millis(100), system: Duration::from_millis(300) });
    }

    #[test]
    fn a_process_reads_its_own_cpu_time() {
        assert!(CpuTime::of(std::process::id()).is_ok_and(|time| time.total > Duration::ZERO));
    }
}
