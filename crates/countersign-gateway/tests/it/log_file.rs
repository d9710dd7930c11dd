//! The gateway keeps running if its log file reaches the limit on file sizes.

use crate::common::{Backend, Gateway, Running, SOURCE, Wire, delivery, route, send, until};
use http::StatusCode;

#[tokio::test]
async fn a_log_file_at_its_size_limit_costs_lines_and_no_delivery() {
    let (backend, folder) = (Backend::start().await, tempfile::tempdir().expect("a folder"));
    let files = || {
        ["stdout", "stderr"].map(|name| {
            std::fs::File::options().append(true).create(true).open(folder.path().join(name)).expect("a file").into()
        })
    };
    let gateway = Gateway::start_writing_to(files, &[SOURCE, &route(&backend, "")].concat()).await;
    gateway.limit_file_size(4096);
    for number in 0..60 {
        let sent = delivery(&format!("msg_{number}_{}", "x".repeat(200)), "{}");
        assert_eq!(send(gateway.address, &sent, Wire::Http1Length).await.status, StatusCode::OK, "{number}");
    }
    assert_eq!(backend.seen().len(), 60);
    until("dropped lines are counted", async || {
        gateway.metric("countersign_log_lines_dropped_total").await.is_some_and(|dropped| dropped > 0.0)
    })
    .await;
    let written = std::fs::metadata(folder.path().join("stdout")).expect("a file").len();
    assert!(written <= 4096, "{written}");
}
