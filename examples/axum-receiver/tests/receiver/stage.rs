//! The receiver, with an emulator that sends to it, a stand-in for Slack and a database.

use std::net::SocketAddr;
use std::process::Command;

use countersign_test::process::Receiver;
use countersign_test::wait::eventually;
use countersign_tests::sender::Sender;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::slack::Slack;

pub(crate) struct Stage {
    pub(crate) sender: Sender,
    pub(crate) slack: Slack,
    pub(crate) receiver: Receiver,
    folder: TempDir,
    arguments: &'static [&'static str],
}

/// The binary, without variables from the outer environment.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_axum-receiver"));
    for name in
        ["LISTEN", "DATABASE", "INBOX", "GEMINI_WEBHOOK_SECRET", "GEMINI_WEBHOOK_JWKS", "SLACK_WEBHOOK_URL", "RUST_LOG"]
    {
        command.env_remove(name);
    }
    command
}

impl Stage {
    pub(crate) async fn start(arguments: &'static [&'static str]) -> Self {
        Self::with(Sender::start().await, arguments).await
    }

    pub(crate) async fn with(sender: Sender, arguments: &'static [&'static str]) -> Self {
        let slack = Slack::start().await;
        let folder = TempDir::new().expect("a folder");
        let receiver = receiver(&sender, &slack, &folder, arguments, "127.0.0.1:0");
        let stage = Self { sender, slack, receiver, folder, arguments };
        stage.sender.point_at(&stage.url("/gemini")).await;
        stage
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.receiver.address())
    }

    /// Kills the receiver, and starts it again with the same address and database.
    pub(crate) fn crash_and_restart(&mut self) {
        let address: SocketAddr = self.receiver.address();
        self.receiver.kill();
        self.receiver = receiver(&self.sender, &self.slack, &self.folder, self.arguments, &address.to_string());
    }

    /// Emits an event for the registered static webhook.
    pub(crate) async fn emit(&self, event_type: &str, id: &str, task: Option<&str>) -> String {
        self.sender.emit_one(&event(event_type, id, task)).await
    }

    /// Emits an event for a dynamic webhook.
    pub(crate) async fn emit_dynamic(&self, event_type: &str, id: &str, task: Option<&str>) -> String {
        let mut event = event(event_type, id, task);
        event["uris"] = json!([self.url("/gemini/dynamic")]);
        self.sender.emit_one(&event).await
    }

    /// Waits until there are `count` events and none is waiting. Returns `source message_id state` of each.
    pub(crate) async fn events(&self, count: usize) -> Vec<String> {
        eventually("all events are done", async || {
            let rows = self.inbox();
            (rows.len() >= count && rows.iter().all(|row| row.ends_with("done"))).then_some(rows)
        })
        .await
    }

    /// The deliveries in the inbox, sorted.
    pub(crate) fn inbox(&self) -> Vec<String> {
        let state = "CASE state WHEN 2 THEN ' done' ELSE ' ' || state END";
        let from = "delivery JOIN message ON message.seq = delivery.message";
        self.query("inbox.db", &format!("SELECT source || ' ' || id || {state} FROM {from}"))
    }

    /// The results of a query of the imports, sorted.
    pub(crate) fn rows(&self, query: &str) -> Vec<String> {
        self.query("imports.db", query)
    }

    fn query(&self, file: &str, query: &str) -> Vec<String> {
        let file = self.folder.path().join(file);
        let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE).expect("a database");
        let mut select = database.prepare(query).expect("a query");
        let rows = select.query_map([], |row| row.get(0)).expect("rows");
        let mut rows: Vec<String> = rows.map(|row| row.expect("a text")).collect();
        rows.sort();
        rows
    }
}

fn receiver(sender: &Sender, slack: &Slack, folder: &TempDir, arguments: &[&str], listen: &str) -> Receiver {
    let mut command = binary();
    command.args(["--listen", listen, "--jwks", &sender.jwks_url()]).args(arguments);
    command.env("DATABASE", folder.path().join("imports.db")).env("INBOX", folder.path().join("inbox.db"));
    command.env("GEMINI_WEBHOOK_SECRET", sender.secret()).env("SLACK_WEBHOOK_URL", &slack.url);
    Receiver::start(&mut command, folder.path())
}

fn event(event_type: &str, id: &str, task: Option<&str>) -> Value {
    let mut event = json!({ "type": event_type, "data": { "id": id, "output_file_uri": format!("gs://b/{id}") } });
    if let Some(task) = task {
        event["user_metadata"] = json!({ "task": task });
    }
    event
}
