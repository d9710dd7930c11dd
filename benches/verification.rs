//! What a verification costs, in absolute time: of what passes, and of what an attacker sends.

#![expect(clippy::expect_used, reason = "a bench that cannot verify its own deliveries has nothing to measure")]

use std::hint::black_box;

use countersign_benches::contestants::{BareHmac, Countersign, StandardWebhooks};
use countersign_benches::deliveries::Delivery;
use criterion::{Criterion, criterion_group, criterion_main};

fn genuine(c: &mut Criterion, label: &str, len: usize) {
    let delivery = Delivery::signed_now(len);
    let (bare, ours, theirs) = (BareHmac::new(&delivery), Countersign::new(), StandardWebhooks::new());
    let mut group = c.benchmark_group(format!("v1/{label}"));
    group.bench_function("bare_hmac", |b| b.iter(|| black_box(&bare).tag()));
    group.bench_function("countersign", |b| {
        b.iter(|| ours.verify(black_box(&delivery)).expect("it was signed"));
    });
    group.bench_function("standardwebhooks", |b| {
        b.iter(|| theirs.verify(black_box(&delivery)).expect("it was signed"));
    });
    group.finish();
}

fn refused(c: &mut Criterion) {
    let ours = Countersign::new();
    let forged = Delivery::signed_now(200).forged();
    let mut group = c.benchmark_group("v1/refused/200B");
    for (name, delivery) in [("signature_mismatch", &forged), ("of_32_signatures", &forged.clone().with_a_long_list())]
    {
        group.bench_function(name, |b| {
            b.iter(|| ours.verify(black_box(delivery)).expect_err("nobody signed it"));
        });
    }
    group.finish();
}

fn all(c: &mut Criterion) {
    genuine(c, "200B", 200);
    genuine(c, "20KiB", 20 * 1024);
    refused(c);
}

criterion_group!(benches, all);
criterion_main!(benches);
