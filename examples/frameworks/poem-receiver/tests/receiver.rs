//! Runs the receiver as a process, with the emulator as the sender.

use std::process::Command;

#[tokio::test]
async fn each_event_is_handled_once_despite_faults_and_retries() {
    let command = Command::new(env!("CARGO_BIN_EXE_poem-receiver"));
    receiving::check(command).await;
}
