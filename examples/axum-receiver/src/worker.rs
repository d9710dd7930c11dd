//! Does the work for stored events, after their deliveries were acknowledged.

use countersign_inbox::worker::{Attempt, AttemptOutcome, Deliver};

use crate::imports::Imports;
use crate::slack::{self, Slack};
use crate::task::{Route, Task};

/// What the work needs.
pub(crate) struct Work {
    pub(crate) imports: Imports,
    pub(crate) slack: Option<Slack>,
}

impl Deliver for Work {
    /// Handles an event. It is called again if it fails, and if the process ends before the result is recorded.
    async fn deliver(&self, Attempt { message, number, .. }: Attempt) -> AttemptOutcome {
        let Some(task) = Task::read(&message) else {
            tracing::info!(message_id = message.key.message_id().as_str(), "authentic, but not an event");
            return AttemptOutcome::Done;
        };
        let message_id = task.message_id.clone();
        let worked = match task.route {
            Route::Import => self.imports.import(task).await.map_err(|error| error.to_string()),
            Route::Keep => Ok(()),
            Route::Announce => self.announce(&slack::message(&task)).await,
        };
        worked.map_or_else(
            |why| {
                tracing::warn!(message_id, attempt = number, %why, "an event is not handled yet");
                AttemptOutcome::failed(why)
            },
            |()| AttemptOutcome::Done,
        )
    }
}

impl Work {
    /// Sends a message. A crash before the end is recorded leads to a second one, because no transaction covers both.
    async fn announce(&self, text: &str) -> Result<(), String> {
        if let Some(slack) = &self.slack {
            return slack.post(text).await;
        }
        println!("{text}");
        Ok(())
    }
}
