//! What the README shows is what there is.

use std::fs;
use std::path::Path;

use countersign_gateway::config::Config;

#[test]
fn the_configuration_in_the_readme_is_good() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(root.join("README.md")).expect("a README");
    let (_, rest) = readme.split_once("```toml\n").expect("a configuration");
    let (shown, _) = rest.split_once("```").expect("its end");
    // Files stand in for the environment, which is shared by all tests.
    let folder = tempfile::tempdir().expect("a folder");
    let named = shown.replace("env = \"GEMINI_WEBHOOK_SECRET\"", "file = \"secret\"");
    assert_ne!(named, shown, "the README names a secret");
    fs::write(folder.path().join("secret"), "whsec_ZWRLvP0xlU2qvMeLqzFlN4QGHbsOADai\n").expect("a secret");
    fs::write(folder.path().join("gateway.toml"), named).expect("a configuration");

    let config = Config::load(&folder.path().join("gateway.toml")).expect("the README's configuration is good");
    assert_eq!(config.warnings, []);
    assert_eq!((config.routes.len(), config.sources.len()), (1, 1));
}
