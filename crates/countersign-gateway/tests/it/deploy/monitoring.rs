//! The dashboard and the alert rules: what they name exists in a scrape.

use std::collections::BTreeSet;
use std::process::Command;

use super::{path, text};
use crate::common::{
    Answer, Backend, Delivery, Gateway, OTHER_SECRET, Running, Wire, delivery, finished, free_address, route, until,
};
use serde_json::Value;
use tokio::net::TcpStream;

/// Every expression of the dashboard, and the queries of its variables.
fn of_dashboard() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&text("monitoring/dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("a list").iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let variables = dashboard["templating"]["list"].as_array().expect("a list").iter();
    let queries = variables.filter_map(|variable| variable["query"]["query"].as_str());
    targets.filter_map(|target| target["expr"].as_str()).chain(queries).map(str::to_owned).collect()
}

/// Every expression of the alert rules.
fn of_alerts() -> Vec<String> {
    let rules: serde_yaml::Value = serde_yaml::from_str(&text("monitoring/alerts.yaml")).expect("YAML");
    let rules = rules["groups"][0]["rules"].as_sequence().expect("a list").clone();
    rules.iter().map(|rule| rule["expr"].as_str().expect("an expression").to_owned()).collect()
}

/// The metrics that are named in expressions.
fn metrics(expressions: &[String]) -> BTreeSet<&str> {
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let words = expressions.iter().flat_map(|text| text.split(move |char| !is_part(char)));
    words.filter(|word| word.starts_with("countersign_") || word.starts_with("process_")).collect()
}

/// The values that expressions select by this label, without those of the dashboard's variables.
fn values<'e>(expressions: &'e [String], label: &str) -> BTreeSet<&'e str> {
    let mut values = BTreeSet::new();
    for text in expressions {
        for (at, _) in text.match_indices(&format!("{label}=")) {
            let (_, rest) = text[at..].split_once('"').expect("a value");
            values.extend(rest.split_once('"').expect("its end").0.split('|').filter(|value| !value.starts_with('$')));
        }
    }
    values
}

#[tokio::test]
async fn every_metric_and_every_reason_that_is_named_exists() {
    let backend = Backend::answering([200, 500].map(Answer::Status)).await;
    let jwks = format!("jwks = {{ url = \"http://{}/keys\" }}\n", free_address());
    let secrets =
        "secrets = [{ env = \"TEST_SECRET\" }, { env = \"OTHER_SECRET\", expires_at = \"2020-01-01T00:00:00Z\" }]";
    let config = format!("[sources.test]\n{secrets}\n{jwks}{}", route(&backend, ""));
    let gateway = Gateway::start_with("max_connections = 4\nhead_timeout = \"1s\"", &config, &[]).await;
    for id in ["msg_1", "msg_2"] {
        gateway.send(&delivery(id, "{}"), Wire::Http1Length).await;
    }
    gateway.send(&Delivery::signed([OTHER_SECRET], 0, "msg_3", "{}"), Wire::Http1Length).await;
    until("a fetch has failed", async || gateway.metrics().await.contains("countersign_key_fetch_failures_total{"))
        .await;
    // Some are there only once there is something to count: connections that are turned away, and some that are closed.
    let mut held = Vec::new();
    until("a connection was turned away", async || {
        held.push(TcpStream::connect(gateway.address).await);
        gateway.metrics().await.contains("countersign_connections_turned_away_total{")
    })
    .await;
    until("a connection was closed", async || {
        gateway.metrics().await.contains("countersign_connections_closed_total{")
    })
    .await;
    let scrape = gateway.metrics().await;
    let declared = |name: &str| scrape.contains(&format!("# TYPE {name} "));
    let sampled = |name: &str| [' ', '{'].iter().any(|end| scrape.contains(&format!("\n{name}{end}")));
    let expressions = [of_dashboard(), of_alerts()].concat();
    let named = metrics(&expressions);
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        // A key set that was never fetched has no age.
        assert!(sampled(name) || declared(name), "{name} is not in {scrape}");
    }
    let documented =
        [text("../crates/countersign-gateway/README.md"), text("../crates/countersign-tower/src/lib.rs")].concat();
    for label in ["outcome", "reason"] {
        let values = values(&expressions, label);
        assert!(!values.is_empty());
        for value in values {
            let is_known =
                scrape.contains(&format!("{label}=\"{value}\"")) || documented.contains(&format!("`{value}`"));
            assert!(is_known, "{label}=\"{value}\" does not exist");
        }
    }
}

#[test]
fn prometheus_accepts_the_alert_rules() {
    if Command::new("promtool").arg("--version").output().is_err() {
        eprintln!("skipped: promtool is not installed");
        return;
    }
    let output = finished(Command::new("promtool").args(["check", "rules"]).arg(path("monitoring/alerts.yaml")));
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_panels_of_the_dashboard_do_not_overlap() {
    let dashboard: Value = serde_json::from_str(&text("monitoring/dashboard.json")).expect("JSON");
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("a list") {
        assert!(ids.insert(panel["id"].as_u64().expect("a number")), "{panel}");
        let place = |key: &str| panel["gridPos"][key].as_u64().expect("a number");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(x < 24 && taken.insert((x, y)), "{panel}");
            }
        }
    }
}
