//! Background tasks for the items of a list that a reload may change.

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// Runs a task for each item, and ends the tasks of items that leave the list. It never ends.
pub(super) async fn follow<L, T, F>(
    mut list: watch::Receiver<L>,
    items: fn(&L) -> Vec<T>,
    is_same: fn(&T, &T) -> bool,
    task: impl Fn(T) -> F + Send,
) where
    L: Send + Sync,
    T: Clone + Send + Sync,
    F: Future<Output = ()> + Send + 'static,
{
    let mut running = Vec::<(T, AbortOnDropHandle<()>)>::new();
    loop {
        let wanted = items(&list.borrow_and_update());
        running.retain(|(old, _)| wanted.iter().any(|item| is_same(item, old)));
        for item in wanted {
            if !running.iter().any(|(old, _)| is_same(&item, old)) {
                let handle = AbortOnDropHandle::new(tokio::spawn(task(item.clone())));
                running.push((item, handle));
            }
        }
        if list.changed().await.is_err() {
            // The list does not change any more, and its tasks go on.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn tasks_start_and_end_with_their_items_and_others_go_on() {
        let (items, list) = watch::channel(vec![Arc::new(1), Arc::new(2)]);
        let kept = Arc::clone(&items.borrow()[1]);
        let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
        let task = move |item: Arc<i32>| {
            started.send(*item).unwrap();
            async move {
                std::future::pending::<()>().await;
                drop(item);
            }
        };
        let _following = AbortOnDropHandle::new(tokio::spawn(follow(list, Vec::clone, Arc::ptr_eq, task)));
        assert_eq!((starts.recv().await, starts.recv().await), (Some(1), Some(2)));
        let gone = Arc::downgrade(&items.borrow()[0]);
        items.send(vec![Arc::clone(&kept), Arc::new(3)]).unwrap();
        assert_eq!(starts.recv().await, Some(3));
        while gone.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
        // `kept`, its place in both lists, and its one task.
        assert_eq!(Arc::strong_count(&kept), 4);
        assert!(starts.try_recv().is_err());
    }
}
