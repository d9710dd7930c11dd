//! Every entry of the corpus, and mutations of them, through the target that they belong to.
//!
//! `COUNTERSIGN_CASES` is the number of mutations of each target, and `COUNTERSIGN_SEED` repeats a run.

#![expect(clippy::expect_used, reason = "what a test cannot do is its failure")]

use countersign_fuzz::{TARGETS, corpus, mutation, target};
use fastrand::Rng;

/// How many mutations each target gets, unless `COUNTERSIGN_CASES` says so.
const CASES: u64 = 1000;

fn run(name: &str) {
    let target = target(name).expect("a target");
    let entries = corpus::entries(target);
    for entry in &entries {
        println!("{}", entry.escape_ascii());
        (target.run)(entry);
    }
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (cases, seed) = (number("COUNTERSIGN_CASES"), number("COUNTERSIGN_SEED"));
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("mutations of seed {seed}");
    let mut rng = Rng::with_seed(seed);
    for case in 0..cases.unwrap_or(CASES) {
        let bytes = mutation::mutate(&entries, &mut rng);
        let ran = std::panic::catch_unwind(|| (target.run)(&bytes));
        assert!(ran.is_ok(), "{name}, case {case} of seed {seed}: {}", bytes.escape_ascii());
    }
}

macro_rules! corpora {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*

        #[test]
        fn every_target_is_tested() {
            let tested = [$(stringify!($name)),*];
            assert_eq!(TARGETS.iter().map(|target| target.name).collect::<Vec<_>>(), tested);
        }
    };
}

corpora!(accelerator binding config events heads jwks plain proxy secrets signatures tokens);
