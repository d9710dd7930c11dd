//! What goes wrong, and when: it follows from the seed.

use std::time::Duration;

use fastrand::Rng;

/// What is done to the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    /// `kill -9` of a gateway, which is then started again.
    Kill(usize),
    /// SIGUSR2: another process takes over the listeners of a gateway.
    Upgrade(usize),
    /// A reload of the same configuration.
    Reload(usize),
    /// Another secret, in both gateways.
    Rotate,
}

/// How the backend behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mood {
    /// It handles requests.
    Good,
    /// It responds with 500.
    Failing,
    /// It responds after the gateway has given up.
    Slow,
    /// It closes connections without a response.
    Closing,
    /// Nothing listens.
    Down,
}

/// What happens around the processes for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weather {
    Calm,
    Backend(Mood),
    DiskFull,
    Flood,
}

impl Action {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kill(_) => "kill -9",
            Self::Upgrade(_) => "upgrade",
            Self::Reload(_) => "reload",
            Self::Rotate => "key rotation",
        }
    }
}

impl Weather {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Backend(Mood::Good) => "backend good",
            Self::Backend(Mood::Failing) => "backend responds 500",
            Self::Backend(Mood::Slow) => "backend too slow",
            Self::Backend(Mood::Closing) => "backend closes connections",
            Self::Backend(Mood::Down) => "backend down",
            Self::DiskFull => "disk full",
            Self::Flood => "flood of forged deliveries",
        }
    }
}

/// The actions, each with the pause before it. Each kind comes once before any comes again.
pub(super) fn actions(seed: u64, gateways: usize) -> impl Iterator<Item = (Duration, Action)> {
    let mut rng = Rng::with_seed(seed);
    std::iter::repeat_with(move || {
        let mut all: Vec<_> = (0..gateways).map(Action::Kill).collect();
        let gateway = rng.usize(..gateways);
        all.extend([Action::Upgrade(gateway), Action::Reload(gateways - 1 - gateway), Action::Rotate]);
        rng.shuffle(&mut all);
        all.into_iter().map(|action| (Duration::from_millis(rng.u64(500..1500)), action)).collect::<Vec<_>>()
    })
    .flatten()
}

/// The weather, each with its length. Between two kinds of bad weather, it is calm.
pub(super) fn weather(seed: u64) -> impl Iterator<Item = (Duration, Weather)> {
    let mut rng = Rng::with_seed(!seed);
    std::iter::repeat_with(move || {
        let mut all = vec![Weather::DiskFull, Weather::Flood];
        all.extend([Mood::Failing, Mood::Slow, Mood::Closing, Mood::Down].map(Weather::Backend));
        rng.shuffle(&mut all);
        let length = |rng: &mut Rng| Duration::from_millis(rng.u64(400..1500));
        all.into_iter().flat_map(|bad| [(length(&mut rng), bad), (length(&mut rng), Weather::Calm)]).collect::<Vec<_>>()
    })
    .flatten()
}

#[test]
fn a_seed_determines_the_plan_and_everything_is_in_it() {
    let plan = |seed| actions(seed, 2).take(50).collect::<Vec<_>>();
    assert_eq!(plan(7), plan(7));
    assert_ne!(plan(7), plan(8));
    let kinds = |actions: &[(Duration, Action)]| {
        let mut kinds: Vec<_> = actions.iter().map(|(_, action)| action.name()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds.len()
    };
    assert_eq!(kinds(&plan(7)[..5]), 4);
    let mut first: Vec<_> = weather(7).take(12).map(|(_, weather)| weather.name()).collect();
    assert!(first.iter().skip(1).step_by(2).all(|name| *name == "calm"));
    first.sort_unstable();
    first.dedup();
    assert_eq!(first.len(), 7);
}
