//! Does the work for saved events, one at a time, after their deliveries were acknowledged.

use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::inbox::{Inbox, Task};
use crate::routing::Route;
use crate::slack::{self, Slack};

/// The pause after an error of the database.
const PAUSE: Duration = Duration::from_secs(5);

/// Works until `stop` is cancelled, and finishes the current event first.
pub(crate) async fn run(inbox: Inbox, slack: Option<Slack>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let pause = match work(&inbox, slack.as_ref()).await {
            Ok(None) => continue,
            Ok(Some(pause)) => pause,
            Err(error) => {
                tracing::error!(%error, "cannot use the database");
                PAUSE
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = inbox.news() => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Does the next due task. If none is due, returns the time until one is.
async fn work(inbox: &Inbox, slack: Option<&Slack>) -> rusqlite::Result<Option<Duration>> {
    let Some(task) = inbox.next().await? else { return Ok(Some(Duration::MAX)) };
    let early = task.due.as_millis().saturating_sub(SystemClock.now().as_millis());
    if early > 0 {
        return Ok(Some(Duration::from_millis(early)));
    }
    match task.route {
        Route::Import => inbox.import(task).await?,
        Route::Keep => inbox.done(task).await?,
        Route::Announce => announce(inbox, slack, task).await?,
    }
    Ok(None)
}

/// Sends a message and then records that it was sent. A crash in between leads to a second message, because no
/// transaction can cover both. Work that must happen exactly once belongs in the database, like imports.
async fn announce(inbox: &Inbox, slack: Option<&Slack>, task: Task) -> rusqlite::Result<()> {
    let text = slack::message(&task);
    let posted = if let Some(slack) = slack {
        slack.post(&text).await
    } else {
        println!("{text}");
        Ok(())
    };
    match posted {
        Ok(()) => inbox.done(task).await,
        Err(why) => {
            tracing::warn!(message_id = task.message_id, failures = task.failures + 1, %why, "cannot notify Slack");
            inbox.failed(task).await
        }
    }
}
