//! Which messages a destination gets: a pure function.

use std::cell::OnceCell;
use std::sync::Arc;

use countersign::filter::EventFilter;
use serde_json::{Map, Value};

use super::metadata::{text, user_metadata};
use crate::config::{DestinationSpec, TextPattern};

/// The destinations of a route, with the messages that each gets. Clones share them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selectors(Arc<[Selector]>);

#[derive(Debug, PartialEq, Eq)]
struct Selector {
    destination: String,
    events: Option<EventFilter>,
    metadata: Vec<(String, TextPattern)>,
}

impl Selectors {
    /// A single destination that gets all messages.
    pub fn all(destination: String) -> Self {
        Self(Arc::new([Selector { destination, events: None, metadata: Vec::new() }]))
    }

    /// These destinations.
    pub fn new<'a>(destinations: impl IntoIterator<Item = &'a DestinationSpec>) -> Self {
        let selector = |spec: &DestinationSpec| Selector {
            destination: spec.name.clone(),
            events: spec.events.as_ref().map(|events| events.filter().clone()),
            metadata: spec.metadata.iter().map(|(name, pattern)| (name.clone(), pattern.clone())).collect(),
        };
        Self(destinations.into_iter().map(selector).collect())
    }

    /// The destinations of a message with this type and body.
    pub fn of<'a>(&'a self, event_type: Option<&'a str>, body: &'a [u8]) -> impl Iterator<Item = &'a str> {
        let metadata = OnceCell::new();
        let matching = move |selector: &&Selector| {
            selector.events.as_ref().is_none_or(|events| events.admits(event_type))
                && (selector.metadata.is_empty()
                    || selector.has_metadata(metadata.get_or_init(|| user_metadata(body)).as_ref()))
        };
        self.0.iter().filter(matching).map(|selector| &*selector.destination)
    }
}

impl Selector {
    fn has_metadata(&self, metadata: Option<&Map<String, Value>>) -> bool {
        let value = |name: &str| metadata.and_then(|metadata| metadata.get(name)).map(text);
        self.metadata.iter().all(|(name, pattern)| value(name).is_some_and(|value| pattern.matches(&value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_goes_to_each_destination_whose_conditions_all_hold() {
        let spec = |text: &str| -> DestinationSpec {
            toml::from_str(&format!("upstream = [\"http://127.0.0.1:3000\"]\n{text}")).expect("a destination")
        };
        let selectors = Selectors::new(&[
            spec("name = \"all\""),
            spec("name = \"batch\"\nevents = [\"batch.*\"]"),
            spec("name = \"nightly\"\nevents = [\"*\"]\nmetadata = { job_group = \"nightly-*\", shard = \"7\" }"),
        ]);
        let of = |event_type, body: &str| selectors.of(event_type, body.as_bytes()).collect::<Vec<_>>().join(" ");
        let nightly = r#"{"user_metadata":{"job_group":"nightly-eu","shard":7}}"#;
        assert_eq!(of(Some("batch.failed"), nightly), "all batch nightly");
        assert_eq!(of(Some("video.generated"), nightly), "all nightly");
        assert_eq!(of(None, nightly), "all nightly");
        assert_eq!(of(Some("batch.failed"), r#"{"user_metadata":{"job_group":"nightly-eu"}}"#), "all batch");
        assert_eq!(of(None, "not JSON"), "all");
        assert_eq!(Selectors::all("/hook".to_owned()).of(None, b"").collect::<Vec<_>>(), ["/hook"]);
    }
}
