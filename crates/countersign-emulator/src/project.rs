//! Projects: every API key that is not empty has one of its own.

use std::collections::HashMap;

use crate::webhook::Webhook;

/// The maximum number of API keys that get a project.
const MAX_PROJECTS: usize = 1000;

/// Identifies a project without revealing its API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ProjectId(usize);

impl ProjectId {
    #[cfg(test)]
    pub(crate) const FIRST: Self = Self(0);
    /// The project of a key that has created nothing yet: it is empty, and takes no memory.
    pub(crate) const EMPTY: Self = Self(usize::MAX);

    /// Its number in `/_emulator`, in the order of first use, from 1.
    pub(crate) const fn number(self) -> usize {
        self.0.saturating_add(1)
    }
}

/// All projects, with their webhooks in the order of creation.
#[derive(Default)]
pub(crate) struct Projects {
    by_key: HashMap<String, ProjectId>,
    /// Each webhook with its number, which orders them.
    webhooks: Vec<Vec<(u64, Webhook)>>,
    last_webhook: u64,
}

impl Projects {
    /// The project of this key, created if necessary; `None` if there are too many.
    pub(crate) fn of_key(&mut self, key: &str) -> Option<ProjectId> {
        if let Some(project) = self.by_key.get(key) {
            return Some(*project);
        }
        if self.webhooks.len() >= MAX_PROJECTS {
            return None;
        }
        let project = ProjectId(self.webhooks.len());
        self.webhooks.push(Vec::new());
        self.by_key.insert(key.into(), project);
        Some(project)
    }

    /// The project of this key if it exists, else the empty one.
    pub(crate) fn known(&self, key: &str) -> ProjectId {
        self.by_key.get(key).copied().unwrap_or(ProjectId::EMPTY)
    }

    /// The project of this number.
    pub(crate) fn numbered(&self, number: u64) -> Option<ProjectId> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        (index < self.webhooks.len()).then_some(ProjectId(index))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = ProjectId> + use<> {
        (0..self.webhooks.len()).map(ProjectId)
    }

    /// The webhooks of a project, each with its number, which orders them.
    pub(crate) fn webhooks(&self, project: ProjectId) -> &[(u64, Webhook)] {
        self.webhooks.get(project.0).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn add_webhook(&mut self, project: ProjectId, webhook: Webhook) {
        self.last_webhook += 1;
        if let Some(webhooks) = self.webhooks.get_mut(project.0) {
            webhooks.push((self.last_webhook, webhook));
        }
    }

    pub(crate) fn remove_webhook(&mut self, project: ProjectId, id: &str) {
        if let Some(webhooks) = self.webhooks.get_mut(project.0) {
            webhooks.retain(|(_, webhook)| webhook.id != id);
        }
    }

    pub(crate) fn webhook(&mut self, project: ProjectId, id: &str) -> Option<&mut Webhook> {
        let webhooks = self.webhooks.get_mut(project.0)?.iter_mut();
        webhooks.map(|(_, webhook)| webhook).find(|webhook| webhook.id == id)
    }
}
