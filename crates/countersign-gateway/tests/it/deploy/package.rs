//! The Debian package.

use std::path::Path;

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
