//! `--version`, and the metric with the same facts.

use std::process::Command;

use crate::common::{Backend, Gateway, Running, finished};

fn printed(argument: &str) -> String {
    let output = finished(Command::new(env!("CARGO_BIN_EXE_countersign-gateway")).arg(argument));
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The commit of this checkout, if it is one.
fn head() -> Option<String> {
    let git = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
    git.status.success().then(|| String::from_utf8(git.stdout).expect("text"))
}

#[tokio::test]
async fn the_version_names_the_commit_and_what_the_program_supports() {
    let all = printed("--version");
    let lines: Vec<_> = all.lines().collect();
    let version = env!("CARGO_PKG_VERSION");
    let commit = head().map(|hash| hash[..12].to_owned());
    let named = match &commit {
        Some(commit) => format!("countersign-gateway {version} ({commit}"),
        None => format!("countersign-gateway {version}"),
    };
    assert!(lines[0].starts_with(&named), "{all}");
    assert_eq!(lines[1..], ["schemes: v1, v1a, rs256", "stores: memory, sqlite, redis, postgres"]);
    assert_eq!(printed("-V").trim_end(), lines[0]);

    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend).await;
    let commit = lines[0].split(['(', ')']).nth(1).map(|commit| format!(",commit=\"{commit}\"")).unwrap_or_default();
    let metric = format!("countersign_build_info{{version=\"{version}\"{commit}}}");
    assert_eq!(gateway.metric(&metric).await, Some(1.0), "{metric}");
}
