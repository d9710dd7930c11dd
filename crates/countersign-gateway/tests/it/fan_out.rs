//! `[[routes.destinations]]`: a message is stored once and delivered to each destination that it matches.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{
    Answer, Backend, Gateway, Running, SOURCE, Wire, command, delivery, free_address, get, route, until,
};

const WIRE: Wire = Wire::Http1Length;
const STORE: &str = "[store]\nengine = \"sqlite\"\npath = \"store.db\"\n";
const INBOX: &str = "delivery = \"inbox\"\nredelivery = { first = \"20ms\", max = \"50ms\" }\n";

/// A route to these destinations: the name and the backend of each, with more keys.
fn routes(more: &str, destinations: &[(&str, &Backend, &str)]) -> String {
    let mut text = format!("{STORE}{SOURCE}[[routes]]\npath = \"/hook\"\nsource = \"test\"\n{INBOX}{more}\n");
    for (name, backend, keys) in destinations {
        text += &destination(name, backend, keys);
    }
    text
}

fn destination(name: &str, backend: &Backend, keys: &str) -> String {
    let address = backend.address();
    format!("[[routes.destinations]]\nname = \"{name}\"\nupstream = [\"http://{address}\"]\n{keys}\n")
}

async fn ask(gateway: &Gateway, method: Method, path: &str) -> Value {
    let reply = command(gateway.admin, method, path, None).await;
    assert_eq!(reply.status, StatusCode::OK, "{path}");
    serde_json::from_slice(&reply.body).expect("JSON")
}

async fn count(gateway: &Gateway, query: &str) -> usize {
    let page = ask(gateway, Method::GET, &format!("/-/inbox/deliveries?{query}")).await;
    page["deliveries"].as_array().expect("a list").len()
}

async fn gauge(gateway: &Gateway, name: &str, labels: &str) -> Option<f64> {
    gateway.metric(&format!("countersign_inbox_{name}{{{labels}}}")).await
}

fn ids(backend: &Backend) -> BTreeSet<String> {
    backend.seen().iter().map(|seen| seen.id().to_owned()).collect()
}

#[tokio::test]
async fn each_destination_gets_what_it_matches_as_in_direct_mode() {
    let [all, nightly, plain] = [Backend::start().await, Backend::start().await, Backend::start().await];
    let nightly_keys =
        "events = [\"batch.*\"]\nmetadata = { job_group = \"nightly-*\" }\nset_headers = { x-own = \"1\" }";
    let destinations = [("all", &all, "events = [\"batch.*\", \"video.*\"]"), ("nightly", &nightly, nightly_keys)];
    let gateway = Gateway::start(&routes("set_headers = { x-own = \"0\" }", &destinations)).await;
    let direct = Gateway::start(&[SOURCE, &route(&plain, "set_headers = { x-own = \"0\" }")].concat()).await;
    let body = r#"{"type":"batch.failed","data":{"userMetadata":{"job_group":"nightly-eu"}}}"#;
    let sent = delivery("msg_1", body).add("x-tag", "one");
    assert_eq!(direct.send(&sent, WIRE).await.status, StatusCode::OK);
    assert_eq!(gateway.send(&sent, WIRE).await.status, StatusCode::ACCEPTED);
    assert_eq!(gateway.send(&sent, WIRE).await.status, StatusCode::OK);
    let expected = plain.has_seen(1).await;
    for (backend, own) in [(&all, "0"), (&nightly, "1")] {
        let seen = backend.has_seen(1).await;
        assert_eq!((&seen.body, seen.header("x-own")), (&expected.body, Some(own)));
        assert_eq!(seen.header("countersign-attempt"), Some("1"));
        for name in ["x-tag", "webhook-id", "webhook-signature", "countersign-verdict", "countersign-event-type"] {
            assert_eq!(seen.header(name), expected.header(name), "{name}");
        }
    }
    let other = delivery("msg_2", r#"{"type":"video.generated"}"#);
    assert_eq!(gateway.send(&other, WIRE).await.status, StatusCode::ACCEPTED);
    all.has_seen(2).await;
    until("all are done", async || count(&gateway, "state=done").await == 3).await;
    assert_eq!((all.seen().len(), nightly.seen().len()), (2, 1));
    assert_eq!(gateway.metric("countersign_store_messages").await, Some(2.0));
}

#[tokio::test]
async fn an_unmatched_message_is_kept_until_there_is_a_destination_for_it() {
    let [batch, video] = [Backend::start().await, Backend::start().await];
    let gateway = Gateway::start(&routes("", &[("batch", &batch, "events = [\"batch.*\"]")])).await;
    let sent = delivery("msg_1", r#"{"type":"video.generated"}"#);
    assert_eq!(gateway.send(&sent, WIRE).await.status, StatusCode::ACCEPTED);
    let unmatched = "destination=unmatched:/hook";
    until("it is a dead letter", async || count(&gateway, &format!("state=dead&{unmatched}")).await == 1).await;
    assert_eq!(gauge(&gateway, "deliveries", "destination=\"unmatched:/hook\",state=\"dead\"").await, Some(1.0));
    // Delivered again, it has no destination still.
    let redeliver = format!("/-/inbox/redeliver?{unmatched}");
    assert_eq!(ask(&gateway, Method::POST, &redeliver).await["redelivered"], 1);
    until("it is dead again", async || count(&gateway, &format!("state=dead&{unmatched}")).await == 1).await;
    let added = destination("video", &video, "events = [\"video.*\"]");
    gateway.edit(&[("events = [\"batch.*\"]\n", &format!("events = [\"batch.*\"]\n{added}"))]);
    assert_eq!(gateway.reload().await.status, StatusCode::OK);
    assert_eq!(ask(&gateway, Method::POST, &redeliver).await["redelivered"], 1);
    assert_eq!(video.has_seen(1).await.id(), "msg_1");
    until("it is done", async || count(&gateway, "state=done").await == 1).await;
    assert_eq!(batch.seen().len(), 0);
}

#[tokio::test]
async fn an_unmatched_message_is_rejected_if_the_route_says_so() {
    let backend = Backend::start().await;
    let gateway =
        Gateway::start(&routes("unmatched = \"reject\"", &[("batch", &backend, "events = [\"batch.*\"]")])).await;
    for body in [r#"{"type":"video.generated"}"#, "not JSON"] {
        let reply = gateway.send(&delivery("msg_1", body), WIRE).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "no_destination"));
    }
    let rejected = "countersign_requests_total{route=\"/hook\",outcome=\"released\",reason=\"no_destination\"}";
    assert_eq!(gateway.metric(rejected).await, Some(2.0));
    assert_eq!((count(&gateway, "").await, gateway.metric("countersign_store_ids").await), (0, Some(0.0)));
    let reply = gateway.send(&delivery("msg_1", r#"{"type":"batch.failed"}"#), WIRE).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED);
    assert_eq!(backend.has_seen(1).await.id(), "msg_1");
}

#[tokio::test]
async fn a_broken_destination_disturbs_no_other_and_is_shown() {
    let works = Backend::start().await;
    let broken = Backend::scripted(|_| Answer::Status(500)).await;
    let slow = "redelivery = { first = \"10ms\", max = \"10ms\" }";
    let gateway = Gateway::start(&routes("", &[("works", &works, ""), ("broken", &broken, slow)])).await;
    for n in 0..20 {
        let sent = delivery(&format!("msg_{n}"), "{}");
        assert_eq!(gateway.send(&sent, WIRE).await.status, StatusCode::ACCEPTED);
    }
    works.has_seen(20).await;
    until("it is known to fail", async || gauge(&gateway, "failing", "destination=\"broken\"").await == Some(1.0))
        .await;
    assert_eq!(gauge(&gateway, "failing", "destination=\"works\"").await, Some(0.0));
    assert_eq!(gauge(&gateway, "deliveries", "destination=\"works\",state=\"waiting\"").await, Some(0.0));
    let open = async |state: &str| {
        let labels = format!("destination=\"broken\",state=\"{state}\"");
        gauge(&gateway, "deliveries", &labels).await.expect("a gauge")
    };
    assert!(open("waiting").await + open("leased").await >= 19.0);
    until("time passes", async || gauge(&gateway, "oldest_seconds", "destination=\"broken\"").await >= Some(1.0)).await;
    assert_eq!(get(gateway.admin, "/readyz").await.expect("a response").status, StatusCode::OK);
    ask(&gateway, Method::POST, "/-/inbox/destinations/broken/pause").await;
    assert_eq!(gauge(&gateway, "paused", "destination=\"broken\"").await, Some(1.0));
    assert_eq!(gauge(&gateway, "paused", "destination=\"works\"").await, Some(0.0));
}

#[tokio::test]
async fn the_deliveries_of_a_removed_destination_stay_and_are_warned_of() {
    let [stays, leaves] = [Backend::start().await, Backend::start().await];
    let text = routes("", &[("stays", &stays, ""), ("leaves", &leaves, "")]);
    let mut gateway = Gateway::start(&text).await;
    ask(&gateway, Method::POST, "/-/inbox/destinations/leaves/pause").await;
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::ACCEPTED);
    stays.has_seen(1).await;
    gateway.edit(&[(&destination("leaves", &leaves, ""), "")]);
    assert_eq!(gateway.reload().await.status, StatusCode::OK);
    let warning = "deliveries (1) for `leaves`, which is not in the configuration";
    until("it is warned of", async || gateway.output().contains(warning)).await;
    gateway.kill();
    gateway.restart().await;
    until("it is warned of again", async || gateway.output().matches(warning).count() >= 2).await;
    let shown = ask(&gateway, Method::GET, "/-/inbox/destinations").await;
    let found = shown["destinations"].as_array().expect("a list");
    let found = found.iter().find(|found| found["name"] == "leaves").expect("it is listed");
    assert_eq!(json!([found["configured"], found["paused"], found["waiting"]]), json!([false, true, 1]));
    let discard = "/-/inbox/discard?destination=leaves&state=waiting";
    assert_eq!(ask(&gateway, Method::POST, discard).await["discarded"], 1);
    ask(&gateway, Method::POST, "/-/inbox/destinations/leaves/resume").await;
    let shown = ask(&gateway, Method::GET, "/-/inbox/destinations").await;
    assert!(!shown.to_string().contains("leaves"), "{shown}");
    assert_eq!(leaves.seen().len(), 0);
}

#[tokio::test]
async fn a_destination_is_attempted_at_its_rate() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&routes("", &[("slow", &backend, "rate = \"5/s\"\nburst = 1")])).await;
    let start = SystemClock.instant();
    for n in 0..6 {
        gateway.send(&delivery(&format!("msg_{n}"), "{}"), WIRE).await;
    }
    backend.has_seen(6).await;
    // One at once, and five after 200 ms each.
    let took = SystemClock.instant().duration_since(start);
    assert!(took >= Duration::from_millis(990) && took < Duration::from_secs(6), "{took:?}");
}

#[tokio::test]
async fn the_limits_of_the_store_are_keys() {
    let backend = Backend::at(free_address(), |_| Answer::Status(200)).await;
    let text = routes("", &[("one", &backend, "")]).replace("store.db\"\n", "store.db\"\nmax_messages = 2\n");
    let text = text.replace("max_messages = 2\n", "max_messages = 2\nkeep = { done = \"1s\" }\n");
    let gateway = Gateway::start(&text).await;
    for n in 0..2 {
        let sent = delivery(&format!("msg_{n}"), "{}");
        assert_eq!(gateway.send(&sent, WIRE).await.status, StatusCode::ACCEPTED);
    }
    let reply = gateway.send(&delivery("msg_2", "{}"), WIRE).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "store_full"));
    // Once the history of the others is over.
    until("there is room", async || gateway.send(&delivery("msg_2", "{}"), WIRE).await.status == 202).await;
}

#[tokio::test]
async fn kills_lose_no_delivery_of_any_destination() {
    let slow = |_: &_| Answer::Status(200);
    let backends = [Backend::scripted(slow).await, Backend::scripted(slow).await];
    let text = routes("", &[("one", &backends[0], "max_in_flight = 2"), ("other", &backends[1], "max_in_flight = 2")]);
    // A lease that a kill leaves behind ends soon.
    let mut gateway = Gateway::start(&text.replace(INBOX, &format!("{INBOX}upstream_timeout = \"100ms\"\n"))).await;
    let mut accepted = BTreeSet::new();
    for n in 0..60 {
        let id = format!("msg_{n}");
        if gateway.send(&delivery(&id, "{}"), WIRE).await.status == StatusCode::ACCEPTED {
            accepted.insert(id);
        }
        if n % 20 == 13 {
            gateway.kill();
            gateway.restart().await;
        }
    }
    assert_eq!(accepted.len(), 60);
    for backend in &backends {
        until("all are delivered", async || ids(backend) == accepted).await;
    }
    let repeated: Vec<_> = backends.iter().map(|backend| backend.seen().len() - accepted.len()).collect();
    println!("repeated after 3 kills: {repeated:?}");
    assert!(repeated.iter().all(|repeated| *repeated <= 3 * 2), "more than what was in progress: {repeated:?}");
}
