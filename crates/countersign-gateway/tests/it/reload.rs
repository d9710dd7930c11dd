//! Reloading the configuration: the new one is served at once, what did not change goes on, and an error changes nothing.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::common::{
    BODY, Backend, Connection, Delivery, Gateway, InProcess, OTHER_SECRET, Publisher, Running, SECRET, SOURCE, Wire,
    delivery, keys, route, signed_by, soon, source, until,
};
use http::{Method, StatusCode};
use tokio::sync::watch;

const WIRE: Wire = Wire::Http1Length;

fn by_other(id: &str) -> Delivery {
    Delivery::signed([OTHER_SECRET], 0, id, "{}")
}

async fn reloads(gateway: &Gateway, result: &str) -> Option<f64> {
    gateway.metric(&format!("countersign_config_reloads_total{{result=\"{result}\"}}")).await
}

async fn last_reload(gateway: &Gateway) -> Option<f64> {
    gateway.metric("countersign_config_last_reload_successful").await
}

fn text(body: &[u8]) -> &str {
    std::str::from_utf8(body).expect("text")
}

#[tokio::test]
async fn a_signal_rotates_a_secret_on_open_connections_and_no_duplicate_is_forgotten() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend).await;
    let mut open = Vec::new();
    for wire in [Wire::Http1Length, Wire::Http2Length] {
        let mut connection = Connection::open(gateway.address, wire).await.expect("a connection");
        let reply = soon(connection.send(&delivery(&format!("msg_{wire:?}"), "{}"), wire)).await;
        assert_eq!(reply.expect("an answer").status, StatusCode::OK);
        open.push((wire, connection));
    }
    assert_eq!((reloads(&gateway, "success").await, last_reload(&gateway).await), (Some(0.0), Some(1.0)));
    gateway.edit(&[("TEST_SECRET", "OTHER_SECRET")]);
    gateway.signal("HUP");
    until("it has reloaded", async || reloads(&gateway, "success").await == Some(1.0)).await;

    for (n, (wire, mut connection)) in open.into_iter().enumerate() {
        let mut status =
            async |sent: &Delivery| soon(connection.send(sent, wire)).await.expect("the connection stays open").status;
        assert_eq!(status(&delivery(&format!("msg_{n}"), "{}")).await, StatusCode::UNAUTHORIZED);
        assert_eq!(status(&by_other(&format!("msg_{wire:?}"))).await, StatusCode::OK);
        assert_eq!(status(&by_other(&format!("msg_{n}"))).await, StatusCode::OK);
    }
    assert_eq!(backend.seen().len(), 4);
    assert_eq!((gateway.count("confirmed", "").await, gateway.count("duplicate", "").await), (4.0, 2.0));
    assert!(gateway.output().contains("the configuration was reloaded"), "{}", gateway.output());
}

#[tokio::test]
async fn a_delivery_in_progress_finishes_with_its_backend_and_keeps_its_claim() {
    let (old, tell) = Backend::holding().await;
    let new = Backend::start().await;
    let gateway = Gateway::before(&old).await;
    let address = gateway.address;
    let sending = tokio::spawn(async move { crate::common::send(address, &delivery("msg_1", "{}"), WIRE).await });
    old.has_seen(1).await;
    gateway.edit(&[(&old.address().to_string(), &new.address().to_string())]);
    assert_eq!(gateway.reload().await.status, StatusCode::OK);

    assert_eq!(gateway.figure("claims_held", "test").await, Some(1.0));
    assert_eq!(gateway.send(&delivery("msg_2", "{}"), WIRE).await.status, StatusCode::OK);
    assert_ne!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::OK);
    tell.send(200).expect("the backend still works on it");
    assert_eq!(soon(sending).await.expect("no panic").status, StatusCode::OK);
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::OK);
    assert_eq!((old.seen().len(), new.seen().len()), (1, 1));
    assert_eq!((gateway.count("confirmed", "").await, gateway.count("duplicate", "").await), (2.0, 1.0));
}

#[tokio::test]
async fn a_configuration_that_cannot_be_used_changes_nothing_and_says_why() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend).await;
    let good = "secrets = [{ env = \"TEST_SECRET\" }]";
    let mut failures = 0.0;
    for (bad, why) in [
        ("secrets = [{ env = \"TEST_SECRET\" }", "gateway.toml:"),
        ("secretz = [{ env = \"TEST_SECRET\" }]", "did you mean"),
        ("secrets = [{ env = \"MISSING_SECRET\" }]", "MISSING_SECRET"),
    ] {
        gateway.edit(&[(good, bad)]);
        let reply = gateway.reload().await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(text(&reply.body).contains(why), "{}", text(&reply.body));
        failures += 1.0;
        assert_eq!((reloads(&gateway, "failure").await, last_reload(&gateway).await), (Some(failures), Some(0.0)));
        let sent = delivery(&format!("msg_{failures}"), "{}");
        assert_eq!(gateway.send(&sent, WIRE).await.status, StatusCode::OK);
        gateway.edit(&[(bad, good)]);
    }
    gateway.edit(&[(good, "secretz = []")]);
    gateway.signal("HUP");
    until("it has failed again", async || reloads(&gateway, "failure").await == Some(failures + 1.0)).await;
    assert!(gateway.output().contains("the previous one stays in use: "), "{}", gateway.output());
    gateway.edit(&[("secretz = []", good)]);
    assert_eq!(gateway.reload().await.status, StatusCode::OK);
    assert_eq!((reloads(&gateway, "success").await, last_reload(&gateway).await), (Some(1.0), Some(1.0)));
}

/// Replaces a symbolic link at once, as Kubernetes does with the folder of a secret.
fn point(link: &Path, target: &str) {
    let new = link.with_extension("new");
    std::os::unix::fs::symlink(target, &new).expect("a link");
    std::fs::rename(new, link).expect("it replaces the other");
}

#[tokio::test]
async fn with_reload_on_change_a_replaced_secret_is_used_without_a_signal() {
    let backend = Backend::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    for (version, secret) in [("v1", SECRET), ("v2", OTHER_SECRET), ("wrong", "no secret")] {
        std::fs::create_dir(folder.path().join(version)).expect("a folder");
        std::fs::write(folder.path().join(version).join("secret"), secret).expect("a file");
    }
    let data = folder.path().join("data");
    point(&data, "v1");
    let source = format!("[sources.test]\nsecrets = [{{ file = \"{}\" }}]\n", data.join("secret").display());
    let config = [source, route(&backend, "")].concat();
    let gateway = Gateway::start_with("reload_on_change = true", &config, &["--log", "text"]).await;
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::OK);

    point(&data, "wrong");
    until("it was not reloaded", async || reloads(&gateway, "failure").await == Some(1.0)).await;
    assert_eq!(gateway.send(&delivery("msg_2", "{}"), WIRE).await.status, StatusCode::OK);
    point(&data, "v2");
    until("it was reloaded", async || reloads(&gateway, "success").await == Some(1.0)).await;
    assert_eq!(gateway.send(&delivery("msg_3", "{}"), WIRE).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(gateway.send(&by_other("msg_3"), WIRE).await.status, StatusCode::OK);

    gateway.edit(&[("path = \"/hook\"", "path = \"/moved\"")]);
    until("the configuration was reloaded", async || reloads(&gateway, "success").await == Some(2.0)).await;
    assert_eq!(gateway.send(&by_other("msg_4").to("/moved"), WIRE).await.status, StatusCode::OK);
    // The wrong file was read once.
    assert_eq!(reloads(&gateway, "failure").await, Some(1.0));
}

#[tokio::test]
async fn keys_that_need_a_restart_are_named() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend).await;
    gateway.edit(&[("[sources.test]", "threads = 3\nidle_timeout = \"60s\"\n[sources.test]")]);
    let reply = gateway.reload().await;
    assert_eq!(reply.status, StatusCode::OK);
    for warning in ["gateway.toml:5: `threads` has changed", "gateway.toml:6: `idle_timeout` has changed"] {
        assert!(text(&reply.body).contains(warning) && gateway.output().contains(warning), "{}", text(&reply.body));
    }
    assert_eq!(text(&reply.body).lines().count(), 3, "{}", text(&reply.body));
    // The memory for bodies is set aside once.
    gateway.edit(&[("[[routes]]", "[[routes]]\nbody_limit = \"300MiB\"")]);
    let reply = gateway.reload().await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(text(&reply.body).contains("lower it, or restart"), "{}", text(&reply.body));
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_source_that_forgets_its_ids_is_named() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend).await;
    gateway.send(&delivery("msg_1", "{}"), WIRE).await;
    gateway.edit(&[("[sources.test]", "[sources.test]\nreplay = { capacity = 500000 }")]);
    let reply = gateway.reload().await;
    assert!(text(&reply.body).contains("source `test` have changed"), "{}", text(&reply.body));
    assert_eq!(gateway.figure("ids_remembered", "test").await, Some(0.0));
}

#[tokio::test]
async fn sources_come_and_go() {
    let backend = Backend::start().await;
    let publisher = Publisher::start(keys(&[1])).await;
    let gateway = Gateway::before(&backend).await;
    let added = source("added", &publisher.entry(""), &backend);
    gateway.edit(&[(SOURCE, &[&added, SOURCE].concat())]);
    assert_eq!(gateway.reload().await.status, StatusCode::OK);
    // Its keys were fetched before it was served.
    assert_eq!(publisher.requests(), 1);
    let reply = gateway.send(&signed_by(1, "msg_1").to("/added"), WIRE).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", text(&reply.body));
    assert_eq!(backend.has_seen(1).await.body, BODY);
    gateway.edit(&[(&added, "")]);
    assert_eq!(gateway.reload().await.status, StatusCode::OK);
    assert_eq!(gateway.send(&signed_by(1, "msg_2").to("/added"), WIRE).await.status, StatusCode::NOT_FOUND);
    assert!(gateway.figure("claims_held", "added").await.is_none());

    // A publisher that is down does not take the other sources out of service.
    let down = added.replace(&format!(":{}/", publisher.port()), ":9/");
    gateway.edit(&[(SOURCE, &[&down, SOURCE].concat())]);
    assert_eq!(gateway.reload().await.status, StatusCode::OK);
    let ready = crate::common::get(gateway.admin, "/readyz").await.expect("an answer");
    assert_eq!(ready.status, StatusCode::OK);
    assert!(gateway.output().contains("localhost:9"), "{}", gateway.output());
}

/// Sends deliveries over one connection until it is told to stop, and returns their number.
async fn deliver(address: SocketAddr, wire: Wire, sender: usize, stopped: watch::Receiver<bool>) -> usize {
    let mut connection = Connection::open(address, wire).await.expect("a connection");
    let mut sent = 0;
    while !*stopped.borrow() {
        let reply = soon(connection.send(&delivery(&format!("msg_{sender}_{sent}"), "{}"), wire)).await;
        assert_eq!(reply.expect("the connection stays open").status, StatusCode::OK, "{wire:?} {sent}");
        sent += 1;
        // Leaves time for the reloads on a busy machine.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    sent
}

/// The configuration after this number of reloads: another upstream, another second secret, and routes and sources that
/// come and go.
fn configuration(number: usize, upstream: &Backend) -> String {
    use std::fmt::Write as _;
    let second = if number.is_multiple_of(2) { "" } else { ", { env = \"OTHER_SECRET\" }" };
    let mut config = format!("[sources.test]\nsecrets = [{{ env = \"TEST_SECRET\" }}{second}]\n");
    for n in 0..4 {
        // Their names come again, because counters of routes that are gone stay.
        let added = source(&format!("added_{}_{n}", number % 3), "secrets = [{ env = \"OTHER_SECRET\" }]\n", upstream);
        let _ = write!(config, "{added}");
    }
    config + &route(upstream, "")
}

#[tokio::test]
async fn a_hundred_reloads_under_load_fail_no_request_forget_no_id_and_take_no_memory() {
    let backends = [Backend::start().await, Backend::start().await];
    let mut current = configuration(0, &backends[0]);
    let gateway = Gateway::start(&current).await;
    let (stop, stopped) = watch::channel(false);
    let mut senders = tokio::task::JoinSet::new();
    for (sender, wire) in Wire::ALL.into_iter().enumerate() {
        senders.spawn(deliver(gateway.address, wire, sender, stopped.clone()));
    }
    let mut early = 0;
    for number in 1..=100 {
        let next = configuration(number, &backends[number % 2]);
        gateway.edit(&[(&current, &next)]);
        current = next;
        assert_eq!(gateway.reload().await.status, StatusCode::OK);
        let status = gateway.send(&by_other(&format!("other_{number}")), WIRE).await.status;
        let expected = if number.is_multiple_of(2) { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        assert_eq!(status, expected, "the secret is in use after reload {number}, and gone after the next");
        if number == 20 {
            early = gateway.resident();
        }
    }
    let late = gateway.resident();
    stop.send(true).expect("they still send");
    let sent = senders.join_all().await.into_iter().sum::<usize>();
    let [one, other] = backends.each_ref().map(|backend| backend.seen().len());
    assert!(one > 50 && other > 50, "{one}, {other}");
    // By the other secret, 50 were accepted.
    assert_eq!(one + other, sent + 50);
    assert_eq!(reloads(&gateway, "success").await, Some(100.0));
    let remembered = f64::from(u32::try_from(sent + 50).expect("few"));
    assert_eq!(gateway.figure("ids_remembered", "test").await, Some(remembered));
    let again = gateway.send(&delivery("msg_0_0", "{}"), WIRE).await;
    assert_eq!((again.status, again.outcome()), (StatusCode::OK, Some("duplicate")));
    assert!(!gateway.metrics().await.contains("source=\"added_0_"), "figures of sources that are gone");
    let growth = late.saturating_sub(early) / 1024;
    assert!(growth < 6 * 1024, "{growth} KiB more than {} KiB, after {sent} deliveries", early / 1024);
}

#[tokio::test]
async fn only_a_post_reloads_and_not_without_leave() {
    let backend = Backend::start().await;
    let gateway = InProcess::before(&backend);
    for (method, status) in [(Method::GET, 405), (Method::PUT, 405), (Method::POST, 403)] {
        assert_eq!(gateway.admin(method.clone(), "/-/reload").await.status, status, "{method}");
    }
}
