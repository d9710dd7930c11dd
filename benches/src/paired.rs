//! Ratios that a drifting machine does not bend: those who are compared take turns.
//!
//! Whatever slows the machine down for longer than a millisecond slows all of them down within one
//! round, and leaves the ratio of that round as it was. A shorter disturbance falls on few rounds,
//! which the median does not see.

use std::time::Duration;

use countersign::clock::{Clock, SystemClock};

use crate::spread::Spread;

/// One of those who are compared: does its work as often as it is told.
pub type Contestant<'a> = &'a mut dyn FnMut(u32);

const ROUNDS: usize = 301;
/// In a round each has so many turns.
const TURNS: usize = 5;
const TURN: Duration = Duration::from_micros(400);

/// How much longer each contestant takes than the first, for the same number of calls; the first,
/// which is 1 by definition, is left out.
pub fn ratios_to_first(contestants: &mut [Contestant<'_>]) -> Vec<Spread> {
    let rounds = costs(contestants);
    (1..contestants.len()).map(|n| Spread::of(rounds.iter().map(|costs| costs[n] / costs[0]))).collect()
}

/// What a call costs each contestant, in seconds, in each of the rounds.
pub fn costs(contestants: &mut [Contestant<'_>]) -> Vec<Vec<f64>> {
    let calls: Vec<u32> = contestants.iter_mut().map(calls_in_a_turn).collect();
    (0..ROUNDS).map(|_| round(contestants, &calls)).collect()
}

/// What a call cost each contestant in one round, in seconds.
fn round(contestants: &mut [Contestant<'_>], calls: &[u32]) -> Vec<f64> {
    let mut taken = vec![Duration::ZERO; contestants.len()];
    for _ in 0..TURNS {
        for ((contestant, calls), taken) in contestants.iter_mut().zip(calls).zip(&mut taken) {
            *taken += time(contestant, *calls);
        }
    }
    taken.iter().zip(calls).map(|(taken, calls)| taken.as_secs_f64() / f64::from(*calls)).collect()
}

/// Calls it more and more often, which warms it up too, until it is busy for a whole turn.
fn calls_in_a_turn(contestant: &mut Contestant<'_>) -> u32 {
    let mut calls = 1;
    while time(contestant, calls) < TURN {
        calls *= 2;
    }
    calls
}

fn time(contestant: &mut Contestant<'_>, calls: u32) -> Duration {
    let start = SystemClock.instant();
    contestant(calls);
    start.elapsed()
}
