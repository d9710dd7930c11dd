//! The unit of systemd.

use std::process::Command;

use super::{assert_is_good, replaced, seconds, stop_takes, text};
use crate::common::finished;

const UNIT: &str = "systemd/countersign-gateway.service";
/// The most points that `systemd-analyze security` may count, out of 100.
const EXPOSURE: &str = "--threshold=20";

#[test]
fn the_configuration_is_good_and_names_the_credential_of_the_unit() {
    let (unit, config) = (text(UNIT), text("gateway.toml"));
    assert!(unit.contains("LoadCredential=gemini:"));
    assert_is_good(&config, "/run/credentials/countersign-gateway.service", &[]);
    assert!(seconds(&unit, "TimeoutStopSec").expect("a limit") > stop_takes(&config));
}

#[test]
fn systemd_accepts_the_unit_and_finds_it_confined() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("skipped: systemd-analyze is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("countersign-gateway.service");
    let own = env!("CARGO_BIN_EXE_countersign-gateway");
    std::fs::write(&file, replaced(&text(UNIT), &[("/usr/bin/countersign-gateway", own)])).expect("a file");
    let output = finished(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&file));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // It also reports what is wrong with other units of the system.
    assert!(output.status.success() && !said.contains("countersign-gateway.service"), "{output:?}");
    let mut security = Command::new("systemd-analyze");
    let output = finished(security.args(["security", "--offline=true", "--no-pager", EXPOSURE]).arg(&file));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
