//! The table of `docs/src/explain.md`: every kind of mistake with its finding, and how long the search takes.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::mistakes::BODY_MISTAKES;
use super::other_mistakes::{ALONE, HEAD_MISTAKES, SECRET_MISTAKES, SENDER_MISTAKES};
use super::{BODIES, Budget, Case, Found, KEY, case, describe, search, secret, signed_head};

const LARGE: usize = 1 << 20;
/// The longest search that a user should wait for.
const PATIENCE: Duration = Duration::from_secs(2);

/// A mistake, and a case of it.
struct Row {
    part: &'static str,
    name: &'static str,
    code: &'static str,
    case: Case,
    /// Whether it is found together with others.
    pairs: &'static str,
    /// The same with a body of 1 MiB, if it is a mistake with the body.
    large: Option<Case>,
}

fn rows() -> Vec<Row> {
    let large: Vec<_> = BODIES.iter().map(|body| enlarged(body)).collect();
    let body_case = |signed: &str, apply: fn(&[u8]) -> Option<Vec<u8>>| {
        let captured = apply(signed.as_bytes()).filter(|captured| captured != signed.as_bytes())?;
        Some(case(&secret(KEY), &signed_head(KEY, signed.as_bytes()), &captured))
    };
    let bodies = BODY_MISTAKES.iter().map(|mistake| Row {
        part: "body",
        name: mistake.name,
        code: mistake.code,
        case: BODIES.iter().find_map(|body| body_case(body, mistake.apply)).expect("a body for each mistake"),
        pairs: if mistake.combines { "yes" } else { "no" },
        large: large.iter().find_map(|body| body_case(body, mistake.apply)),
    });
    let signed = BODIES[0].as_bytes();
    let senders = SENDER_MISTAKES.iter().map(|(name, code, instead)| Row {
        part: "signed",
        name,
        code,
        case: case(&secret(KEY), &signed_head(KEY, &instead(BODIES[1].as_bytes())), BODIES[1].as_bytes()),
        pairs: "no",
        large: None,
    });
    let secrets = SECRET_MISTAKES.iter().map(|(name, code, configured)| {
        let (configured, key) = configured(KEY);
        let pairs = if ALONE.contains(name) { "no" } else { "yes" };
        let case = case(&configured, &signed_head(&key, signed), signed);
        Row { part: "secret", name, code, case, pairs, large: None }
    });
    let heads = HEAD_MISTAKES.iter().map(|(name, code, spoil)| {
        let mut head = signed_head(KEY, signed);
        spoil(&mut head);
        Row { part: "headers", name, code, case: case(&secret(KEY), &head, signed), pairs: "yes", large: None }
    });
    bodies.chain(senders).chain(secrets).chain(heads).collect()
}

/// The body with a member that makes it 1 MiB long, written as its others are.
fn enlarged(body: &str) -> String {
    match body.strip_suffix("\n}") {
        Some(members) => format!("{members},\n  \"pad\" : \"{}\"\n}}", "x".repeat(LARGE)),
        None => format!("{},\"pad\":[{}]}}", &body[..body.len() - 1], pad()),
    }
}

fn pad() -> String {
    let event = r#"{"id":"evt_1","name":"a name of some length","amount":1250,"tags":["a","b"]}"#;
    vec![event; LARGE / event.len()].join(",")
}

/// The columns that are the same on every machine.
fn stable(row: &Row) -> String {
    let budget = Budget::default();
    let found = search(&row.case, &budget);
    let is_found = matches!(&found, Found::Proved(findings) if findings.iter().any(|one| one.code == row.code));
    assert!(is_found, "{}: {}", row.name, describe(&found));
    format!("| {} | {} | `{}` | {} | {} |", row.part, row.name, row.code, row.pairs, rounded(budget.trials()))
}

/// To three digits: how often a body can be compressed differently depends on the library that cargo's features choose.
fn rounded(trials: u64) -> u64 {
    let unit = 10_u64.pow(trials.checked_ilog10().unwrap_or_default().saturating_sub(2));
    (trials + unit / 2) / unit * unit
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/explain.md")
}

const COMMAND: &str = "cargo test --release -p countersign-explain --all-features --lib -- --ignored write_the_table";

#[test]
fn the_table_of_the_documentation_has_every_mistake() {
    let written = std::fs::read_to_string(path()).expect("docs/src/explain.md");
    let lines: Vec<_> = written.lines().filter(|line| line.contains("| `")).collect();
    let rows = rows();
    assert_eq!(lines.len(), rows.len(), "write it again: {COMMAND}");
    for (line, row) in lines.iter().zip(&rows) {
        let row = stable(row);
        assert!(line.starts_with(&row), "write it again: {COMMAND}\nwritten: {line}\nis:      {row}");
    }
}

#[test]
fn a_search_in_a_large_body_ends_with_its_budget() {
    let large = format!("{{\"type\":\"a.b\",\"pad\":[{}]}}", pad());
    let budget = Budget::default();
    let found = search(&case(&secret(KEY), &signed_head(KEY, b"another body"), large.as_bytes()), &budget);
    assert!(matches!(found, Found::Nothing), "{}", describe(&found));
    let (spent, limit) = budget.spent();
    assert!(budget.is_cut() && spent < limit + limit / 10, "{spent} of {limit}");
}

#[test]
#[ignore = "it measures, and writes docs/src/explain.md"]
fn write_the_table() {
    let timed = |case: &Case| {
        let (began, budget) = (on_cpu(), Budget::default());
        let found = search(case, &budget);
        (on_cpu().saturating_sub(began), matches!(found, Found::Proved(_)))
    };
    let profile = if cfg!(debug_assertions) { "development" } else { "release" };
    assert_eq!(profile, "release", "{COMMAND}");
    let (mut table, mut slowest, mut missed, mut large_count) = (String::new(), Duration::ZERO, 0, 0);
    let shown = |took: Duration| {
        if took.as_millis() < 10 {
            format!("{:.1} ms", took.as_secs_f64() * 1e3)
        } else {
            format!("{} ms", took.as_millis())
        }
    };
    for row in rows() {
        let (took, _) = timed(&row.case);
        let large = row.large.as_ref().map(timed);
        let large = large.map_or_else(
            || " ".to_owned(),
            |(took, is_found)| {
                slowest = slowest.max(took);
                large_count += 1;
                missed += usize::from(!is_found);
                format!("{}{}", shown(took), if is_found { "" } else { ", not found" })
            },
        );
        let _ = writeln!(table, "{} {} | {large} |", stable(&row), shown(took));
    }
    let (nothing, _) = timed(&rows()[0].large.as_ref().map(wrong_key).expect("a large body"));
    let text = format!(
        "# What `explain` finds\n\n\
         Each row is a mistake that the tests apply to an authentic delivery, and the finding that proves it: the signature \
         matches once the mistake is undone. *Trials* is how many signatures were computed until then, to three digits. It is the same on every \
         machine. The times are CPU time of one core of the machine that wrote this page, in a release build: for a body of a few \
         hundred bytes, and for one of 1 MiB. On another machine, compare the times with each other, not with a clock. The search \
         counts its work, not its time, and ends when its budget is used up: it finds the same mistakes on a slow machine.\n\n\
         The slowest search in a body of 1 MiB took {}, and one that finds nothing {}. {missed} of the {large_count} mistakes with \
         such a body were not found within the budget: what they have lost has too many forms to try all of them in a body of this \
         size.\n\n\
         *Pairs* says whether a mistake is found together with another one. The tests try every two of the body, every one of the \
         body with each one of the secret and of the headers, and every one of the secret with each one of the headers, unless one of \
         the two has a `no`. Two mistakes that both write JSON again count as one. Mistakes with a `no` are found alone: guessing what \
         was lost takes most of the budget. Ten thousand random secrets and bodies are tried as well, of which none may be \
         \"certain\".\n\n\
         Where no proof is possible, a finding is \"likely\" and says why: a body that was cut off, converted to XML or YAML, changed \
         to capitals, or printed with sorted names or for people to read.\n\n\
         This page is written by `{COMMAND}`, and compared with the code in the tests, without its times.\n\n\
         | part | mistake | finding | pairs | trials | time | 1 MiB |\n| --- | --- | --- | --- | ---: | ---: | ---: |\n{table}",
        shown(slowest),
        shown(nothing),
    );
    std::fs::write(path(), text).expect("it can be written");
    assert!(slowest < PATIENCE && nothing < PATIENCE, "too slow: {slowest:?}, {nothing:?}");
}

/// How long this thread has run: other work on the machine does not count.
fn on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("it is Linux");
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("nanoseconds"))
}

/// The same request, signed with another key.
fn wrong_key(known: &Case) -> Case {
    case(&secret(KEY), &signed_head(&[9; 32], b"another body"), &known.capture.body)
}
