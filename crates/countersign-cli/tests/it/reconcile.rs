//! `reconcile`, with the emulator's API, the commands of the gateway's admin listener and an SQLite file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use countersign::clock::SystemClock;
use countersign_client::Client;
use countersign_emulator::{Config, Emulator, Schedule};
use countersign_gateway::admin_access::{Access, Scope};
use countersign_gateway::config::{ApiUrl, ReconcileSpec, SecretOrigin};
use countersign_gateway::inbox::{Destinations, RouteInbox};
use countersign_gateway::metrics::Counts;
use countersign_gateway::reconcile::{Reconciler, Settings, Target};
use countersign_gateway::reconcile_api;
use countersign_inbox::worker::SharedInbox;
use countersign_inbox::{Filter, Inbox};
use countersign_sqlite::{Options, SqliteStore};
use countersign_test::process::free_address;
use http::HeaderValue;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::common::schema::problem;
use crate::common::{Ran, command};

/// An emulator that has lost the delivery of a batch and has disabled its webhook, and the admin listener of a gateway.
pub(crate) struct Outage {
    runtime: Runtime,
    store: SqliteStore,
    base: String,
    admin: SocketAddr,
    emulator: Emulator,
    _folder: TempDir,
}

impl Outage {
    pub(crate) fn start() -> Self {
        let (runtime, folder) = (Runtime::new().expect("a runtime"), TempDir::new().expect("a folder"));
        let store = SqliteStore::open(folder.path().join("store.db"), Options::default()).expect("a store");
        let config = Config {
            listen: "127.0.0.1:0".parse().expect("an address"),
            job_time: Duration::from_millis(1),
            webhooks: vec![format!("http://{}/", free_address()).parse().expect("a URL")],
            disable_after: 1,
            schedule: Schedule { window: Duration::ZERO, ..Schedule::default() },
            ..Config::default()
        };
        let emulator = runtime.block_on(Emulator::start(config, None)).expect("the emulator runs");
        let base = emulator.base_url().to_owned();
        let target = Target {
            inbox: RouteInbox::to(SharedInbox::new(Arc::new(store.clone())), "/gemini".to_owned()),
            route: "/gemini".to_owned(),
            path: "/gemini".to_owned(),
            source: "gemini".to_owned(),
            retain: Duration::from_hours(1),
        };
        let spec = ReconcileSpec {
            api_key: SecretOrigin::Env("UNUSED".to_owned()),
            every: Duration::from_mins(15),
            since: Duration::from_hours(1),
            grace: Duration::from_millis(1),
            hand_over: false,
            base_url: ApiUrl(base.parse().expect("a URL")),
            ca: None,
            proxy: None,
        };
        let settings = Settings { spec, key: HeaderValue::from_static(Config::API_KEY), events: None };
        let counts = Counts::default().of_reconcile("/gemini");
        let reconciler = Reconciler::new(settings, Client::builder(), target, counts, Arc::new(SystemClock));
        let reconciler = Arc::new(reconciler);
        let scope = Scope {
            stores: BTreeMap::new(),
            sources: BTreeMap::new(),
            inbox: Some(SharedInbox::new(Arc::new(store.clone()))),
            destinations: Destinations::default(),
            reconcilers: BTreeMap::from([("/gemini".to_owned(), reconciler)]),
            token: None,
        };
        let router = reconcile_api::router(Access::new(true, Arc::new(ArcSwap::from_pointee(scope))));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a socket");
        let admin = listener.local_addr().expect("an address");
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { runtime, store, base, admin, emulator, _folder: folder }
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let mut command = command();
        command.args(["reconcile", "--admin", &format!("http://{}", self.admin), "--base-url", &self.base]);
        command.args(["--grace", "1ms"]).args(args).env("GEMINI_API_KEY", Config::API_KEY);
        command.output().expect("the program runs").into()
    }

    /// The code, and the output with `--json`, which conforms to the schema.
    fn json(&self, args: &[&str]) -> (i32, Value) {
        let ran = self.run(&[args, &["--json"]].concat());
        let schema = serde_json::from_str(include_str!("../../output.schema.json")).expect("JSON");
        let output = ran.json();
        assert_eq!(problem(&schema, "reconcile", &output), None, "{output}");
        (ran.code, output)
    }

    /// Emits an event of a batch, as the webhook gets it, and waits until it is given up.
    fn lose_a_batch(&self) -> String {
        let requests = json!({ "requests": [{ "request": { "contents": [{ "parts": [{ "text": "hello" }] }] } }] });
        let batch = json!({ "batch": { "display_name": "x", "input_config": { "requests": requests } } });
        let ended = || self.emulator.totals().ended.values().sum::<u64>();
        let before = ended();
        let name = self.runtime.block_on(async {
            let url = format!("{}/v1beta/models/m:batchGenerateContent", self.base);
            let request = http::Request::post(url).header("x-goog-api-key", Config::API_KEY);
            let request = request.body(batch.to_string().into()).expect("a request");
            let response = Client::builder().build().send(request).await.expect("a response");
            let body = response.into_body().bytes().await.expect("a body");
            serde_json::from_slice::<Value>(&body).expect("JSON")["name"].as_str().expect("a name").to_owned()
        });
        self.runtime.block_on(countersign_test::wait::until("it is given up", async || ended() > before));
        name
    }
}

#[test]
fn a_lost_delivery_is_found_the_webhook_is_enabled_and_the_job_is_handed_over() {
    let outage = Outage::start();
    let (code, nothing) = outage.json(&[]);
    assert_eq!((code, &nothing["missing"], &nothing["webhooks"][0]["state"]), (0, &json!([]), &json!("enabled")));
    let name = outage.lose_a_batch();
    let (code, found) = outage.json(&[]);
    let missing = &found["missing"][0];
    assert_eq!((code, &missing["job"], &missing["event_type"]), (1, &json!(name), &json!("batch.succeeded")));
    assert_eq!(found["webhooks"][0]["state"], "disabled_due_to_failed_deliveries");
    let text = outage.run(&[]).stdout;
    for part in ["missing: 1, ", &name, "add --enable ", "disabled_due_to_failed_deliveries"] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let (code, found) = outage.json(&["--hand-over", "--enable", "all"]);
    assert_eq!((code, &found["missing"][0]["handed_over"]), (0, &json!(true)), "{found}");
    assert_eq!(found["webhooks"][0]["enabled_now"], true);
    let listed = outage.runtime.block_on(outage.store.list(Filter::default())).expect("a list");
    assert_eq!(listed.len(), 1);
    assert!(listed[0].key.message_id().as_str().starts_with("polled_batch_succeeded_"), "{listed:?}");
    // The polled event counts as received.
    let (code, found) = outage.json(&[]);
    assert_eq!((code, &found["delivered"], &found["webhooks"][0]["state"]), (0, &json!(1), &json!("enabled")));
}

#[test]
fn unknown_jobs_and_invalid_arguments_are_named() {
    let outage = Outage::start();
    let (code, found) = outage.json(&["--job", "batches/none"]);
    assert_eq!((code, &found["unknown"]), (1, &json!(["batches/none"])));
    let ran = outage.run(&["--enable", "nobody"]);
    assert_eq!((ran.code, ran.stderr.contains("no webhook `nobody`")), (1, true), "{ran:?}");
    for args in [
        &["--job", "a b"][..],
        &["--since", "soon"],
        &["--grace", "4d"],
        &["--base-url", "http://example.com"],
        &["--api-key-env", "NO_SUCH_KEY"],
        &["--route", "/gemini"],
    ] {
        assert_eq!(outage.run(args).code, 2, "{args:?}");
    }
    let mut command = command();
    command.args(["reconcile", "--admin", &format!("http://{}", free_address()), "--base-url", &outage.base]);
    let ran: Ran = command.env("GEMINI_API_KEY", Config::API_KEY).output().expect("the program runs").into();
    assert_eq!(ran.code, 1, "{ran:?}");
}
