//! Brings results to the tasks that wait for them, with one wake-up for each runtime.
//!
//! To wake a task of another thread costs a system call, and often the processor at once. So the thread that writes passes
//! the results of a batch to a task of each runtime, which wakes the others from within.

use std::sync::{PoisonError, RwLock};

use tokio::runtime::{self, Handle};
use tokio::sync::mpsc::{self, UnboundedSender};

use crate::error::Failure;
use crate::job::Job;

/// Jobs that have ended, each with the failure of its transaction, if it has failed.
type Ended = Vec<(Box<dyn Job>, Option<Failure>)>;

/// Where a runtime gets its results. There are never more on their way than callers that wait.
pub(crate) type Route = UnboundedSender<Ended>;

/// The routes to the runtimes that wait for results.
#[derive(Debug, Default)]
pub(crate) struct Replies(RwLock<Vec<(runtime::Id, Route)>>);

impl Replies {
    /// The route to this runtime. `None` without a runtime.
    pub(crate) fn route(&self) -> Option<Route> {
        let runtime = Handle::try_current().ok()?;
        let routes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let known = routes.iter().find(|(id, _)| *id == runtime.id()).map(|(_, route)| route.clone());
        drop(routes);
        Some(known.unwrap_or_else(|| self.add(&runtime)))
    }

    fn add(&self, runtime: &Handle) -> Route {
        let (route, mut results) = mpsc::unbounded_channel::<Ended>();
        runtime.spawn(async move {
            while let Some(ended) = results.recv().await {
                for (job, failed) in ended {
                    job.end(failed);
                }
            }
        });
        let mut routes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Those of runtimes that have ended, and one that another thread has added in the meantime.
        routes.retain(|(id, route)| !route.is_closed() && *id != runtime.id());
        routes.push((runtime.id(), route.clone()));
        route
    }
}

/// The results of a batch.
#[derive(Default)]
pub(crate) struct Results(Vec<(Route, Ended)>);

impl Results {
    /// Adds a result. Without a route, its task is woken at once.
    pub(crate) fn add(&mut self, route: Option<Route>, job: Box<dyn Job>, failed: Option<Failure>) {
        let Some(route) = route else { return job.end(failed) };
        match self.0.iter_mut().find(|(known, _)| known.same_channel(&route)) {
            Some((_, ended)) => ended.push((job, failed)),
            None => self.0.push((route, vec![(job, failed)])),
        }
    }

    pub(crate) fn send(self) {
        for (route, ended) in self.0 {
            // Its runtime has ended.
            for (job, failed) in route.send(ended).err().map(|unsent| unsent.0).unwrap_or_default() {
                job.end(failed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread::{self, ThreadId};

    use tokio::runtime::Builder;

    use super::*;
    use crate::batch::Batch;

    /// Tells the number of a job, and the thread on which it ends.
    struct Told(u8, Sender<(u8, ThreadId)>);

    impl Job for Told {
        fn grows(&self) -> bool {
            false
        }

        fn run(&mut self, _: &mut Batch<'_>) -> rusqlite::Result<()> {
            Ok(())
        }

        fn end(self: Box<Self>, _: Option<Failure>) {
            self.1.send((self.0, thread::current().id())).expect("the test waits");
        }
    }

    /// The jobs that have ended so far, in their order, each with its thread.
    fn ended(told: &Receiver<(u8, ThreadId)>) -> Vec<(u8, ThreadId)> {
        told.try_iter().collect()
    }

    #[test]
    fn jobs_end_in_the_runtime_of_their_caller_and_without_one_at_once() {
        let (tell, told) = channel();
        let job = |number| Box::new(Told(number, tell.clone()));
        let here = thread::current().id();
        let replies = Replies::default();
        assert!(replies.route().is_none(), "there is no runtime");
        let runtime = Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
        let there = runtime.block_on(async { tokio::spawn(async { thread::current().id() }).await }).expect("a thread");
        let route = runtime.block_on(async { replies.route() }).expect("a route");
        let again = runtime.block_on(async { replies.route() }).expect("a route");
        assert!(route.same_channel(&again), "a runtime has one route");

        let mut results = Results::default();
        results.add(Some(route.clone()), job(1), None);
        results.add(Some(again), job(2), None);
        results.add(None, job(3), None);
        assert_eq!(ended(&told), [(3, here)], "the others wait for the end of the batch");
        results.send();
        assert_eq!([told.recv(), told.recv()], [Ok((1, there)), Ok((2, there))]);

        runtime.shutdown_background();
        while !route.is_closed() {
            thread::yield_now();
        }
        let mut results = Results::default();
        results.add(Some(route), job(4), None);
        results.send();
        assert_eq!(ended(&told), [(4, here)], "a runtime that has ended");
    }
}
