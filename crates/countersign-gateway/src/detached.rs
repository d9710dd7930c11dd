//! Continues a request after its sender has disconnected.

use countersign_tower::detach::DetachedTask;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// Runs the rest of a request as one of `tasks`. Without a runtime, the request is dropped.
pub(crate) fn in_tasks(tasks: TaskTracker) -> impl Fn(DetachedTask) + Clone {
    move |rest| {
        if let Ok(runtime) = Handle::try_current() {
            tasks.spawn_on(rest, &runtime);
        }
    }
}
