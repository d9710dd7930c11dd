//! Whose types stand in the public API of `countersign-tower`: what they promise, we promise.
//!
//! This walks rustdoc's JSON itself, because `cargo-check-external-types` needs a nightly toolchain of the months in
//! which its version of that unstable format was current. The tests run on the stable toolchain only, and this one reads
//! four fields of the format.

#![expect(clippy::expect_used, reason = "what a test cannot do is its failure")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// A user has all of these anyway, and a new major version of one of them is one of ours.
const OURS_TO_SHOW: [&str; 5] = ["bytes", "http", "http_body", "tower_layer", "tower_service"];
/// The standard library's, and our own core.
const NO_THIRD_PARTY: [&str; 4] = ["alloc", "core", "countersign", "std"];

#[test]
fn the_layer_shows_no_types_of_others_than_it_says() {
    let shown = shown(&described());
    for (name, items) in &shown {
        let known = OURS_TO_SHOW.contains(&name.as_str()) || NO_THIRD_PARTY.contains(&name.as_str());
        assert!(known, "types of {name} stand in the public API: {items:?}");
    }
    // If the description has another form some day, this test shall not pass for seeing nothing.
    let unseen: Vec<_> = OURS_TO_SHOW.into_iter().filter(|name| !shown.contains_key(*name)).collect();
    assert!(unseen.is_empty(), "no types of {unseen:?} were found: they are gone, or this test is blind");
}

/// What rustdoc says of the crate without features, as JSON.
fn described() -> Value {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["rustdoc", "--locked", "--package=countersign-tower", "--lib"])
        .args(["--", "-Z", "unstable-options", "--output-format", "json"])
        .env("RUSTDOC", here.join("it/public_api/rustdoc"))
        .env("CARGO_TARGET_DIR", target())
        // What is an error elsewhere is none here.
        .env_remove("RUSTDOCFLAGS")
        .current_dir(here)
        .output()
        .expect("cargo rustdoc runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(target().join("doc/countersign_tower.json")).expect("the crate as JSON");
    serde_json::from_str(&text).expect("it is JSON")
}

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it lies in the target directory")
}

/// The crates whose types and traits the API names, and by which items.
fn shown(description: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut shown = BTreeMap::<_, BTreeSet<_>>::new();
    for item in description["index"].as_object().expect("an index of items").values() {
        if item["crate_id"] != 0 || is_made_by_compiler_or_macro(item) {
            continue;
        }
        let mut ids = BTreeSet::new();
        collect_ids(&item["inner"], &mut ids);
        let inner = &item["inner"];
        let names = [&item["name"], &inner["use"]["name"], &inner["impl"]["for"]["resolved_path"]["path"]];
        let name = names.into_iter().find_map(Value::as_str);
        for id in ids {
            let of = &description["paths"][id.to_string()]["crate_id"];
            let of = &description["external_crates"][of.to_string()]["name"];
            if let Some(of) = of.as_str() {
                shown.entry(of.to_owned()).or_default().insert(name.unwrap_or("?").to_owned());
            }
        }
    }
    shown
}

/// Automatic and blanket implementations. `Unpin` is written by pin-project-lite, which names itself there.
fn is_made_by_compiler_or_macro(item: &Value) -> bool {
    let written = &item["inner"]["impl"];
    written["is_synthetic"] == true || written["blanket_impl"].is_object() || written["trait"]["path"] == "Unpin"
}

/// Whatever is named has an `id`: a type, a trait, what is exported again.
fn collect_ids(value: &Value, ids: &mut BTreeSet<u64>) {
    match value {
        Value::Object(fields) => {
            ids.extend(fields.get("id").and_then(Value::as_u64));
            fields.values().for_each(|field| collect_ids(field, ids));
        }
        Value::Array(values) => values.iter().for_each(|value| collect_ids(value, ids)),
        _ => {}
    }
}
