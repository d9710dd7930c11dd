//! Configurations that cannot be read, and addresses that cannot be listened on.

use std::net::TcpListener;
use std::process::Command;

use super::{change, folder, text_of};

use crate::common::{finished, free_address, run};

#[test]
fn a_file_that_is_not_there_or_not_text_is_said_so() {
    let folder = folder();
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-gateway"));
    let text = text_of(&finished(command.arg("--config").arg(folder.path().join("none.toml"))), 1);
    assert!(text.contains("none.toml: cannot be read"), "{text}");
    std::fs::write(folder.path().join("binary.toml"), [0xff, 0xfe]).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-gateway"));
    let text = text_of(&finished(command.arg("--config").arg(folder.path().join("binary.toml"))), 1);
    assert!(text.contains("binary.toml: cannot be read"), "{text}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-gateway"));
    assert!(text_of(&finished(&mut command), 2).contains("--config"));
}

#[test]
fn an_address_that_is_taken_is_named() {
    let folder = folder();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = listener.local_addr().expect("a bound listener").to_string();
    for (key, other) in [("127.0.0.1:18080", "127.0.0.1:19901"), ("127.0.0.1:19901", "127.0.0.1:18080")] {
        let config = change(key, &taken).replacen(other, &free_address().to_string(), 1);
        let text = text_of(&run(folder.path(), &config, &[]), 1);
        assert!(text.contains(&format!("cannot listen on {taken}")), "{text}");
    }
}
