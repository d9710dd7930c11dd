//! Does the work, one event after the other, when its delivery has long been answered.

use std::time::Duration;

use countersign::{Clock, SystemClock};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::inbox::{Inbox, Task};
use crate::routing::Route;
use crate::slack::{self, Slack};

/// How long to leave a database alone that cannot be read.
const PAUSE: Duration = Duration::from_secs(5);

/// Works until it is told to stop, and then ends what it is at.
pub(crate) async fn run(inbox: Inbox, slack: Option<Slack>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let pause = match work(&inbox, slack.as_ref()).await {
            Ok(None) => continue,
            Ok(Some(pause)) => pause,
            Err(error) => {
                tracing::error!(%error, "the database cannot be used");
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

/// Does what is due. If nothing is, it says for how long.
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

/// A crash between the message and the note that it was sent makes a second message: nothing can put both
/// into one transaction. What has to happen once is better written to the database, as imports are.
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
            tracing::warn!(message_id = task.message_id, failures = task.failures + 1, %why, "Slack was not told");
            inbox.failed(task).await
        }
    }
}
