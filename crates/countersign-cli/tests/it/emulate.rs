//! `emulate`, running: its options reach the emulator.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use countersign_test::process::Process;
use serde_json::Value;

use crate::common::{command, run};

/// A running emulator.
pub(crate) struct Emulating {
    base_url: String,
    introduction: String,
    _process: Process,
}

impl Emulating {
    fn start(args: &[&str]) -> Self {
        let mut command = command();
        command.args(["emulate", "--listen", "127.0.0.1:0", "--seed", "7"]).args(args);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it runs");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let process = Process::from(child);
        let mut introduction = String::new();
        // The line `look` is the last one.
        while !introduction.contains("  look ") {
            introduction += &(lines.next().expect("another line").expect("text") + "\n");
        }
        let base_url = introduction.split("base URL  ").nth(1).and_then(|rest| rest.split(' ').next());
        Self { base_url: base_url.expect("an address").to_owned(), introduction, _process: process }
    }

    fn overview(&self) -> Value {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let client = countersign_client::Client::builder().build();
        let request = http::Request::get(format!("{}/_emulator", self.base_url));
        let request = request.body(bytes::Bytes::new()).expect("a request");
        let body = async { client.send(request).await?.into_body().bytes().await };
        serde_json::from_slice(&runtime.block_on(body).expect("a response")).expect("JSON")
    }
}

#[test]
fn quirks_are_switched_on_by_name() {
    let emulating = Emulating::start(&["--quirks", "prefixed_ids,empty_times"]);
    assert_eq!(emulating.overview()["quirks"], serde_json::json!(["empty_times", "prefixed_ids"]));
    assert_eq!(Emulating::start(&[]).overview()["quirks"], serde_json::json!([]));

    let ran = run(["emulate", "--quirks", "empty_time"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    for quirk in countersign_emulator::Quirk::ALL {
        assert!(ran.stderr.contains(quirk.as_str()), "{quirk} is not offered: {ran:?}");
        let help = run(["emulate", "--help"]);
        assert!(help.stdout.contains(quirk.as_str()), "{quirk} is not in the help: {help:?}");
    }
}

#[test]
fn a_preset_decides_sender_secret_and_schedule() {
    let emulating = Emulating::start(&["--preset", "supabase", "--webhook", "http://127.0.0.1:9/hook"]);
    assert_eq!(emulating.overview()["sender"], "supabase");
    assert!(emulating.introduction.contains("\n  secret    v1,whsec_"), "{}", emulating.introduction);
    assert!(emulating.introduction.contains("send_email"), "{}", emulating.introduction);

    let plan = run(["emulate", "--preset", "svix", "--print-schedule"]).stdout;
    let last = plan.lines().nth(8).expect("eight attempts").split_whitespace().collect::<Vec<_>>();
    assert_eq!(last[..4], ["8", "1day", "3h", "35m"], "{plan}");
    let ran = run(["emulate", "--preset", "nobody"]);
    assert!(ran.code == 2 && ran.stderr.contains("replicate"), "{ran:?}");
}
