//! Reading the configuration again: keys that only a restart can change keep the values that the process started with.

use super::error::{ConfigError, Problem, Warning};
use super::key_path::KeyPath;
use super::server::{Server, least_budget};
use super::{Config, Route};

impl Config {
    /// This configuration as the running process can use it: with the `[server]`, `[store]` and `[telemetry]` of
    /// `started`, the configuration that the process started with. Each key that differs is a warning.
    ///
    /// # Errors
    ///
    /// A body that a route accepts does not fit into the `body_budget` of the process.
    pub fn for_running(self, started: &Self) -> Result<Self, ConfigError> {
        let (budget, largest) = (started.body_budget(), self.largest_body());
        if budget < least_budget(largest) {
            let position = self.routes.iter().position(|Route { body_limit, .. }| *body_limit == largest);
            let at = KeyPath::route(position.unwrap_or_default()).key("body_limit");
            let message = format!(
                "a body of {largest} bytes does not fit into the `body_budget` of {budget} bytes that the process started \
                 with: lower it, or restart"
            );
            return Err(self.document.error(Problem::at(&at, message)));
        }
        let warn = |key: Option<&str>| {
            let (at, what) = match key {
                Some(key) => (KeyPath::server().key(key), format!("`{key}`")),
                None => (KeyPath::server(), "a key of [server]".to_owned()),
            };
            let message = format!("{what} has changed, and keeps its previous value until the process is restarted");
            self.document.warning(Problem::at(&at, message))
        };
        let mut warnings = self.warnings.clone();
        warnings.extend(changed(&started.server, &self.server).into_iter().map(warn));
        for (table, at, differs) in [
            ("store", KeyPath::store(), started.store != self.store),
            ("telemetry", KeyPath::telemetry(), started.telemetry != self.telemetry),
        ] {
            if differs {
                let message =
                    format!("`{table}` has changed, and keeps its previous value until the process is restarted");
                warnings.push(self.document.warning(Problem::at(&at, message)));
            }
        }
        warnings.sort_by_key(Warning::line);
        // Its default depends on the routes, and the process keeps the one of the routes that it started with.
        let server = Server { body_budget: Some(budget), ..started.server.clone() };
        let (store, telemetry) = (started.store.clone(), started.telemetry.clone());
        Ok(Self { server, store, telemetry, warnings, ..self })
    }
}

/// The keys with different values; `None` is a key that is not in the list here.
fn changed(one: &Server, other: &Server) -> Vec<Option<&'static str>> {
    let keys = [
        ("listen", one.listen != other.listen),
        ("admin", one.admin != other.admin),
        ("admin_token", one.admin_token != other.admin_token),
        ("inbox_bodies", one.inbox_bodies != other.inbox_bodies),
        ("inspect", one.inspect != other.inspect),
        ("pull", one.pull != other.pull),
        ("trusted_proxies", one.trusted_proxies != other.trusted_proxies),
        ("threads", one.threads != other.threads),
        ("max_connections", one.max_connections != other.max_connections),
        ("client_limits", one.client_limits != other.client_limits),
        ("body_budget", one.body_budget != other.body_budget),
        ("head_timeout", one.head_timeout != other.head_timeout),
        ("idle_timeout", one.idle_timeout != other.idle_timeout),
        ("write_timeout", one.write_timeout != other.write_timeout),
        ("drain_delay", one.drain_delay != other.drain_delay),
        ("shutdown_timeout", one.shutdown_timeout != other.shutdown_timeout),
        ("reload_on_change", one.reload_on_change != other.reload_on_change),
        ("accelerate", one.accelerate != other.accelerate),
    ];
    let mut changed: Vec<_> = keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| Some(key)).collect();
    if changed.is_empty() && one != other {
        changed.push(None);
    }
    changed
}
