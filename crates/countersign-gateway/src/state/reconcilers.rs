//! What looks for the missing jobs of routes.

use std::path::Path;
use std::sync::Arc;

use countersign::clock::Clock;
use countersign_inbox::worker::SharedInbox;
use http::HeaderValue;

use super::outgoing::Outgoing;
use super::routes::LiveRoute;
use super::secrets::Secrets;
use crate::config::{KeyPath, Problem, Route};
use crate::inbox::RouteInbox;
use crate::metrics::Counts;
use crate::reconcile::{Reconciler, Settings, Target};

/// What was read for the table `reconcile` of a route.
pub(super) struct Access {
    key: HeaderValue,
    outgoing: Outgoing,
}

/// A reconciler, and how its requests leave.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) reconciler: Arc<Reconciler>,
    outgoing: Outgoing,
}

/// Reads what the table of this route names, if it has one. Relative paths start at `folder`.
pub(super) fn read(
    route: &Route,
    at: &KeyPath,
    secrets: &Secrets<'_>,
    folder: &Path,
) -> Result<Option<Access>, Problem> {
    let Some(spec) = &route.reconcile else { return Ok(None) };
    let key = secrets.read_value(&at.key("api_key"), &spec.api_key)?;
    let outgoing = Outgoing::read(spec.ca.as_ref(), spec.proxy.as_ref(), at, folder)?;
    Ok(Some(Access { key, outgoing }))
}

/// The reconciler of this route: one of the `known` ones, if nothing has changed.
pub(super) fn build(
    route: &LiveRoute,
    access: Access,
    inbox: Option<&SharedInbox>,
    known: &[Known],
    counts: &Counts,
    clock: &Arc<dyn Clock>,
) -> Option<Known> {
    let LiveRoute { config, source, .. } = route;
    let Access { key, outgoing } = access;
    let settings = Settings { spec: config.reconcile.clone()?, key, events: config.events.clone() };
    let path = config.path.text();
    let target = Target {
        inbox: RouteInbox::of(config, inbox.cloned()?),
        route: config.name(),
        path: if path.is_empty() { "/" } else { path }.to_owned(),
        source: config.source.clone(),
        retain: source.retain(),
    };
    let is_same =
        |known: &&Known| known.reconciler.is_like(&settings, &target) && known.outgoing.read_the_same(&outgoing);
    Some(known.iter().find(is_same).cloned().unwrap_or_else(|| {
        let counts = counts.of_reconcile(&config.name());
        let reconciler = Reconciler::new(settings, outgoing.client(), target, counts, Arc::clone(clock));
        Known { reconciler: Arc::new(reconciler), outgoing }
    }))
}
