//! `[routes.reconcile]`: jobs whose webhooks were lost reach the backend as polled events.

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::{Clock, ManualClock, SystemClock};
use countersign_emulator::{Config, Emulator, Schedule};
use countersign_gateway::log::Log;
use countersign_gateway::serve::Slots;
use countersign_gateway::state::{State, Surroundings};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{
    Authority, Backend, ConnectProxy, Delivery, Gateway, Reply, Running, Wire, call, command, free_address,
    in_front_of, route, until,
};

/// The emulator, whose jobs end at once and whose senders give up at once, and the file of the webhook's secret.
struct Project {
    emulator: Emulator,
    folder: tempfile::TempDir,
    secret: String,
}

impl Project {
    async fn start(hook: &str) -> Self {
        let config = Config {
            listen: "127.0.0.1:0".parse().expect("an address"),
            job_time: Duration::from_millis(1),
            webhooks: vec![hook.parse().expect("a URL")],
            disable_after: 1,
            schedule: Schedule { window: Duration::ZERO, ..Schedule::default() },
            ..Config::default()
        };
        let emulator = Emulator::start(config, None).await.expect("the emulator runs");
        let secret = emulator.webhooks().next().expect("a webhook").1.to_owned();
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("secret"), &secret).expect("a file");
        std::fs::write(folder.path().join("key"), Config::API_KEY).expect("a file");
        Self { emulator, folder, secret }
    }

    fn config(&self, backend: &Backend, more: &str) -> String {
        let folder = self.folder.path().display();
        format!(
            "[store]\nengine = \"sqlite\"\npath = \"store.db\"\n\
             [sources.test]\nsecrets = [{{ file = \"{folder}/secret\" }}]\n{}\n\
             [routes.reconcile]\napi_key = {{ file = \"{folder}/key\" }}\nbase_url = \"{}\"\n\
             every = \"1s\"\ngrace = \"1ms\"\n{more}",
            route(backend, "delivery = \"inbox\""),
            self.emulator.base_url(),
        )
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        let address = self.emulator.base_url().trim_start_matches("http://").parse().expect("an address");
        call(address, Config::API_KEY, method, path, &body).await
    }

    async fn batch(&self) -> String {
        let requests = json!({ "requests": [{ "request": { "contents": [{ "parts": [{ "text": "hello" }] }] } }] });
        let batch = json!({ "batch": { "display_name": "x", "input_config": { "requests": requests } } });
        let created = self.call(Method::POST, "/v1beta/models/m:batchGenerateContent", batch).await;
        created["name"].as_str().expect("a name").to_owned()
    }

    async fn lost_batch(&self) -> String {
        let (name, ended) = (self.batch().await, self.emulator.totals().ended.values().sum::<u64>());
        until("the delivery is lost", async || self.emulator.totals().ended.values().sum::<u64>() > ended).await;
        name
    }
}

async fn runs(gateway: &Gateway) -> f64 {
    let name = "countersign_reconcile_runs_total{route=\"/hook\",result=\"success\"}";
    gateway.metric(name).await.unwrap_or_default()
}

async fn further_runs(gateway: &Gateway) {
    let before = runs(gateway).await;
    until("the API is asked twice more", async || runs(gateway).await >= before + 2.0).await;
}

#[tokio::test]
async fn a_lost_delivery_is_handed_over_once_as_polled_and_a_delivered_one_is_not() {
    let (backend, project) = (Backend::start().await, Project::start(&format!("http://{}/", free_address())).await);
    let name = project.lost_batch().await;
    let gateway = Gateway::start(&project.config(&backend, "hand_over = true")).await;
    let seen = backend.has_seen(1).await;
    let body: Value = serde_json::from_slice(&seen.body).expect("JSON");
    assert_eq!((&body["type"], &body["data"]["id"]), (&json!("batch.succeeded"), &json!(name)));
    for (header, expected) in [
        ("countersign-verdict", Some("polled")),
        ("countersign-source", Some("test")),
        ("countersign-event-type", Some("batch.succeeded")),
        ("countersign-attempt", Some("1")),
        ("countersign-scheme", None),
        ("countersign-key", None),
        ("webhook-signature", None),
    ] {
        assert_eq!(seen.header(header), expected, "{header}");
    }
    assert!(seen.id().starts_with("polled_batch_succeeded_"), "{}", seen.id());
    further_runs(&gateway).await;
    assert_eq!(backend.seen().len(), 1);
    assert_eq!(gateway.metric("countersign_reconcile_disabled_webhooks{route=\"/hook\"}").await, Some(1.0));
    assert_eq!(gateway.metric("countersign_reconcile_handed_over_total{route=\"/hook\"}").await, Some(1.0));

    let webhooks = project.call(Method::GET, "/v1/webhooks", Value::Null).await;
    let path = format!("/v1/webhooks/{}", webhooks["webhooks"][0]["id"].as_str().expect("an id"));
    let change = json!({ "uri": format!("http://{}/hook", gateway.address), "state": "enabled" });
    project.call(Method::PATCH, &path, change).await;
    project.batch().await;
    let seen = backend.has_seen(2).await;
    assert_eq!(seen.header("countersign-verdict"), Some("verified"));
    further_runs(&gateway).await;
    assert_eq!(backend.seen().len(), 2);
    assert_eq!(gateway.metric("countersign_reconcile_disabled_webhooks{route=\"/hook\"}").await, Some(0.0));
}

#[tokio::test]
async fn a_missing_job_is_counted_and_handed_over_on_request_alone() {
    let (backend, project) = (Backend::start().await, Project::start(&format!("http://{}/", free_address())).await);
    let name = project.lost_batch().await;
    let gateway = Gateway::start(&project.config(&backend, "")).await;
    let missing = async || gateway.metric("countersign_reconcile_missing{route=\"/hook\"}").await;
    until("the job is missing", async || missing().await == Some(1.0)).await;
    assert_eq!(backend.seen().len(), 0);
    let hand_over = async |query: &str| {
        command(gateway.admin, Method::POST, &format!("/-/reconcile/hand-over?{query}"), None).await
    };
    for (query, status) in [
        ("job=batches/none", StatusCode::NOT_FOUND),
        ("job=../webhooks", StatusCode::BAD_REQUEST),
        ("", StatusCode::BAD_REQUEST),
        (&*format!("job={name}&route=/other"), StatusCode::NOT_FOUND),
    ] {
        assert_eq!(hand_over(query).await.status, status, "{query}");
    }
    let answer = |reply: Reply| serde_json::from_slice::<Value>(&reply.body).expect("JSON");
    assert_eq!(answer(hand_over(&format!("job={name}")).await)["stored"], true);
    assert_eq!(answer(hand_over(&format!("job={name}")).await)["stored"], false);
    assert_eq!(backend.has_seen(1).await.header("countersign-verdict"), Some("polled"));
    until("nothing is missing", async || missing().await == Some(0.0)).await;
    // A client cannot write the verdict itself.
    let forged = Delivery::signed([&*project.secret], 0, "msg_1", "{}").set("countersign-verdict", "polled");
    assert_eq!(gateway.send(&forged, Wire::Http1Length).await.status, StatusCode::ACCEPTED);
    assert_eq!(backend.has_seen(2).await.header("countersign-verdict"), Some("verified"));
}

/// The API has a certificate of a private authority, and the gateway reaches it through a proxy.
#[tokio::test]
async fn the_api_is_asked_through_a_proxy_and_with_a_private_authority() {
    let (backend, project) = (Backend::start().await, Project::start(&format!("http://{}/", free_address())).await);
    project.lost_batch().await;
    let (authority, proxy) = (Authority::new(), ConnectProxy::start().await);
    let address = project.emulator.base_url().trim_start_matches("http://").parse().expect("an address");
    let (front, _front) = in_front_of(address, authority.server("localhost", false)).await;
    std::fs::write(project.folder.path().join("ca.pem"), authority.pem()).expect("a file");
    let ca = project.folder.path().join("ca.pem");
    let more = format!("ca = \"{}\"\nproxy = \"http://{}\"", ca.display(), proxy.address);
    let config = project.config(&backend, &more);
    let config = config.replace(project.emulator.base_url(), &format!("https://localhost:{}", front.port()));
    let gateway = Gateway::start(&config).await;
    let missing = async || gateway.metric("countersign_reconcile_missing{route=\"/hook\"}").await;
    until("the job is missing", async || missing().await == Some(1.0)).await;
    let (heads, target) = (proxy.heads(), format!("connect localhost:{} http/1.1\r\n", front.port()));
    assert!(!heads.is_empty() && heads.iter().all(|head| head.starts_with(&target)), "{heads:?}");
}

/// How far back a job may have ended is measured by the clock of the gateway.
#[tokio::test]
async fn jobs_are_looked_for_by_the_clock_of_the_gateway() {
    let (backend, project) = (Backend::start().await, Project::start(&format!("http://{}/", free_address())).await);
    project.lost_batch().await;
    let file = project.folder.path().join("gateway.toml");
    let text = format!("[server]\nlisten = [\"127.0.0.1:1\"]\n{}", project.config(&backend, ""));
    std::fs::write(&file, text).expect("a file");
    let config = countersign_gateway::Config::load(&file).expect("a valid configuration");
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let surroundings = Surroundings { slots: &Slots::new(1), log: &Log::default(), clock: &shared };
    let state = State::build(&config, None, surroundings).expect("usable secrets");
    let reconcilers = state.reconcilers();
    let missing = async || reconcilers[0].run_once().await.expect("the API responds").missing.len();
    clock.advance(Duration::from_mins(1));
    assert_eq!(missing().await, 1);
    clock.advance(Duration::from_hours(3 * 24));
    assert_eq!(missing().await, 0, "it ended before `since`");
}
