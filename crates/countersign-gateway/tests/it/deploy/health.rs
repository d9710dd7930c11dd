//! `--health`, which container engines run.

use std::process::{Command, Output};

use crate::common::{Backend, Gateway, free_address, until};
use countersign_test::process::run;

async fn health(arguments: &[&str]) -> Output {
    run(Command::new(env!("CARGO_BIN_EXE_countersign-gateway")).args(arguments)).await
}

#[tokio::test]
async fn a_running_gateway_is_healthy_until_it_stops() {
    let backend = Backend::start().await;
    let server = "drain_delay = \"60s\"";
    let routes = [crate::common::SOURCE, &crate::common::route(&backend, "")].concat();
    let gateway = Gateway::start_with(server, &routes, &["--log", "text"]).await;
    let url = |path: &str| format!("http://{}{path}", gateway.admin);
    for path in ["/healthz", "/readyz"] {
        assert!(health(&["--health", &url(path)]).await.status.success(), "{path}");
    }
    let missing = health(&["--health", &url("/missing")]).await;
    assert_eq!(missing.status.code(), Some(1));
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(said.contains("/missing: the status is 404"), "{said}");
    gateway.signal("TERM");
    until("it is not ready", async || !health(&["--health", &url("/readyz")]).await.status.success()).await;
    assert!(health(&["--health", &url("/healthz")]).await.status.success());
}

#[tokio::test]
async fn a_gateway_that_does_not_run_is_not_healthy() {
    let output = health(&["--health", &format!("http://{}/healthz", free_address())]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("no response") && said.contains("compare the address with `admin`"), "{said}");
    let output = health(&["--health", "127.0.0.1:9901"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("like http://127.0.0.1:9901/healthz"), "{said}");
    let output = health(&["--health", "http://127.0.0.1:9901/healthz", "--check"]).await;
    assert_eq!(output.status.code(), Some(2));
}
