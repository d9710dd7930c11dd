//! What is built from a configuration, and what goes on when it is built again from a changed one.

use std::sync::Arc;

use countersign::clock::{Clock, SystemClock};
use countersign_gateway::Config;
use countersign_gateway::config::ConfigError;
use countersign_gateway::log::Log;
use countersign_gateway::serve::Slots;
use countersign_gateway::state::{State, Surroundings};

use crate::common::key;

const SOURCES: &str =
    "[sources.a]\npublic_keys = [\"KEY\"]\n[sources.b]\njwks = { url = \"http://localhost:9/keys\" }\n";
const ROUTES: &str = "[[routes]]\npath = \"/a\"\nsource = \"a\"\nupstream = [\"http://127.0.0.1:3000\"]\n\
                      [[routes]]\npath = \"/b\"\nsource = \"b\"\nupstream = [\"http://127.0.0.1:3001\"]\n";

fn config(sources_and_routes: &str) -> Config {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gateway.toml");
    let server = "[server]\nlisten = [\"127.0.0.1:18080\"]\n";
    let text = [server, sources_and_routes].concat().replace("KEY", &key(1).public());
    std::fs::write(&file, text).expect("a file");
    Config::load(&file).expect("a good configuration")
}

fn build(config: &Config, previous: Option<&State>) -> Result<State, ConfigError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    State::build(config, previous, Surroundings { slots: &Slots::new(1), log: &Log::default(), clock: &clock })
}

fn built(config: &Config, previous: Option<&State>) -> State {
    build(config, previous).expect("the state")
}

#[test]
fn two_files_with_the_same_settings_have_equal_parts() {
    let (one, other) = (config(&[SOURCES, ROUTES].concat()), config(&["# the same\n\n", ROUTES, SOURCES].concat()));
    assert_eq!((&one.server, &one.sources, &one.routes), (&other.server, &other.sources, &other.routes));
    let changed = config(&[SOURCES, &ROUTES.replace("3001", "3002")].concat());
    assert_eq!(changed.routes[0], one.routes[0]);
    assert_ne!(changed.routes[1], one.routes[1]);
}

#[test]
fn what_did_not_change_goes_on() {
    let old = built(&config(&[SOURCES, ROUTES].concat()), None);
    let route = Arc::new("/a".to_owned());
    old.metrics.counts().count(&route, "confirmed", "");

    // Another lease and another backend for `a`; `b` stays as it is.
    let sources = SOURCES.replace("[sources.b]", "replay = { lease = \"50s\" }\n[sources.b]");
    let changed = config(&(sources + &ROUTES.replace("3000", "3002")));
    let new = built(&changed, Some(&old));
    for name in ["a", "b"] {
        assert!(old.sources[name].store.is_same(&new.sources[name].store), "{name} forgot its ids");
        assert!(Arc::ptr_eq(&old.sources[name].fullness, &new.sources[name].fullness), "{name}");
    }
    assert_eq!(new.sources["a"].lease.as_secs(), 50);
    assert!(Arc::ptr_eq(&old.routes[1].targets[0].upstreams, &new.routes[1].targets[0].upstreams));
    assert!(!Arc::ptr_eq(&old.routes[0].targets[0].upstreams, &new.routes[0].targets[0].upstreams));
    assert!(Arc::ptr_eq(&new.routes[0].source, &new.sources["a"]));
    assert_eq!(new.key_sets.len(), 1);
    new.metrics.counts().count(&route, "confirmed", "");
    let text = new
        .metrics
        .to_text(countersign::UnixTime::from_secs(0), countersign_gateway::metrics::Format::OpenMetrics)
        .expect("text");
    assert!(text.contains("countersign_requests_total{route=\"/a\",outcome=\"confirmed\",reason=\"\"} 2"), "{text}");
}

#[test]
fn another_store_begins_empty() {
    let old = built(&config(&[SOURCES, ROUTES].concat()), None);
    let sources = SOURCES.replace("[sources.b]", "replay = { capacity = 500000 }\n[sources.b]");
    let new = built(&config(&[&sources, ROUTES].concat()), Some(&old));
    assert!(!old.sources["a"].store.is_same(&new.sources["a"].store));
    assert_eq!(new.sources["a"].store.capacity(), Some(500_000));
    assert!(old.sources["b"].store.is_same(&new.sources["b"].store));
}

#[test]
fn routes_with_the_same_backends_share_them() {
    let routes = ROUTES.replace("3001", "3000");
    let state = built(&config(&[SOURCES, &routes].concat()), None);
    assert!(Arc::ptr_eq(&state.routes[0].targets[0].upstreams, &state.routes[1].targets[0].upstreams));
    assert_eq!(state.upstreams().len(), 1);
    // Other settings, another health.
    for more in ["eject = { after = 5 }", "health_check = { path = \"/healthz\" }"] {
        let state = built(&config(&[SOURCES, &routes, more].concat()), None);
        assert!(!Arc::ptr_eq(&state.routes[0].targets[0].upstreams, &state.routes[1].targets[0].upstreams), "{more}");
    }
}

#[test]
fn a_route_without_its_source_is_an_error() {
    let mut config = config(&[SOURCES, ROUTES].concat());
    config.sources.remove("b");
    let Err(error) = build(&config, None) else { panic!("a route was left out") };
    assert!(error.to_string().contains("gateway.toml:13: there is no source `b`"), "{error}");
}

#[test]
fn a_configuration_does_not_show_a_secret_that_was_pasted_for_a_name() {
    let secret = "C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    for origin in ["env", "file"] {
        let sources = SOURCES.replace("public_keys = [\"KEY\"]", &format!("secrets = [{{ {origin} = \"{secret}\" }}]"));
        let shown = format!("{:?}", config(&[&sources, ROUTES].concat()));
        assert!(!shown.contains(&secret[..12]) && shown.contains("[hidden]"), "{shown}");
    }
}
