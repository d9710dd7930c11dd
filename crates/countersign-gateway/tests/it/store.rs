//! `[store]`: message ids in a file survive the process, and a file that fails stops the deliveries, not the gateway.

use crate::common::{Backend, Gateway, Running, SOURCE, Wire, command, delivery, free_address, get, route, run, until};
use http::{Method, StatusCode};

const WIRE: Wire = Wire::Http1Length;
const SQLITE: &str = "[store]\nengine = \"sqlite\"\npath = \"store.db\"\n";

async fn gateway(backend: &Backend, store: &str) -> Gateway {
    Gateway::start(&[store, SOURCE, &route(backend, "")].concat()).await
}

#[tokio::test]
async fn a_message_that_was_handled_before_a_kill_is_a_duplicate_after_it() {
    for (store, forwarded) in [(SQLITE, 1), ("", 2)] {
        let backend = Backend::start().await;
        let mut gateway = gateway(&backend, store).await;
        assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::OK);
        gateway.kill();
        gateway.restart().await;
        assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::OK);
        assert_eq!(backend.seen().len(), forwarded, "{store}");
    }
}

#[tokio::test]
async fn the_metrics_show_the_file_and_a_command_forgets_an_id() {
    let backend = Backend::start().await;
    let gateway = gateway(&backend, SQLITE).await;
    gateway.send(&delivery("msg_1", "{}"), WIRE).await;
    assert_eq!(gateway.figure("ids_remembered", "test").await, Some(1.0));
    assert_eq!(gateway.figure("store_capacity", "test").await, Some(1_000_000.0));
    assert_eq!(gateway.metric("countersign_store_ids").await, Some(1.0));
    assert_eq!(gateway.metric("countersign_store_errors_total").await, Some(0.0));
    assert!(gateway.metric("countersign_store_operations_total").await >= Some(2.0));
    assert!(gateway.metric("countersign_store_size_bytes").await > Some(4096.0));
    let forget = async || command(gateway.admin, Method::DELETE, "/-/sources/test/ids/msg_1", None).await.status;
    assert_eq!((forget().await, forget().await), (StatusCode::OK, StatusCode::NOT_FOUND));
    gateway.send(&delivery("msg_1", "{}"), WIRE).await;
    assert_eq!(backend.seen().len(), 2);
}

#[tokio::test]
async fn a_reload_keeps_the_file_and_says_so() {
    let backend = Backend::start().await;
    let gateway = gateway(&backend, SQLITE).await;
    gateway.send(&delivery("msg_1", "{}"), WIRE).await;
    gateway.edit(&[
        ("store.db", "other.db"),
        ("TEST_SECRET\" }]\n", "TEST_SECRET\" }]\nreplay = { capacity = 500000 }\n"),
    ]);
    let reply = command(gateway.admin, Method::POST, "/-/reload", None).await;
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(text.contains("`store` has changed") && !text.contains("forgotten"), "{text}");
    gateway.send(&delivery("msg_1", "{}"), WIRE).await;
    assert_eq!(backend.seen().len(), 1);
    assert_eq!(gateway.figure("store_capacity", "test").await, Some(500_000.0));
}

/// The kernel fails writes beyond the limit, as a disk that fails does.
#[tokio::test]
async fn while_the_file_cannot_be_written_deliveries_are_rejected_and_the_gateway_is_not_ready() {
    let backend = Backend::start().await;
    let gateway = gateway(&backend, SQLITE).await;
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::OK);
    gateway.limit_file_size(1);
    let reply = gateway.send(&delivery("msg_2", "{}"), WIRE).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"));
    let ready = async || get(gateway.admin, "/readyz").await.expect("a response").status;
    assert_eq!(ready().await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(gateway.metric("countersign_store_failing").await, Some(1.0));
    gateway.limit_file_size(1 << 40);
    until("the gateway is ready again", async || ready().await == StatusCode::OK).await;
    assert_eq!(gateway.send(&delivery("msg_2", "{}"), WIRE).await.status, StatusCode::OK);
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::OK);
    assert_eq!(backend.seen().len(), 2);
}

#[test]
fn a_store_that_cannot_be_opened_is_an_error_at_the_start_and_in_the_check() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("other.db"), "no database".repeat(100)).expect("a file");
    for (path, line, why, in_check) in [
        ("missing/store.db", 5, "its directory does not exist", true),
        ("other.db", 5, "SQLite cannot use the file: file is not a database", false),
    ] {
        let (store, address) = (SQLITE.replace("store.db", path), free_address());
        let text = format!(
            "[server]\nlisten = [\"{address}\"]\n{store}{SOURCE}[[routes]]\npath = \"/\"\nsource = \"test\"\nupstream = [\"http://127.0.0.1:1\"]\n"
        );
        for arguments in [&["--check"][..], &[]] {
            if arguments.is_empty() || in_check {
                let output = run(folder.path(), &text, arguments);
                let error = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(!output.status.success(), "{path}");
                assert!(error.contains(&format!("gateway.toml:{line}:")) && error.contains(why), "{error}");
            }
        }
    }
}
