//! Requests get their responses even if the log cannot be written, and unverified requests cannot fill it.

use std::cell::RefCell;
use std::fs::File;
use std::io::{PipeReader, Read, pipe};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::common::{
    Backend, Connection, Delivery, Gateway, OTHER_SECRET, Raw, Running, SECRET, SOURCE, Wire, binary, delivery, get,
    route, soon, until,
};
use countersign::UnixTime;
use countersign::clock::{Clock, SystemClock};
use serde_json::Value;

const DROPPED: &str = "countersign_log_lines_dropped_total";

/// A gateway whose standard output and error are pipes, and their readers.
async fn on_pipes(backend: &Backend) -> (Gateway, [PipeReader; 2]) {
    let readers = RefCell::new(Vec::new());
    let outputs = || {
        [(); 2].map(|()| {
            let (reader, writer) = pipe().expect("a pipe");
            readers.borrow_mut().push(reader);
            Stdio::from(writer)
        })
    };
    let gateway = Gateway::start_writing_to(outputs, &[SOURCE, &route(backend, "")].concat()).await;
    // The last two, because a start may have been repeated.
    let stderr = readers.borrow_mut().pop();
    let stdout = readers.borrow_mut().pop();
    (gateway, [stdout, stderr].map(|reader| reader.expect("two readers")))
}

/// Delivers this many messages with long log lines, and checks that each is accepted.
async fn deliver(gateway: &Gateway, run: &str, count: usize) {
    let senders = (0..8).map(|sender| {
        let (address, run) = (gateway.address, run.to_owned());
        tokio::spawn(async move {
            let mut connection = Connection::open(address, Wire::Http1Length).await.expect("a connection");
            for number in (sender..count).step_by(8) {
                let id = format!("{run}_{number}_{}", "x".repeat(220));
                let reply = soon(connection.send(&delivery(&id, "{}"), Wire::Http1Length)).await;
                assert_eq!(reply.expect("a response").status, 200, "{number}");
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.expect("each delivery has its response");
    }
}

async fn assert_answers(gateway: &Gateway) {
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(gateway.admin, path).await.expect("the admin listener responds").status, 200, "{path}");
    }
}

async fn assert_ends(gateway: &mut Gateway) {
    gateway.signal("TERM");
    let mut status = None;
    until("it ends", async || {
        status = gateway.ended();
        status.is_some()
    })
    .await;
    assert_eq!(status.expect("it has ended").code(), Some(0));
}

/// Sends the same request this many times, and waits for each response.
async fn flood(gateway: &Gateway, request: &[u8], count: usize) {
    let mut raw = Raw::open(gateway.address).await;
    let mut done = 0;
    while done < count {
        raw.write(request).await;
        match raw.answer().await {
            Some(_) => done += 1,
            // The gateway may close the connection after a rejection.
            None => raw = Raw::open(gateway.address).await,
        }
    }
}

async fn dropped(gateway: &Gateway) -> f64 {
    gateway.metric(DROPPED).await.expect("the metric is there from the start")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_hangs_holds_nothing_up_and_lines_flow_again_once_it_reads() {
    let backend = Backend::start().await;
    let (mut gateway, [mut stdout, _stderr]) = on_pipes(&backend).await;
    assert_eq!(gateway.metric(DROPPED).await, Some(0.0));
    deliver(&gateway, "hung", 3500).await;
    assert!(dropped(&gateway).await > 100.0);
    assert_answers(&gateway).await;

    let read_from = SystemClock.now();
    let text = Arc::new(Mutex::new(String::new()));
    let reading = {
        let text = Arc::clone(&text);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut bytes) {
                text.lock().expect("no panic").push_str(std::str::from_utf8(&bytes[..count]).expect("ASCII"));
            }
        })
    };
    let has = |words: &str| text.lock().expect("no panic").contains(words);
    until("the queue is read", async || has("log lines were dropped")).await;
    deliver(&gateway, "late", 1).await;
    until("lines flow again", async || has("late_0_")).await;
    assert_ends(&mut gateway).await;
    reading.join().expect("no panic");
    let text = text.lock().expect("no panic");
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("a whole line of JSON");
        if line["message_id"].as_str().is_some_and(|id| id.starts_with("hung")) {
            let at = line["timestamp"].as_str().expect("a time");
            let at = UnixTime::from(humantime::parse_rfc3339(at).expect("a time"));
            assert!(at <= read_from, "the time of the event, not of the writing");
        }
    }
    assert!(text.contains("\"stopped\""), "the last line is written, too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_hangs_does_not_hold_up_the_end() {
    let backend = Backend::start().await;
    let (mut gateway, readers) = on_pipes(&backend).await;
    deliver(&gateway, "m", 400).await;
    let started = SystemClock.instant();
    assert_ends(&mut gateway).await;
    assert!(SystemClock.instant().duration_since(started).as_secs() < 10);
    drop(readers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_pipes_and_full_disks_lose_lines_only() {
    let backend = Backend::start().await;
    let (gateway, readers) = on_pipes(&backend).await;
    drop(readers);
    let full = || [(); 2].map(|()| File::options().write(true).open("/dev/full").expect("/dev/full").into());
    let on_full = Gateway::start_writing_to(full, &[SOURCE, &route(&backend, "")].concat()).await;
    for (run, mut gateway) in [("pipe", gateway), ("full", on_full)] {
        deliver(&gateway, run, 300).await;
        until("the lines are counted", async || dropped(&gateway).await >= 300.0).await;
        gateway.signal("PIPE");
        assert_answers(&gateway).await;
        assert_ends(&mut gateway).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unverified_requests_are_logged_at_a_bounded_rate_and_all_are_accounted_for() {
    const EACH: usize = 400;
    let backend = Backend::start().await;
    let sources_and_routes = [SOURCE, &route(&backend, "")].concat();
    let mut gateway = Gateway::start_with("", &sources_and_routes, &["--log", "json"]).await;
    let started = SystemClock.instant();
    let forged = |id: &str| Delivery::signed([OTHER_SECRET], 0, id, "{}");
    let kinds = [
        ("no_route", forged("a").to("/elsewhere").bytes()),
        ("method_not_allowed", b"GET /hook HTTP/1.1\r\nhost: a\r\n\r\n".to_vec()),
        ("missing_header", forged("b").without("webhook-id").bytes()),
        ("signature_mismatch", forged("c").bytes()),
    ];
    for (_, request) in &kinds {
        flood(&gateway, request, EACH).await;
    }
    deliver(&gateway, "genuine", 40).await;
    let took = SystemClock.instant().duration_since(started);
    for (reason, _) in &kinds {
        let route = if *reason == "no_route" { "none" } else { "/hook" };
        let labels = format!("{{route=\"{route}\",outcome=\"refused\",reason=\"{reason}\"}}");
        let counted = gateway.metric(&format!("countersign_requests_total{labels}")).await;
        assert_eq!(counted, Some(400.0), "{reason}");
    }
    let suppressed = gateway.metric("countersign_log_lines_suppressed_total").await;
    // The remainder is reported at the end, if not before.
    assert_ends(&mut gateway).await;
    let output = gateway.output();
    let lines: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let mut left_out = 0;
    for (reason, _) in &kinds {
        let of_reason = || lines.iter().filter(|line| line["reason"] == *reason);
        let single = of_reason().filter(|line| line["message"] == "request").count();
        let summed: u64 = of_reason().filter_map(|line| line["suppressed"].as_u64()).sum();
        assert_eq!(single as u64 + summed, EACH as u64, "{reason}");
        assert!(single as u64 <= 11 + took.as_secs(), "{single} lines of {reason} in {took:?}");
        left_out += summed;
    }
    assert_eq!(suppressed, Some(f64::from(u32::try_from(left_out).expect("a few"))));
    let genuine = lines.iter().filter(|line| line["outcome"] == "confirmed").count();
    assert_eq!(genuine, 40, "each verified delivery has its line");
}

#[tokio::test]
async fn a_flood_that_has_stopped_is_reported_soon() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend).await;
    flood(&gateway, b"GET /hook HTTP/1.1\r\nhost: a\r\n\r\n", 100).await;
    until("the remainder is reported", async || gateway.output().contains("suppressed=")).await;
}

#[tokio::test]
async fn a_filter_that_names_no_level_leaves_the_default_and_says_so() {
    for value in ["", "verbose", "contersign_gateway=debug"] {
        let folder = tempfile::tempdir().expect("a folder");
        let config = [
            "[server]\nlisten = [\"127.0.0.1:18080\"]\n",
            SOURCE,
            "[[routes]]\npath = \"/hook\"\nsource = \"test\"\nupstream = [\"http://127.0.0.1:9\"]\n",
        ];
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, config.concat()).expect("a file");
        let output = binary(&file).arg("--check").env("RUST_LOG", value).output().expect("the binary runs");
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(text.contains(&format!("RUST_LOG={value:?} has a part that is no level")), "{text}");
        assert_eq!(output.status.code(), Some(0), "{text}");
    }
}

#[test]
fn what_is_printed_into_a_broken_pipe_changes_no_exit_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let (good, bad) = (folder.path().join("good.toml"), folder.path().join("bad.toml"));
    let config = format!(
        "[server]\nlisten = [\"127.0.0.1:18080\"]\n{SOURCE}[[routes]]\npath = \"/\"\nsource = \"test\"\nupstream = [\"http://a\"]\n"
    );
    std::fs::write(&good, &config).expect("a file");
    std::fs::write(&bad, "[server]").expect("a file");
    let check = |file| {
        let mut command = binary(file);
        command.arg("--check");
        command
    };
    let alone = |argument: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-gateway"));
        command.arg(argument);
        command
    };
    for (mut command, code) in
        [(check(&good), 0), (check(&bad), 1), (alone("--help"), 0), (alone("--version"), 0), (alone("--wrong"), 2)]
    {
        let [stdout, stderr] = [(); 2].map(|()| pipe().expect("a pipe").1);
        let status = command.stdout(stdout).stderr(stderr).env("TEST_SECRET", SECRET).status();
        assert_eq!(status.expect("the binary runs").code(), Some(code), "{command:?}");
    }
}
