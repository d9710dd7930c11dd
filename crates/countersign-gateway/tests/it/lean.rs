//! A gateway that was built without the engines that need a server. `make features` runs this.

use std::fs;

use crate::common::{SOURCE, run};

#[test]
fn an_engine_that_was_not_built_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("url"), "redis://127.0.0.1:1").expect("a file");
    let rest = format!("{SOURCE}[[routes]]\npath = \"/\"\nsource = \"test\"\nupstream = [\"http://127.0.0.1:2\"]\n");
    for engine in ["redis", "postgres"] {
        let table = format!("[store]\nengine = \"{engine}\"\nurl = {{ file = \"url\" }}\n");
        let text = ["[server]\nlisten = [\"127.0.0.1:1\"]\n", &table, &rest].concat();
        for arguments in [&["--check"][..], &["--migrate"], &[]] {
            let output = run(folder.path(), &text, arguments);
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success(), "{engine} {arguments:?}");
            assert!(error.contains("gateway.toml:4:") && error.contains("built without the engine"), "{error}");
            assert!(error.contains("Cargo feature"), "{error}");
        }
    }
    let output = run(folder.path(), "", &["--migrate-sql"]);
    assert!(!output.status.success());
}
