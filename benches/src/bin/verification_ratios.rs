//! The cost of a complete `v1` verification, beside the HMAC that it cannot do without and beside
//! the `standardwebhooks` crate; and what it costs to reject the worst forged deliveries.

#![expect(clippy::expect_used, reason = "a bench that cannot verify its own deliveries has nothing to measure")]

use std::hint::black_box;

use countersign_benches::contestants::{BareHmac, Countersign, StandardWebhooks};
use countersign_benches::deliveries::Delivery;
use countersign_benches::forgeries::Forgery;
use countersign_benches::paired;
use countersign_benches::report::{Report, Target};
use countersign_benches::spread::Spread;

fn main() {
    let mut report = Report::new(
        "verification",
        "Verification: one delivery, one core",
        "How much longer than the first named the second takes: the median of 301 rounds, in which they \
         take turns, with the 10th and the 90th percentile.",
    );
    report.columns(&["body", "ratio", "measured", "target", ""]);
    for (label, len, to_bare, to_crate) in [
        ("200 B", 200, Target::AtMost(2.4), Target::AtLeast(4.0)),
        ("20 KiB", 20 * 1024, Target::AtMost(1.05), Target::AtLeast(5.0)),
    ] {
        let delivery = Delivery::signed_now(len);
        let (bare, ours, theirs) = (BareHmac::new(&delivery), Countersign::new(), StandardWebhooks::new());
        let mut bare = |calls| repeat(calls, || black_box(&bare).tag());
        let mut ours = |calls| repeat(calls, || ours.verify(black_box(&delivery)).expect("it was signed"));
        let mut theirs = |calls| repeat(calls, || theirs.verify(black_box(&delivery)).expect("it was signed"));
        let over_bare = paired::ratios_to_first(&mut [&mut bare, &mut ours])[0];
        let over_ours = paired::ratios_to_first(&mut [&mut ours, &mut theirs])[0];
        for (ratio, measured, target) in [
            ("bare HMAC to countersign", over_bare, to_bare),
            ("countersign to the crate standardwebhooks", over_ours, to_crate),
        ] {
            report.row(&[label, ratio, &measured.to_string(), &target.to_string(), target.verdict(measured)]);
        }
    }
    report.section(
        "What rejecting costs",
        "Forged deliveries, the worst of each kind, beside one HMAC-SHA256 over the same body: how much longer the \
         rejection takes, and by how many µs it exceeds four times the HMAC. At most 1,000 is promised. The last \
         column says whether the body is read, or too large for the signatures and keys that would be tried.",
    );
    report.columns(&["body", "forgery", "to one HMAC", "excess, µs", "target", "", "body read"]);
    for (label, len) in [("200 B", 200), ("20 KiB", 20 * 1024), ("1 MiB", 1024 * 1024)] {
        let delivery = Delivery::signed_now(len);
        let bare = BareHmac::new(&delivery);
        for forgery in Forgery::all(&delivery) {
            let mut bare = |calls| repeat(calls, || black_box(&bare).tag());
            let mut reject = |calls| repeat(calls, || black_box(&forgery).reject());
            let rounds = paired::costs(&mut [&mut bare, &mut reject]);
            let ratio = Spread::of(rounds.iter().map(|costs| costs[1] / costs[0]));
            let excess = Spread::of(rounds.iter().map(|costs| (costs[1] - 4.0 * costs[0]) * 1e6));
            let target = Target::AtMost(1000.0);
            let is_read = if forgery.reject() { "yes" } else { "no" };
            report.row(&[
                label,
                forgery.name,
                &ratio.to_string(),
                &excess.to_string(),
                &target.to_string(),
                target.verdict(excess),
                is_read,
            ]);
        }
    }
    report.publish();
}

fn repeat<T>(calls: u32, mut call: impl FnMut() -> T) {
    for _ in 0..calls {
        black_box(call());
    }
}
