//! The image, and the compose file.

use std::path::Path;

use super::{assert_is_good, path, stop_takes, text};
use crate::common::finished;

/// The instructions of a Dockerfile, with continued lines joined.
fn instructions(text: &str) -> Vec<(String, String)> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split_once(' ').map(|(name, rest)| (name.to_owned(), rest.trim().to_owned())).expect(line))
        .collect()
}

/// The arguments of an instruction in its JSON form.
fn arguments(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json} is for a shell: {error}"))
}

#[test]
fn the_image_runs_the_gateway_without_a_shell_and_without_root() {
    let all = instructions(&text("docker/Dockerfile"));
    let known = ["FROM", "ARG", "RUN", "WORKDIR", "COPY", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"];
    assert!(all.iter().all(|(name, _)| known.contains(&name.as_str())), "{all:?}");
    let last = all.iter().rposition(|(name, _)| name == "FROM").expect("a stage");
    let (build, image) = all.split_at(last);
    let only = |wanted: &str| {
        let mut values = image.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        let value = values.next().unwrap_or_else(|| panic!("there is no {wanted}"));
        assert_eq!(values.next(), None, "{wanted}");
        value
    };
    // The toolchain must not be older than the oldest that builds the gateway.
    let oldest = env!("CARGO_PKG_RUST_VERSION");
    assert!(build.iter().any(|(_, value)| value.starts_with(&format!("rust:{oldest}"))), "{build:?}");
    assert!(only("FROM").contains("distroless"));
    assert_eq!(only("USER"), "nonroot:nonroot");
    let binary = "/usr/bin/countersign-gateway";
    let copied = "--from=build /src/target/release/countersign-gateway ";
    assert_eq!(only("COPY"), format!("{copied}{binary}"));
    assert_eq!(arguments(only("ENTRYPOINT")), [binary]);
    assert_eq!(arguments(only("CMD")), ["--config", "/etc/countersign/gateway.toml", "--log", "json"]);
    let (_, check) = only("HEALTHCHECK").split_once(" CMD ").expect("a command");
    assert_eq!(arguments(check), [binary, "--health", "http://127.0.0.1:9901/healthz"]);
    assert!(text("docker/gateway.toml").contains("admin = \"127.0.0.1:9901\""));
}

#[test]
fn the_compose_file_confines_the_gateway_and_waits_for_its_end() {
    let config = text("docker/gateway.toml");
    assert_is_good(&config, "/run/secrets", &[]);
    let compose: serde_yaml::Value = serde_yaml::from_str(&text("docker/compose.yaml")).expect("YAML");
    let gateway = &compose["services"]["gateway"];
    assert_eq!(gateway["read_only"], true);
    assert_eq!(gateway["cap_drop"][0], "ALL");
    assert_eq!(gateway["secrets"][0], "gemini");
    assert!(!compose["secrets"]["gemini"].is_null());
    let grace = gateway["stop_grace_period"].as_str().and_then(|text| text.strip_suffix('s')).expect("seconds");
    assert!(grace.parse::<u64>().expect("a number") > stop_takes(&config));
    let folder = path("docker");
    let build = &gateway["build"];
    let context = folder.join(build["context"].as_str().expect("a folder"));
    assert!(context.join(build["dockerfile"].as_str().expect("a file")).is_file());
    for service in ["gateway", "backend"] {
        let file = compose["services"][service]["volumes"][0].as_str().expect("a volume");
        let (own, _) = file.split_once(':').expect("two places");
        assert!(folder.join(Path::new(own)).is_file(), "{file}");
    }
    assert!(config.contains("upstream = [\"http://backend:3000\"]"));
    let mut python = std::process::Command::new("python3");
    let program = "import ast, sys; ast.parse(open(sys.argv[1]).read())";
    assert!(finished(python.args(["-c", program]).arg(path("docker/backend.py"))).status.success());
}
