//! `inbox`, against the commands of the gateway's admin listener and an SQLite file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use countersign::clock::{Clock as _, SystemClock};
use countersign::replay::ReplayKey;
use countersign_gateway::admin_access::{Access, Scope};
use countersign_gateway::admin_token::AdminToken;
use countersign_gateway::inbox::Destinations;
use countersign_gateway::inbox_api::InboxApi;
use countersign_inbox::worker::SharedInbox;
use countersign_inbox::{Inbox, NewMessage, StoredMessage};
use countersign_sqlite::{Options, SqliteStore};
use countersign_test::process::free_address;
use http::HeaderValue;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::common::schema::problem;
use crate::common::{Ran, command};

const TOKEN: &str = "0123456789abcdef-token";

/// The admin listener of a gateway whose inbox has two dead letters and a delivery that waits.
pub(crate) struct AdminListener {
    address: SocketAddr,
    _runtime: Runtime,
    _folder: TempDir,
}

impl AdminListener {
    pub(crate) fn start(token: Option<&str>) -> Self {
        let (runtime, folder) = (Runtime::new().expect("a runtime"), TempDir::new().expect("a folder"));
        let store = SqliteStore::open(folder.path().join("store.db"), Options::default()).expect("a store");
        runtime.block_on(fill(&store));
        let token = token.map(|text| AdminToken::new(text).expect("a token"));
        let scope = Scope {
            stores: BTreeMap::new(),
            sources: BTreeMap::new(),
            inbox: Some(SharedInbox::new(Arc::new(store))),
            destinations: Destinations::default(),
            reconcilers: BTreeMap::new(),
            token,
        };
        let access = Access::new(true, Arc::new(ArcSwap::from_pointee(scope)));
        let router = InboxApi::new(access, Arc::new(SystemClock), true).into_router();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a socket");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, _runtime: runtime, _folder: folder }
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        inbox(self.address, args)
    }

    /// The output of a verb with `--json`, which conforms to the schema.
    fn json(&self, args: &[&str]) -> serde_json::Value {
        let ran = self.run(&[args, &["--json"]].concat());
        let schema = serde_json::from_str(include_str!("../../output.schema.json")).expect("JSON");
        let output = ran.json();
        let name = format!("inbox_{}", args.first().expect("a verb"));
        assert_eq!(problem(&schema, &name, &output), None, "{output}");
        output
    }

    /// The message ids in this state, newest first.
    fn ids(&self, state: &str) -> Vec<String> {
        let page = self.json(&["list", "--state", state]);
        let deliveries = page["deliveries"].as_array().expect("a list");
        deliveries.iter().map(|one| one["message_id"].as_str().expect("an id").to_owned()).collect()
    }

    pub(crate) fn number(&self, id: &str) -> String {
        self.json(&["list", "--id", id])["deliveries"][0]["number"].to_string()
    }
}

async fn fill(store: &SqliteStore) {
    for id in ["msg_1", "msg_2"] {
        enqueue(store, id).await;
    }
    let leased = store.lease("/gemini", 10, Duration::from_mins(1), SystemClock.read()).await.expect("a lease");
    for leased in leased {
        store.dead_letter(leased.receipt, "status 500", SystemClock.read()).await.expect("it is recorded");
    }
    enqueue(store, "msg_3").await;
}

async fn enqueue(store: &SqliteStore, id: &str) {
    let now = SystemClock.read();
    let message = StoredMessage {
        key: ReplayKey::parse("gemini", id).expect("a key"),
        event_type: Some("batch.\u{1b}[31m".to_owned()),
        path: "/gemini".to_owned(),
        headers: [(http::header::USER_AGENT, HeaderValue::from_static("sender"))].into_iter().collect(),
        body: Bytes::from_static(b"{\"type\":\"batch.failed\"}"),
        received: now.wall,
    };
    store.enqueue(NewMessage::new(message, "/gemini", Duration::from_hours(1)), now).await.expect("it is stored");
}

fn inbox(address: SocketAddr, args: &[&str]) -> Ran {
    let admin = format!("http://{address}");
    let mut command = command();
    command.arg("inbox").args(args).args(["--admin", &admin]).env("ADMIN_TOKEN", TOKEN);
    command.output().expect("the program runs").into()
}

#[test]
fn deliveries_are_listed_and_shown() {
    let admin = AdminListener::start(None);
    let ran = admin.run(&["list"]);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!((ran.code, lines.len()), (0, 4), "{ran:?}");
    assert!(lines[0].starts_with("NUMBER  STATE") && lines[0].ends_with("LAST ERROR"), "{ran:?}");
    assert!(lines[1].contains("waiting") && lines[1].contains("msg_3"), "{ran:?}");
    assert!(lines[3].contains("msg_1") && lines[3].ends_with("status 500"), "{ran:?}");
    assert!(!ran.stdout.contains('\u{1b}'), "{ran:?}");
    let page = admin.json(&["list", "--limit", "1"]);
    let older = page["next"].to_string();
    assert!(admin.run(&["list", "--limit", "1"]).stdout.ends_with(&format!("--older-than {older}\n")));
    assert_eq!(admin.json(&["list", "--older-than", &older])["deliveries"].as_array().map(Vec::len), Some(2));
    assert_eq!(admin.run(&["list", "--source", "other"]).stdout, "no delivery matches\n");
    let number = admin.number("msg_1");
    let shown = admin.run(&["show", &number]);
    for part in ["dead, attempt 1", "  user-agent: sender\n", "status 500", "body (23 bytes):\n  {\"type\""] {
        assert!(shown.stdout.contains(part), "{part:?} is not in {shown:?}");
    }
    assert_eq!(admin.json(&["show", &number])["body"], "{\"type\":\"batch.failed\"}");
    let unknown = admin.run(&["show", "999"]);
    assert_eq!((unknown.code, unknown.stderr.contains("no delivery with this number")), (1, true), "{unknown:?}");
}

#[test]
fn deliveries_are_sent_again_one_or_all_that_match() {
    let admin = AdminListener::start(None);
    let ran = admin.run(&["redeliver", &admin.number("msg_1")]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "redelivered: 1\n"), "{ran:?}");
    assert_eq!(
        (admin.ids("dead"), admin.ids("waiting")),
        (vec!["msg_2".to_owned()], vec!["msg_3".into(), "msg_1".into()])
    );
    assert_eq!(admin.json(&["redeliver", "--all", "--source", "other"])["redelivered"], 0);
    assert_eq!(admin.json(&["redeliver", "--all", "--destination", "/gemini"])["redelivered"], 1);
    assert_eq!((admin.ids("dead").len(), admin.ids("waiting").len()), (0, 3));
    let ran = admin.run(&["redeliver", "999", &admin.number("msg_3")]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, "redelivered: 1\n"), "{ran:?}");
    assert!(ran.stderr.contains("delivery 999: there is no delivery"), "{ran:?}");
}

#[test]
fn deliveries_are_discarded() {
    let admin = AdminListener::start(None);
    let (first, second) = (admin.number("msg_1"), admin.number("msg_2"));
    assert_eq!(admin.json(&["discard", &first, &second])["discarded"], 2);
    assert_eq!((admin.ids("dead").len(), admin.ids("waiting").len()), (0, 1));
    assert_eq!(admin.run(&["discard", &first]).code, 1);
}

#[test]
fn all_deliveries_that_match_are_discarded_dead_letters_unless_a_state_is_given() {
    let admin = AdminListener::start(None);
    assert_eq!(admin.json(&["discard", "--all", "--destination", "/other"])["discarded"], 0);
    assert_eq!(admin.json(&["discard", "--all", "--destination", "/gemini"])["discarded"], 2);
    assert_eq!((admin.ids("dead").len(), admin.ids("waiting").len()), (0, 1));
    assert_eq!(admin.run(&["discard", "--all", "--state", "waiting"]).stdout, "discarded: 1\n");
}

#[test]
fn destinations_are_listed_paused_and_resumed() {
    let admin = AdminListener::start(None);
    let listed = admin.json(&["destinations"]);
    let one = &listed["destinations"][0];
    assert_eq!((&one["name"], &one["waiting"], &one["dead"]), (&"/gemini".into(), &1.into(), &2.into()), "{listed}");
    assert_eq!(admin.run(&["pause", "/gemini"]).stdout, "paused: /gemini\n");
    let ran = admin.run(&["destinations"]);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("DESTINATION  WAITING"), "{ran:?}");
    assert!(lines[1].starts_with("/gemini") && lines[1].ends_with("paused, not configured"), "{ran:?}");
    assert_eq!(admin.json(&["resume", "/gemini"])["paused"], false);
    assert_eq!(admin.json(&["pause", "/gemini"])["paused"], true);
    let ran = admin.run(&["pause", "unknown"]);
    assert_eq!((ran.code, ran.stderr.contains("no destination with this name")), (1, true), "{ran:?}");
}

#[test]
fn the_token_is_sent_and_unusable_arguments_are_named() {
    let admin = AdminListener::start(Some(TOKEN));
    let without = admin.run(&["list"]);
    assert_eq!((without.code, without.stderr.contains("--token-env")), (1, true), "{without:?}");
    assert_eq!(admin.run(&["list", "--token-env", "ADMIN_TOKEN"]).code, 0);
    for args in [
        &["redeliver"][..],
        &["redeliver", "1", "--all"],
        &["discard"],
        &["discard", "1", "--all"],
        &["pause"],
        &["list", "--state", "lost"],
    ] {
        assert_eq!(inbox(free_address(), args).code, 2, "{args:?}");
    }
    let ran = inbox(free_address(), &["list", "--token-env", "NO_SUCH_TOKEN"]);
    assert_eq!((ran.code, ran.stderr.contains("`NO_SUCH_TOKEN` is not set")), (2, true), "{ran:?}");
    assert_eq!(inbox(free_address(), &["list"]).code, 1);
}
