//! Requests whose framing or whose head two parsers could read differently: `tests/data/http1.json`.
//!
//! Each case is sent on a connection of its own. `$HEAD` is the head of an authentic delivery of `{}` without framing,
//! and `$NEXT` a whole authentic delivery, which must be a request or a part of one, but never both.

use serde::Deserialize;
use tokio::task::JoinSet;

use crate::common::{Backend, Gateway, SOURCE, delivery, raw_answers, route};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    send: String,
    /// The statuses of all responses before the connection ends, or nothing more is sent.
    statuses: Vec<u16>,
    /// Which deliveries reach the backend: `outer`, `next`, or both.
    forwarded: Vec<String>,
}

/// The bytes of a case.
fn bytes(case: &Case, number: usize) -> Vec<u8> {
    let head = delivery(&format!("outer_{number}"), "{}").head();
    let next = String::from_utf8(delivery(&format!("next_{number}"), "{}").bytes()).expect("ASCII");
    let line = "POST /hook HTTP/1.1\r\n";
    let text = [
        ("$HEADLF", head.replace("\r\n", "\n")),
        ("$HEADABS", head.replacen(line, "POST http://other.example.com/hook HTTP/1.1\r\n", 1)),
        ("$HEAD10", head.replacen(line, "POST /hook HTTP/1.0\r\n", 1)),
        ("$HEAD12", head.replacen(line, "POST /hook HTTP/1.2\r\n", 1)),
        ("$HEAD", head.clone()),
        ("$LEN(next)", next.len().to_string()),
        ("$LEN(next+5)", (next.len() + 5).to_string()),
        ("$HEX(next)", format!("{:x}", next.len())),
        ("$FILL(20000)", "a".repeat(20_000)),
        ("$NEXT", next),
    ]
    .into_iter()
    .fold(case.send.clone(), |text, (name, value)| text.replace(name, &value));
    assert!(!text.contains('$'), "{text}");
    text.into_bytes()
}

#[tokio::test]
async fn what_two_parsers_could_read_differently_is_read_in_one_way() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../data/http1.json")).expect("cases");
    for accelerate in [true, false] {
        let backend = Backend::start().await;
        let server = format!("accelerate = {accelerate}");
        let gateway =
            Gateway::start_with(&server, &[SOURCE, &route(&backend, "body_timeout = \"1s\"")].concat(), &[]).await;
        let mut running = JoinSet::new();
        for (number, case) in cases.iter().cloned().enumerate() {
            let (address, bytes) = (gateway.address, bytes(&case, number));
            running.spawn(async move { (number, case, raw_answers(address, bytes).await) });
        }
        let mut wrong = Vec::new();
        for (number, case, statuses) in running.join_all().await {
            let seen = backend.seen();
            let has_seen = |which: &&str| seen.iter().any(|seen| seen.id() == format!("{which}_{number}"));
            let forwarded: Vec<_> = ["outer", "next"].into_iter().filter(|which| has_seen(which)).collect();
            if statuses != case.statuses || forwarded != case.forwarded {
                wrong.push(format!(
                    "{}: {statuses:?} and {forwarded:?} instead of {:?} and {:?}",
                    case.name, case.statuses, case.forwarded
                ));
            }
        }
        assert!(wrong.is_empty(), "accelerate = {accelerate}:\n{}", wrong.join("\n"));
        let ids: Vec<_> = backend.seen().iter().map(|seen| seen.id().to_owned()).collect();
        assert_eq!(ids.len(), cases.iter().map(|case| case.forwarded.len()).sum::<usize>(), "{ids:?}");
        assert!(backend.seen().iter().all(|seen| seen.body == "{}"));
    }
}
