//! `bench`, against `listen`.

use std::net::TcpListener;

use crate::common::listening::Listening;
use crate::common::{OTHER_SECRET, SECRET, run};
use countersign_test::process::free_address;

fn bench(url: &str, secret: &str, args: &[&str]) -> crate::common::Ran {
    run(["bench", url, "--event", "batch.succeeded", "--secret", secret].into_iter().chain(args.iter().copied()))
}

#[test]
fn every_request_is_another_verified_message() {
    let listening = Listening::start(&["--json"]);
    let url = format!("http://{}/", listening.address);
    for args in [&["--concurrency", "2"][..], &["--rate", "1000", "--concurrency", "1"]] {
        let ran = bench(&url, SECRET, &[args, &["--requests", "5", "--json"]].concat());
        let result = ran.json();
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!((&result["requests"], &result["outcomes"][0]["status"]), (&5.into(), &200.into()), "{result}");
        assert_eq!(result["outcomes"].as_array().map(Vec::len), Some(1), "{result}");
        assert_eq!(result["rate"].is_null(), !args.contains(&"--rate"), "{result}");
        assert!(result["latency_ms"]["p50"].as_f64() <= result["latency_ms"]["max"].as_f64(), "{result}");
    }
    let first: serde_json::Value = serde_json::from_str(&listening.line()).expect("JSON");
    let second: serde_json::Value = serde_json::from_str(&listening.line()).expect("JSON");
    assert_ne!(first["verification"]["message_id"], second["verification"]["message_id"]);
}

#[test]
fn rejections_are_counted_by_reason() {
    let listening = Listening::start(&[]);
    let ran = bench(&format!("http://{}/x", listening.address), OTHER_SECRET, &["--requests", "3"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains(": 3 requests in ") && ran.stdout.contains("latency   p50 "), "{ran:?}");
    assert!(ran.stdout.ends_with("outcomes\n        3  401 signature_mismatch\n"), "{ran:?}");
    assert_eq!(ran.stderr, "", "nothing is shown where it cannot be overwritten");
}

#[test]
fn an_endpoint_that_is_down_or_silent_is_no_response() {
    let ran = bench(&format!("http://{}/", free_address()), SECRET, &["--requests", "2"]);
    assert_eq!((ran.code, ran.stdout.contains("        2  no response: cannot connect")), (1, true), "{ran:?}");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let url = format!("http://{}/", silent.local_addr().expect("an address"));
    let ran = bench(&url, SECRET, &["--requests", "1", "--timeout", "100ms"]);
    assert_eq!((ran.code, ran.stdout.contains("no response: no response within 100ms")), (1, true), "{ran:?}");
}

#[test]
fn a_run_without_a_number_ends_by_its_duration() {
    let listening = Listening::start(&[]);
    let url = format!("http://{}/", listening.address);
    let ran = bench(&url, SECRET, &["--duration", "1s", "--json"]);
    assert_eq!((ran.code, ran.json()["requests"].as_u64() > Some(0)), (0, true), "{ran:?}");
    let ran = bench(&url, SECRET, &["--rate", "10", "--duration", "250ms", "--json"]);
    assert_eq!(ran.json()["requests"], 3, "at 0, 100 and 200 ms: {ran:?}");
}

#[test]
fn what_cannot_be_sent_is_a_usage_error() {
    for (args, expected) in [
        (&["--rate", "0"][..], "write a number of requests per second"),
        (&["--concurrency", "0"], "0 is not in"),
        (&["--requests", "0"], "0 is not in"),
    ] {
        let ran = bench("http://127.0.0.1:1/", SECRET, args);
        assert_eq!((ran.code, ran.stderr.contains(expected)), (2, true), "{args:?}: {ran:?}");
    }
}
