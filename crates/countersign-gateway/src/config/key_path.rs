//! Where a value is in a configuration.

/// The keys and positions that lead to a value: `sources`, `gemini`, `secrets`, 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyPath(Vec<Step>);

/// One step down from a table or an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The value of this key.
    Key(String),
    /// The entry at this position, counted from zero.
    Entry(usize),
}

impl KeyPath {
    /// The table `[server]`.
    pub(crate) fn server() -> Self {
        Self::default().key("server")
    }

    /// The table `[assertion]`.
    pub(crate) fn assertion() -> Self {
        Self::default().key("assertion")
    }

    /// The table `[store]`.
    pub(crate) fn store() -> Self {
        Self::default().key("store")
    }

    /// The table `[telemetry]`.
    pub(crate) fn telemetry() -> Self {
        Self::default().key("telemetry")
    }

    /// The listener for webhooks at this position, counted from zero.
    pub(crate) fn listener(position: usize) -> Self {
        Self::server().key("listen").entry(position)
    }

    /// The table of this source.
    pub(crate) fn source(name: &str) -> Self {
        Self::default().key("sources").key(name)
    }

    /// The route at this position, counted from zero.
    pub(crate) fn route(position: usize) -> Self {
        Self::default().key("routes").entry(position)
    }

    /// The value of this key in it.
    pub(crate) fn key(&self, name: &str) -> Self {
        self.then(Step::Key(name.to_owned()))
    }

    /// The entry at this position in it, counted from zero.
    pub(crate) fn entry(&self, position: usize) -> Self {
        self.then(Step::Entry(position))
    }

    pub(super) fn then(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The last key, and whether the path goes on to an entry of its array.
    pub(super) fn last_key(&self) -> Option<(&str, bool)> {
        match self.0.as_slice() {
            [.., Step::Key(key)] => Some((key, false)),
            [.., Step::Key(key), Step::Entry(_)] => Some((key, true)),
            _ => None,
        }
    }

    /// The table that the last key is in.
    pub(super) fn parent(&self) -> Self {
        let keys = self.0.iter().rposition(|step| matches!(step, Step::Key(_))).unwrap_or_default();
        Self(self.0[..keys].to_vec())
    }
}
