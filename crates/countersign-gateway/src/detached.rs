//! A request goes on when its sender has gone.

use countersign_tower::detach::DetachedTask;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// Runs what is left of a request as one of `tasks`; gives it up if there is no runtime any more.
pub(crate) fn in_tasks(tasks: TaskTracker) -> impl Fn(DetachedTask) + Clone {
    move |rest| {
        if let Ok(runtime) = Handle::try_current() {
            tasks.spawn_on(rest, &runtime);
        }
    }
}
