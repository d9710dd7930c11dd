//! An inbox in an SQLite file on a disk that is full, read-only or slow: what the sender sees, what operators see, and
//! that nothing is lost.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use countersign_test::disk::Disk;
use http::StatusCode;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::common::{Answer, Backend, Gateway, Running, SOURCE, Wire, delivery, get, route, send, until};

const WIRE: Wire = Wire::Http1Length;
const INBOX: &str = "delivery = \"inbox\"\nredelivery = { first = \"20ms\", max = \"200ms\" }";

/// A gateway with its store in this folder, on the disk that `prepare` makes of it.
async fn gateway(backend: &Backend, folder: &Path, prepare: impl FnOnce(&mut Command)) -> Gateway {
    let mut command = Command::new("gateway");
    prepare(&mut command);
    let text = |text: &std::ffi::OsStr| text.to_str().expect("text").to_owned();
    let pairs = command.get_envs().filter_map(|(name, value)| Some((text(name), text(value?))));
    let pairs: Vec<_> = pairs.collect();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
    let store = format!("[store]\nengine = \"sqlite\"\npath = \"{}\"\n", folder.join("store.db").display());
    Gateway::start_in(&pairs, &[&store, SOURCE, &route(backend, INBOX)].concat()).await
}

/// A backend that fails until it is told to work.
async fn backend() -> (Backend, Arc<AtomicBool>) {
    let works = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&works);
    let script = move |_: &_| Answer::Status(if told.load(Ordering::Relaxed) { 200 } else { 503 });
    (Backend::scripted(script).await, works)
}

async fn ready(gateway: &Gateway) -> StatusCode {
    get(gateway.admin, "/readyz").await.expect("a response").status
}

/// The ids that the backend has seen.
fn ids(backend: &Backend) -> BTreeSet<String> {
    backend.seen().iter().map(|seen| seen.id().to_owned()).collect()
}

#[tokio::test]
async fn a_full_disk_rejects_new_messages_and_loses_none() {
    let disk = Disk::compile();
    let [folder, other] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let full = other.path().join("full");
    let (backend, works) = backend().await;
    let environment = disk.filling(folder.path(), &full);
    let gateway = gateway(&backend, folder.path(), |command| {
        command.envs(environment);
    })
    .await;
    let send = async |id: &str| gateway.send(&delivery(id, vec![b'x'; 5000]), WIRE).await;
    assert_eq!(send("msg_1").await.status, StatusCode::ACCEPTED);
    assert_eq!(send("msg_2").await.status, StatusCode::ACCEPTED);

    std::fs::write(&full, "").expect("a file");
    let rejected = send("msg_3").await;
    assert_eq!((rejected.status, rejected.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "store_full"));
    assert!(rejected.header("retry-after").is_some(), "the sender comes back");
    assert!(figure(&gateway, "errors_total").await > 0.0);
    for _ in 0..20 {
        // The worker goes on in the meantime.
        assert_eq!(gateway.metric("countersign_store_full").await, Some(1.0));
        sleep(Duration::from_millis(50)).await;
    }

    std::fs::remove_file(&full).expect("a file");
    until("the gateway is ready", async || ready(&gateway).await == StatusCode::OK).await;
    assert_eq!(send("msg_3").await.status, StatusCode::ACCEPTED, "nothing of it was stored before");
    assert_eq!((figure(&gateway, "full").await, figure(&gateway, "failing").await), (0.0, 0.0));
    assert_eq!(send("msg_1").await.status, StatusCode::OK, "its id is remembered");
    works.store(true, Ordering::Relaxed);
    let all = BTreeSet::from(["msg_1", "msg_2", "msg_3"].map(str::to_owned));
    until("all are delivered", async || ids(&backend) == all && waiting(&gateway).await == 0.0).await;
}

#[tokio::test]
async fn while_the_disk_is_read_only_new_messages_are_rejected_and_none_is_lost() {
    let disk = Disk::compile();
    let [folder, other] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let locked = other.path().join("locked");
    let (backend, works) = backend().await;
    let environment = disk.locking(folder.path(), &locked);
    let gateway = gateway(&backend, folder.path(), |command| {
        command.envs(environment);
    })
    .await;
    let send = async |id: &str| gateway.send(&delivery(id, "{}"), WIRE).await;
    assert_eq!(send("msg_1").await.status, StatusCode::ACCEPTED);
    assert_eq!((figure(&gateway, "failing").await, figure(&gateway, "errors_total").await), (0.0, 0.0));

    std::fs::write(&locked, "").expect("a file");
    for _ in 0..3 {
        let rejected = send("msg_2").await;
        assert_eq!((rejected.status, rejected.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"));
        assert!(rejected.header("retry-after").is_some(), "the sender comes back");
        assert_eq!(ready(&gateway).await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!((figure(&gateway, "failing").await, figure(&gateway, "full").await), (1.0, 0.0));
    }
    assert!(figure(&gateway, "errors_total").await >= 3.0);
    until("it is logged", async || gateway.output().contains("the inbox is unavailable")).await;
    let rejected = "countersign_inbox_messages_total{route=\"/hook\",result=\"store_unavailable\"}";
    assert_eq!(gateway.metric(rejected).await, Some(3.0), "{}", gateway.metrics().await);

    std::fs::remove_file(&locked).expect("a file");
    until("the gateway is ready", async || ready(&gateway).await == StatusCode::OK).await;
    assert_eq!(gateway.metric("countersign_store_failing").await, Some(0.0));
    assert_eq!(send("msg_2").await.status, StatusCode::ACCEPTED, "nothing of it was stored before");
    assert_eq!(send("msg_1").await.status, StatusCode::OK, "its id is remembered");
    works.store(true, Ordering::Relaxed);
    let all = BTreeSet::from(["msg_1", "msg_2"].map(str::to_owned));
    until("all are delivered", async || ids(&backend) == all && waiting(&gateway).await == 0.0).await;
}

/// A metric of the store.
async fn figure(gateway: &Gateway, name: &str) -> f64 {
    gateway.metric(&format!("countersign_store_{name}")).await.expect("a metric of the store")
}

/// How many deliveries are not done.
async fn waiting(gateway: &Gateway) -> f64 {
    let count = async |state: &str| {
        let labels = format!("{{destination=\"/hook\",state=\"{state}\"}}");
        gateway.metric(&format!("countersign_inbox_deliveries{labels}")).await.unwrap_or(0.0)
    };
    count("waiting").await + count("leased").await
}

/// Messages at the same time share the syncs. With 1 s for each, the sender waits for two of them at most: one that has
/// begun, and its own.
#[tokio::test]
async fn a_slow_disk_delays_responses_and_loses_no_message() {
    let disk = Disk::compile();
    for (sync, messages, longest) in [(4, 256, 2000), (1000, 64, 4500)] {
        let (backend, folder) = (Backend::start().await, tempfile::tempdir().expect("a folder"));
        let slow = |command: &mut Command| disk.slow(command, folder.path(), Duration::from_millis(sync));
        let gateway = gateway(&backend, folder.path(), slow).await;
        let (address, mut sending) = (gateway.address, JoinSet::new());
        for number in 0..messages {
            sending.spawn(async move {
                let start = SystemClock.instant();
                let reply = send(address, &delivery(&format!("msg_{number}"), "{}"), WIRE).await;
                (reply.status, SystemClock.instant().saturating_duration_since(start))
            });
        }
        let mut times = Vec::new();
        for (status, time) in sending.join_all().await {
            assert_eq!(status, StatusCode::ACCEPTED, "{sync} ms a sync");
            times.push(time);
        }
        times.sort_unstable();
        let (middle, last) = (times[times.len() / 2], times[times.len() - 1]);
        println!("{sync} ms a sync, {messages} messages at once: 202 after {middle:?} (median), {last:?} (longest)");
        assert!(times[0] >= Duration::from_millis(sync), "a response came before the sync: {:?}", times[0]);
        assert!(last < Duration::from_millis(longest), "{last:?}");
        assert_eq!(ready(&gateway).await, StatusCode::OK);
        until("all are delivered", async || ids(&backend).len() == messages).await;
        until("that is recorded", async || waiting(&gateway).await == 0.0).await;
        assert_eq!(backend.seen().len(), messages, "each is delivered once");
        assert_eq!(ready(&gateway).await, StatusCode::OK);
        let troubles = [figure(&gateway, "errors_total").await, figure(&gateway, "failing").await];
        assert_eq!((troubles, figure(&gateway, "full").await), ([0.0; 2], 0.0));
        let (operations, batches) =
            (figure(&gateway, "operations_total").await, figure(&gateway, "batches_total").await);
        let fewest = f64::from(2 * u32::try_from(messages).expect("a small number"));
        assert!(operations >= fewest && batches < operations, "{operations} in {batches}");
        // Each transaction waits for at least one sync.
        assert!(figure(&gateway, "busy_seconds_total").await >= Duration::from_millis(sync).as_secs_f64());
    }
}
