//! The middle of many measurements, and how far they are apart.

use std::fmt;

/// The median of some numbers, and the range in which most of them lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The 10th percentile: of ten numbers or fewer the smallest.
    pub low: f64,
    /// The median.
    pub median: f64,
    /// The 90th percentile: of fewer than ten numbers the largest.
    pub high: f64,
}

impl Spread {
    /// The spread of these numbers, one at least.
    pub fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
        Self { low: nearest_rank(&sorted, 10), median, high: nearest_rank(&sorted, 90) }
    }
}

/// The smallest of the numbers, in order, that `percent` of them do not exceed.
pub fn nearest_rank<T: Copy>(sorted: &[T], percent: usize) -> T {
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        write!(f, "{:.digits$} ({:.digits$} to {:.digits$})", self.median, self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_of_a_hundred_numbers_leaves_out_ten_at_each_end() {
        let spread = Spread::of((1..=100).rev().map(f64::from));
        assert_eq!(spread, Spread { low: 10.0, median: 50.5, high: 90.0 });
    }

    #[test]
    fn the_spread_of_six_numbers_is_their_range() {
        let spread = Spread::of([3.0, 1.0, 2.0, 6.0, 5.0, 4.0]);
        assert_eq!(spread.to_string(), "3.50 (1.00 to 6.00)");
    }
}
