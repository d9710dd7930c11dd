//! The Debian package.

use std::path::Path;
use std::process::Command;

#[test]
fn every_file_of_the_package_exists() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = std::fs::read_to_string(own.join("Cargo.toml")).expect("a manifest");
    let manifest: toml::Table = manifest.parse().expect("TOML");
    let package = &manifest["package"]["metadata"]["deb"];
    let assets = package["assets"].as_array().expect("a list");
    let mut installed = Vec::new();
    for asset in assets {
        let source = asset["source"].as_str().expect("a file");
        // Cargo builds the binary.
        assert!(source.starts_with("target/release/") || own.join(source).is_file(), "{source}");
        installed.push(asset["dest"].as_str().expect("a place"));
    }
    for file in package["conf-files"].as_array().expect("a list") {
        let file = file.as_str().and_then(|file| file.strip_prefix('/')).expect("an absolute path");
        assert!(installed.contains(&file), "{file}");
    }
    let units = own.join(package["systemd-units"]["unit-scripts"].as_str().expect("a folder"));
    let unit = std::fs::read_to_string(units.join("countersign-gateway.service")).expect("a unit");
    for path in ["/usr/bin/countersign-gateway", "/etc/countersign/gateway.toml"] {
        assert!(unit.contains(path), "{path}");
        assert!(installed.iter().any(|place| path.starts_with(&format!("/{place}"))), "{path}");
    }
}

#[test]
fn the_scripts_of_the_package_have_a_place_for_what_the_unit_needs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/debian");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        let checked = Command::new("sh").arg("-n").arg(&path).output().expect("a shell");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        let text = std::fs::read_to_string(&path).expect("a script");
        assert!(text.starts_with("#!/bin/sh\nset -e\n") && text.ends_with("#DEBHELPER#\n"), "{}", path.display());
        names.push(path.file_name().expect("a name").to_string_lossy().into_owned());
    }
    names.sort();
    assert_eq!(names, ["postinst", "postrm", "prerm"]);
}
