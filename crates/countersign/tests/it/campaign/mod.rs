//! Mutated deliveries: an accepted request is, byte for byte, one that its sender has signed.
//!
//! `COUNTERSIGN_CASES` is the number of cases, and `COUNTERSIGN_SEED` repeats a run. A failure prints the command.

mod mutation;
mod pool;

use bytes::Bytes;
use countersign::{UnixTime, Verifier};
use fastrand::Rng;

use crate::common::{NOW, verifier};
use pool::{Genuine, Request, pool};

/// How many requests are mutated, unless `COUNTERSIGN_CASES` says so.
const CASES: u32 = 100_000;

/// What became of the cases of one scheme.
#[derive(Debug, Default)]
struct Tally {
    accepted: u32,
    rejected: u32,
    /// HTTP cannot carry it.
    unsendable: u32,
}

#[test]
fn nothing_is_accepted_that_was_not_signed_whatever_is_mutated() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let cases = number("COUNTERSIGN_CASES").map_or(CASES, |cases| u32::try_from(cases).expect("fewer cases"));
    let seed = number("COUNTERSIGN_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("{cases} cases of seed {seed}");
    let (verifier, pool) = (verifier(), pool());
    let mut tallies: Vec<(&str, Tally)> = pool::SCHEMES.map(|scheme| (scheme, Tally::default())).into();
    for genuine in &pool {
        let verdict = judge(&verifier, &pool, &genuine.request);
        assert_eq!(verdict, Ok(Verdict::Accepted), "{genuine:?} is not accepted before it is mutated");
    }
    let mut rng = Rng::with_seed(seed);
    for case in 0..cases {
        let genuine = &pool[rng.usize(..pool.len())];
        let mut request = genuine.request.clone();
        let mut done = Vec::new();
        for _ in 0..rng.u8(1..=3) {
            done.push(mutation::mutate(&mut request, &pool, &mut rng));
        }
        let (_, tally) = tallies.iter_mut().find(|(scheme, _)| *scheme == genuine.scheme).expect("a scheme");
        match judge(&verifier, &pool, &request) {
            Ok(Verdict::Accepted) => tally.accepted += 1,
            Ok(Verdict::Rejected) => tally.rejected += 1,
            Ok(Verdict::Unsendable) => tally.unsendable += 1,
            Err(wrong) => panic!(
                "case {case}: {wrong}\nmutations: {done:?}\nbefore: {genuine:?}\nafter: {request:?}\nrepeat: \
                 COUNTERSIGN_SEED={seed} COUNTERSIGN_CASES={} cargo test -p countersign --all-features --test it \
                 campaign",
                case + 1
            ),
        }
    }
    println!("{tallies:#?}");
    for (scheme, Tally { accepted, rejected, unsendable }) in tallies {
        // Some mutations keep what is signed: otherwise nothing would be known of the others.
        assert!(accepted * 100 > cases / 8, "{scheme}: {accepted} accepted");
        assert!(rejected * 2 > accepted && rejected > unsendable, "{scheme}: {rejected} rejected");
    }
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Accepted,
    Rejected,
    Unsendable,
}

/// Verifies the request, and says what is wrong if it is accepted without being one of these deliveries.
fn judge(verifier: &Verifier, pool: &[Genuine], request: &Request) -> Result<Verdict, String> {
    let Some(headers) = request.header_map() else { return Ok(Verdict::Unsendable) };
    let body = Bytes::copy_from_slice(&request.body);
    let attempt = verifier.begin(&headers, UnixTime::from_secs(NOW));
    let Ok(accepted) = attempt.and_then(|attempt| attempt.finish(body)) else { return Ok(Verdict::Rejected) };
    let is_same = |genuine: &&Genuine| {
        genuine.is_carried_by(request)
            && accepted.message_id().as_str() == genuine.id
            && accepted.timestamp().as_secs() == genuine.timestamp
            && genuine.has_scheme(accepted.scheme().as_str())
            && *accepted.body() == request.body
    };
    match pool.iter().find(is_same) {
        Some(_) => Ok(Verdict::Accepted),
        None => Err(format!("accepted, but nobody has signed it: {accepted:?}")),
    }
}
