//! The features that our libraries turn on in crates that their users share with them.
//!
//! Cargo builds one copy of a crate with all the features that anybody in the program asks for. One that changes what
//! a crate does would change the user's own code, so each is on this list by decision, with its reason.

#![expect(clippy::expect_used, reason = "what a test cannot do is its failure")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Crates, with the features that may be on in them and the reason of each.
type List = &'static [(&'static str, &'static [(&'static str, &'static str)])];

/// Crates that a user's program is likely to call itself, with the features that may be on in them and why. Others
/// are ours alone.
const SHARED: List = &[
    ("serde", &[("default", "jsonwebtoken asks for it"), ("std", STD), ("derive", ADDS), ("serde_derive", ADDS)]),
    ("serde_core", &[("default", "of serde"), ("std", STD), ("alloc", STD), ("result", "an impl for `Result`")]),
    ("serde_json", &[("default", "jsonwebtoken asks for it; it is `std`"), ("std", STD)]),
    (
        "base64",
        &[
            ("default", "jsonwebtoken and hyper-util ask for it; it is `std` and `simd-unsafe`"),
            ("std", STD),
            ("alloc", STD),
            ("simd-unsafe", "faster, and the same results"),
        ],
    ),
    ("bytes", &[("default", "http asks for it; it is `std`"), ("std", STD)]),
    ("http", &[("default", "it is `std`"), ("std", STD)]),
    ("http-body", &[]),
    ("http-body-util", &[("default", "it is empty")]),
    ("httparse", &[("default", "it is `std`"), ("std", STD)]),
    ("pin-project-lite", &[]),
    ("tower-layer", &[]),
    ("tower-service", &[]),
    ("tracing", &[("std", STD)]),
    ("tracing-core", &[("std", STD), ("once_cell", "of `std`")]),
    ("hyper", &[("default", "it is empty"), ("client", ADDS), ("http1", ADDS)]),
    (
        "hyper-util",
        &[("client", ADDS), ("client-legacy", ADDS), ("client-proxy", ADDS), ("http1", ADDS), ("tokio", ADDS)],
    ),
    ("hyper-rustls", &[("http1", ADDS), ("tls12", "publishers of keys that do not speak TLS 1.3")]),
    (
        "rustls",
        &[
            ("std", STD),
            ("tls12", "publishers of keys that do not speak TLS 1.3"),
            ("aws_lc_rs", "the provider that we name ourselves; AWS-LC is linked for RSA anyway"),
            ("aws-lc-rs", "another name of it"),
        ],
    ),
    ("tokio-rustls", &[("tls12", "of hyper-rustls")]),
    (
        "tokio",
        &[
            ("default", "it is empty"),
            ("time", "the time that a body may take"),
            ("rt", "fetching keys in the background"),
            ("sync", "waiting for a fetch"),
            ("macros", "`select!`"),
            ("tokio-macros", "of `macros`"),
            ("net", "of hyper-util"),
            ("libc", "of `net`"),
            ("mio", "of `net`"),
            ("socket2", "of `net`"),
            ("windows-sys", "of `net`"),
        ],
    ),
    ("arc-swap", &[]),
    ("ed25519-dalek", &[("fast", "tables, and no other results"), ("zeroize", "private keys are zeroed on drop")]),
    ("sha2", &[("zeroize", "state is zeroed on drop")]),
    ("hmac", &[("zeroize", "state is zeroed on drop")]),
    ("subtle", &[("const-generics", "of the curve: more impls")]),
    ("zeroize", &[("alloc", ADDS), ("derive", ADDS), ("zeroize_derive", ADDS), ("default", "it is `alloc`")]),
    ("jsonwebtoken", &[]),
];

/// With our feature `axum` alone.
const WITH_AXUM: List = &[
    ("axum", &[("json", "`Webhook<Json<T>>`; axum's own default")]),
    ("axum-core", &[]),
    (
        "serde_json",
        &[("raw_value", "axum's `json` asks for it, and is on by default in axum; our reader is not affected")],
    ),
    (
        "tower",
        &[
            ("util", "of axum"),
            ("futures-core", "of `util`"),
            ("futures-util", "of `util`"),
            ("pin-project-lite", "of `util`"),
            ("sync_wrapper", "of `util`"),
        ],
    ),
];

/// What the standard library's crates do in the same way without it.
const STD: &str = "impls for types of the standard library";
/// More items, and no change to those that are there.
const ADDS: &str = "more items, and none of them different";

/// What would change the meaning of code that is not ours: numbers, depth and order in JSON, clocks that stand still.
const NEVER: &[(&str, &str)] = &[
    ("serde_json", "raw_value"),
    ("serde_json", "arbitrary_precision"),
    ("serde_json", "preserve_order"),
    ("serde_json", "unbounded_depth"),
    ("serde_json", "float_roundtrip"),
    ("tokio", "test-util"),
    ("ed25519-dalek", "legacy_compatibility"),
    ("jsonwebtoken", "aws_lc_rs"),
    ("jsonwebtoken", "rust_crypto"),
];

/// The features that are on in each crate below these libraries.
fn features(arguments: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = Command::new(cargo)
        .args(["tree", "--locked", "--edges=normal", "--target=all", "--prefix=none", "--no-dedupe"])
        .args(["--format={p}|{f}"])
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .expect("cargo tree runs");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for line in String::from_utf8(tree.stdout).expect("names are UTF-8").lines() {
        let Some((package, features)) = line.split_once('|') else { continue };
        let name = package.split(' ').next().unwrap_or_default().to_owned();
        let features = features.trim_end_matches(" (*)").split(',').filter(|feature| !feature.is_empty());
        found.entry(name).or_default().extend(features.map(str::to_owned));
    }
    found
}

/// What is on and not on these lists.
fn unlisted(found: &BTreeMap<String, BTreeSet<String>>, lists: &[List]) -> Vec<String> {
    let shared = lists.iter().flat_map(|list| list.iter());
    let mut unlisted = Vec::new();
    for (name, features) in found {
        let mut known = shared.clone().filter(|(shared, _)| shared == name).peekable();
        if known.peek().is_none() {
            continue;
        }
        let allowed: BTreeSet<_> = known.flat_map(|(_, allowed)| allowed.iter()).map(|(feature, _)| *feature).collect();
        let more = features.iter().filter(|feature| !allowed.contains(feature.as_str()));
        unlisted.extend(more.map(|feature| format!("{name}/{feature}")));
    }
    unlisted
}

const LIBRARIES: [&str; 3] = ["--package=countersign", "--package=countersign-jwks", "--package=countersign-tower"];

#[test]
fn no_feature_is_on_in_a_shared_crate_by_accident() {
    let found = features(&[&LIBRARIES[..], &["--features=countersign-tower/tracing"]].concat());
    assert!(found.contains_key("serde_json") && found.contains_key("tokio"), "{found:?}");
    assert_eq!(unlisted(&found, &[SHARED]), [""; 0], "turned on and not on the list");
    for (name, feature) in NEVER {
        assert!(!found.get(*name).is_some_and(|features| features.contains(*feature)), "{name}/{feature}");
    }
}

#[test]
fn the_extractors_turn_on_what_axum_does_and_no_more() {
    let found = features(&[&LIBRARIES[..], &["--all-features"]].concat());
    assert!(found.contains_key("axum"), "{found:?}");
    assert_eq!(unlisted(&found, &[SHARED, WITH_AXUM]), [""; 0], "turned on and not on the lists");
}

#[test]
fn a_v1_receiver_links_no_c_and_no_public_key_cryptography() {
    let found = features(&["--package=countersign", "--no-default-features"]);
    assert!(found.contains_key("sha2") && found.contains_key("http"), "{found:?}");
    for name in ["aws-lc-sys", "aws-lc-rs", "cc", "cmake", "ed25519-dalek", "jsonwebtoken", "ring", "serde_json"] {
        assert!(!found.contains_key(name), "{name} is linked without default features");
    }
}

#[test]
fn every_entry_is_on_somewhere() {
    let found = features(&[&LIBRARIES[..], &["--all-features"]].concat());
    for (name, allowed) in SHARED.iter().chain(WITH_AXUM) {
        let on = found.get(*name).unwrap_or_else(|| panic!("{name} is on the list and not linked"));
        for (feature, reason) in *allowed {
            assert!(on.contains(*feature), "{name}/{feature} is on the list and not turned on");
            assert!(!reason.is_empty(), "{name}/{feature} has no reason");
        }
    }
}
