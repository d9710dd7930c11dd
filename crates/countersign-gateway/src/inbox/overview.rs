//! The destinations of the inbox as operators see them.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_inbox::worker::SharedInbox;
use countersign_inbox::{Backlog, Inbox, InboxError};
use tokio::time::timeout;

use super::Destinations;

/// How long the inbox may take to tell.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A destination: one of the configuration, or one that still has deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// Its deliveries that are not done.
    pub backlog: Backlog,
    /// Whether it is in the configuration.
    pub is_configured: bool,
    /// Whether it gets no new attempts, because an operator has paused it.
    pub is_paused: bool,
    /// Whether it keeps failing, so that one delivery at a time tries it.
    pub is_failing: bool,
}

/// The destinations of the configuration, and others that have deliveries or are paused, sorted by name.
pub async fn overview(inbox: &SharedInbox, configured: &Destinations) -> Result<Vec<Overview>, InboxError> {
    let asked = async { Ok::<_, InboxError>((inbox.backlog().await?, inbox.paused().await?)) };
    let (backlogs, paused) = timeout(TIMEOUT, asked).await.unwrap_or(Err(InboxError::TimedOut))?;
    let empty = |destination: &str| Overview {
        backlog: Backlog { destination: destination.to_owned(), waiting: 0, leased: 0, dead: 0, oldest: None },
        is_configured: false,
        is_paused: false,
        is_failing: false,
    };
    let mut all = BTreeMap::<String, Overview>::new();
    for name in &configured.pulled {
        all.entry(name.clone()).or_insert_with(|| empty(name)).is_configured = true;
    }
    for worker in &configured.workers {
        let name = worker.destination();
        let entry = all.entry(name.to_owned()).or_insert_with(|| empty(name));
        (entry.is_configured, entry.is_failing) = (true, worker.is_failing());
    }
    for backlog in backlogs {
        let name = backlog.destination.clone();
        all.entry(name).or_insert_with_key(|name| empty(name)).backlog = backlog;
    }
    for name in paused {
        all.entry(name).or_insert_with_key(|name| empty(name)).is_paused = true;
    }
    Ok(all.into_values().collect())
}

/// The warning about deliveries of a destination that is not in the configuration.
pub fn warning(found: &Overview) -> Option<String> {
    let Backlog { destination, waiting, leased, dead, .. } = &found.backlog;
    let count = waiting + leased + dead;
    (!found.is_configured && count > 0).then(|| {
        format!(
            "the inbox has deliveries ({count}) for `{destination}`, which is not in the configuration: they are kept, and \
             not attempted; add the destination again, or discard them"
        )
    })
}
