//! The core does no I/O: what it links, and what its source names.

#![expect(clippy::expect_used, reason = "what a test cannot do is its failure")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// All that the core may link, on any platform. A crate is added here by decision, not by accident.
const ALLOWED: &[&str] = &[
    // what its own manifest asks for; aws-lc asks the operating system for randomness, to blind and to
    // make RSA keys, and for nothing else
    "aws-lc-rs",
    "base64",
    "bytes",
    "ed25519-dalek",
    "hashbrown",
    "hmac",
    "http",
    "jsonwebtoken",
    "serde",
    "serde_json",
    "sha2",
    "slab",
    "subtle",
    "zeroize",
    // what those ask for: hashing
    "block-buffer",
    "cfg-if",
    "cmov",
    "cpufeatures",
    "crypto-common",
    "ctutils",
    "digest",
    "hybrid-array",
    "typenum",
    // signatures
    "aws-lc-sys",
    "curve25519-dalek",
    "curve25519-dalek-derive",
    "ed25519",
    "fiat-crypto",
    "getrandom",
    "r-efi", // getrandom on UEFI
    "signature",
    "untrusted",
    "wasi",
    "zeroize_derive",
    // the clock of a browser, which jsonwebtoken reads in functions that are not called here; on wasm only
    "bumpalo",
    "futures-core",
    "futures-task",
    "futures-util",
    "js-sys",
    "pin-project-lite",
    "wasm-bindgen",
    "wasm-bindgen-macro",
    "wasm-bindgen-macro-support",
    "wasm-bindgen-shared",
    // reads the processor's features on ARM; links nothing that std does not
    "libc",
    // headers and JSON
    "itoa",
    "memchr",
    "serde_core",
    "zmij",
    // at compile time only
    "proc-macro2",
    "quote",
    "serde_derive",
    "syn",
    "unicode-ident",
];

/// Ways out of the process that std offers. A grouped import is one of them: it would hide the others.
const FORBIDDEN: &[&str] = &[
    "std::{",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::os",
    "std::io",
    "print!(",
    "println!(",
    "dbg!(",
];

#[test]
fn the_core_links_no_runtime_and_no_io() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = Command::new(cargo)
        .args(["tree", "--locked", "--package=countersign", "--edges=normal", "--all-features"])
        .args(["--target=all", "--prefix=none", "--format={p}"])
        .current_dir(workspace())
        .output()
        .expect("cargo tree runs");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).expect("names are UTF-8");
    let linked: BTreeSet<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();

    assert!(linked.contains("countersign"), "this is not the core's tree:\n{tree}");
    let allowed: BTreeSet<_> = ALLOWED.iter().copied().chain(["countersign"]).collect();
    let more: Vec<_> = linked.difference(&allowed).collect();
    assert!(more.is_empty(), "the core links what is not on its list: {more:?}");
    let fewer: Vec<_> = allowed.difference(&linked).collect();
    assert!(fewer.is_empty(), "the list names what the core does not link: {fewer:?}");
}

#[test]
fn the_core_names_no_io_and_reads_the_clock_in_one_file() {
    let mut found = Vec::new();
    let mut clock_reads = 0;
    let sources = sources(&workspace().join("crates/countersign/src"));
    for file in &sources {
        let is_clock = file.ends_with("src/clock.rs");
        let text = std::fs::read_to_string(file).expect("a source can be read");
        for (number, line) in (1..).zip(text.lines()) {
            let code = line.split("//").next().unwrap_or_default();
            let io = FORBIDDEN.iter().any(|name| code.contains(name));
            let clock = ["SystemTime::now", "Instant::now", ".elapsed()"].iter().any(|read| code.contains(read));
            clock_reads += usize::from(clock && is_clock);
            if io || (clock && !is_clock) {
                found.push(format!("{}:{number}: {}", file.display(), line.trim()));
            }
        }
    }
    assert!(sources.len() > 5, "the core's sources are not where they were: {sources:?}");
    assert!(clock_reads > 0, "clock.rs does not read the clock: this test looks for the wrong thing");
    assert!(found.is_empty(), "the core reaches outside:\n{}", found.join("\n"));
}

/// The root of the workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace is there")
}

/// All files of Rust below this folder.
pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}
