//! The time that the memory store takes for a delivery while it remembers a million others, and ten million.

use countersign_benches::stores::FullStore;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

/// So few that they are still in the cache, as those of a request are.
const FEW: BatchSize = BatchSize::NumIterations(100);

fn all(c: &mut Criterion) {
    for (name, ids) in [("store/1M", 1_000_000), ("store/10M", 10_000_000)] {
        let store = FullStore::new(ids);
        let mut group = c.benchmark_group(name);
        group.bench_function("claim_and_confirm", |b| {
            b.iter_batched(|| store.new_delivery(), |arrival| store.claim_and_confirm(arrival), FEW);
        });
        group.bench_function("claim_and_release", |b| {
            b.iter_batched(|| store.unseen(), |arrival| store.claim_and_release(arrival), FEW);
        });
        group.bench_function("claim_of_a_duplicate", |b| {
            b.iter_batched(|| store.duplicate(), |arrival| store.claim_in_vain(arrival), FEW);
        });
        group.finish();
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
