//! The capacity of a replay store as a rate of deliveries.

use std::fmt;
use std::time::Duration;

/// How many messages a replay store has room for, and for how long it remembers each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    ids: usize,
    retain: Duration,
}

impl Capacity {
    /// The capacity of a store for this many ids, each of which is remembered for `retain`.
    pub fn new(ids: usize, retain: Duration) -> Self {
        Self { ids, retain }
    }

    /// Whether the store is full after less than one delivery a second. Few sources send so little.
    pub fn is_low(&self) -> bool {
        self.deliveries_in(Duration::from_secs(1)) == 0
    }

    /// How many new messages may arrive in each such span without filling the store.
    fn deliveries_in(&self, span: Duration) -> u128 {
        self.ids as u128 * span.as_millis() / self.retain.as_millis().max(1)
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ids, retain) = (grouped(self.ids as u128), rounded(self.retain));
        let noun = if self.ids == 1 { "id" } else { "ids" };
        write!(f, "the store remembers {ids} {noun} for {retain}, which is enough for ")?;
        let units = [("second", 1), ("minute", 60), ("hour", 3600), ("day", 24 * 3600)];
        let rates = units.map(|(unit, secs)| (unit, self.deliveries_in(Duration::from_secs(secs))));
        match rates.into_iter().find(|(_, count)| *count > 0) {
            Some((unit, count)) => {
                let noun = if count == 1 { "delivery" } else { "deliveries" };
                write!(f, "{} {noun} {} {unit}", grouped(count), if unit == "hour" { "an" } else { "a" })
            }
            None => f.write_str("less than one delivery a day"),
        }
    }
}

/// With a comma between thousands.
fn grouped(count: u128) -> String {
    let digits = count.to_string();
    let separated = digits.char_indices().flat_map(|(at, digit)| {
        let starts_group = at > 0 && (digits.len() - at).is_multiple_of(3);
        starts_group.then_some(',').into_iter().chain([digit])
    });
    separated.collect()
}

/// In the largest unit that says it exactly, as it is written in a configuration.
fn rounded(duration: Duration) -> String {
    match duration.as_secs() {
        secs if duration.subsec_nanos() > 0 => format!("{:?}", Duration::new(secs, duration.subsec_nanos())),
        secs if secs.is_multiple_of(3600) => format!("{} h", secs / 3600),
        secs if secs.is_multiple_of(60) => format!("{} min", secs / 60),
        secs => format!("{secs} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capacity_reads_as_a_rate() {
        for (ids, retain, expected) in [
            (1_000_000, 25 * 3600, "1,000,000 ids for 25 h, which is enough for 11 deliveries a second"),
            (90_000, 25 * 3600, "90,000 ids for 25 h, which is enough for 1 delivery a second"),
            (89_999, 25 * 3600, "89,999 ids for 25 h, which is enough for 59 deliveries a minute"),
            (1_000, 25 * 3600, "1,000 ids for 25 h, which is enough for 40 deliveries an hour"),
            (2, 25 * 3600, "2 ids for 25 h, which is enough for 1 delivery a day"),
            (1, 25 * 3600, "1 id for 25 h, which is enough for less than one delivery a day"),
            (1 << 31, 90 * 60, "2,147,483,648 ids for 90 min, which is enough for 397,682 deliveries a second"),
            (100, 45, "100 ids for 45 s, which is enough for 2 deliveries a second"),
        ] {
            let capacity = Capacity { ids, retain: Duration::from_secs(retain) };
            assert_eq!(capacity.to_string(), format!("the store remembers {expected}"));
            assert_eq!(capacity.is_low(), !expected.ends_with("second"), "{expected}");
        }
        let odd = Capacity { ids: 10, retain: Duration::from_millis(1500) };
        assert!(odd.to_string().contains("10 ids for 1.5s,"), "{odd}");
        // It is not divided by what is nothing.
        assert!(!Capacity { ids: 10, retain: Duration::ZERO }.is_low());
    }
}
