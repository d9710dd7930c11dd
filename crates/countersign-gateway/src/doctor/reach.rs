//! Whether publishers of key sets and upstreams can be reached.

use std::sync::Arc;

use countersign::KeySet;
use countersign_jwks::Fetch as _;

use super::report::{Check, Finding};
use crate::state::Publisher;
use crate::upstream::{Reached, Upstreams};

/// Fetches each key set once.
pub(super) async fn key_sets(publishers: &[Publisher]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for publisher in publishers {
        let fetch = publisher.fetch();
        let fetched = fetch.fetch().await.map_err(|error| error.to_string());
        let keys = fetched.and_then(|document| KeySet::parse(&document.body).map_err(|error| error.to_string()));
        findings.push(key_set(&fetch.location(), keys.as_ref().map(|set| set.labels().count())));
    }
    findings
}

fn key_set(location: &str, usable: Result<usize, &String>) -> Finding {
    match usable {
        Ok(0) => Finding::failed(
            Check::KeySet,
            format!("{location}: no key of the set can be used: `countersign jwks show {location}` says why"),
        ),
        Ok(1) => Finding::ok(Check::KeySet, format!("{location}: 1 usable key")),
        Ok(count) => Finding::ok(Check::KeySet, format!("{location}: {count} usable keys")),
        Err(error) => Finding::failed(
            Check::KeySet,
            format!("{location}: {error}: correct `jwks`, or let this machine reach the publisher"),
        ),
    }
}

/// Connects to each upstream once.
pub(super) async fn upstreams(all: &[Arc<Upstreams>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for upstreams in all {
        findings.extend(upstreams.reach().await.iter().map(upstream));
    }
    findings
}

fn upstream(reached: &Reached) -> Finding {
    let Reached { name, address, result } = reached;
    let named = match address {
        Some(address) if address != name => format!("{name} ({address})"),
        _ => name.clone(),
    };
    match result {
        Ok(()) => Finding::ok(Check::Upstream, format!("{named}: reachable")),
        Err(error) => Finding::failed(
            Check::Upstream,
            format!("{named}: cannot be used ({error}): start the backend, or correct `upstream`"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    #[test]
    fn a_set_without_a_usable_key_fails() {
        assert_eq!(key_set("a", Ok(0)).status(), Status::Failed);
        assert_eq!(key_set("a", Err(&"it is away".to_owned())).status(), Status::Failed);
        assert!(key_set("a", Ok(1)).message().ends_with("1 usable key"));
        assert!(key_set("a", Ok(2)).message().ends_with("2 usable keys"));
    }

    #[test]
    fn an_upstream_is_named_once() {
        let reached = |address: Option<&str>, result| {
            upstream(&Reached { name: "a:80".into(), address: address.map(Into::into), result })
        };
        assert_eq!(reached(Some("a:80"), Ok(())).message(), "a:80: reachable");
        assert!(reached(Some("127.0.0.1:80"), Ok(())).message().starts_with("a:80 (127.0.0.1:80): "));
        assert_eq!(reached(None, Err("it has no address".into())).status(), Status::Failed);
    }
}
