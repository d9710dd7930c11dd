//! libFuzzer with one of the targets, which `COUNTERSIGN_FUZZ` names.
//!
//! With `COUNTERSIGN_FUZZ_UNPACK`, it first writes the corpus to that folder. With `COUNTERSIGN_FUZZ_PACK`, it only
//! replaces the checked-in corpus with the files in that folder.

#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use countersign_fuzz::{TARGETS, Target, corpus};
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let names = TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(" ");
    let wanted = std::env::var("COUNTERSIGN_FUZZ").unwrap_or_default();
    countersign_fuzz::target(&wanted).unwrap_or_else(|| {
        eprintln!("COUNTERSIGN_FUZZ names no target: use one of {names}");
        std::process::exit(2)
    })
});

fn prepare() {
    if let Some(folder) = std::env::var_os("COUNTERSIGN_FUZZ_PACK") {
        corpus::pack(&TARGET, Path::new(&folder)).expect("a folder that can be read");
        std::process::exit(0);
    }
    if let Some(folder) = std::env::var_os("COUNTERSIGN_FUZZ_UNPACK") {
        corpus::unpack(&TARGET, Path::new(&folder)).expect("a folder that can be written");
    }
}

fuzz_target!(init: prepare(), |data: &[u8]| (TARGET.run)(data));
