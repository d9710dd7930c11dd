//! The configurations in the README and in the gateway's reference are valid, and its figures are those of the report.

use std::fs;
use std::path::Path;

use countersign_gateway::config::Config;

#[test]
fn documented_configurations_are_valid_and_raise_no_warning() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for page in ["README.md", "crates/countersign-gateway/README.md"] {
        let text = fs::read_to_string(root.join(page)).expect("a page");
        let (_, rest) = text.split_once("```toml\n").expect("a configuration");
        let (shown, _) = rest.split_once("```").expect("its end");
        // Optional keys are shown as comments, and have to be valid too.
        let uncommented = shown.replace("\n# ", "\n");
        for shown in [shown, &uncommented] {
            // Files stand in for the environment, which is shared by all tests.
            let folder = tempfile::tempdir().expect("a folder");
            let named = shown.replace("env = \"GEMINI_WEBHOOK_SECRET\"", "file = \"secret\"");
            assert_ne!(named, *shown, "{page} names a secret");
            fs::write(folder.path().join("secret"), "whsec_ZWRLvP0xlU2qvMeLqzFlN4QGHbsOADai\n").expect("a secret");
            fs::write(folder.path().join("gateway.toml"), named).expect("a configuration");

            let config = Config::load(&folder.path().join("gateway.toml")).expect("a valid configuration");
            assert_eq!(config.warnings, [], "{page}");
            assert_eq!((config.routes.len(), config.sources.len()), (1, 1), "{page}");
        }
    }
}

#[test]
fn the_figures_in_the_readme_are_those_of_the_last_full_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |page: &str| fs::read_to_string(root.join(page)).expect("a page");
    let (readme, report) = (read("README.md"), read("docs/src/benchmarks.md"));
    let (_, costs) = readme.split_once("\n## What it costs\n").expect("a chapter");
    let (costs, _) = costs.split_once("\n## ").expect("its end");
    let rows: Vec<_> = costs.lines().filter(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 10, "{rows:?}");
    for row in rows {
        assert!(report.lines().any(|line| line == row), "docs/src/benchmarks.md does not have this row: {row}");
    }
}
