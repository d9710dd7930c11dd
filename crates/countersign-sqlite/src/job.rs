//! Jobs: operations that share a transaction, each with a receiver of its result.

use tokio::sync::oneshot;

use crate::batch::Batch;
use crate::error::{Failure, Stop};

/// An operation of a batch.
pub(crate) trait Job: Send {
    /// Whether it needs room for something new. If the disk is full, the others are still carried out.
    fn grows(&self) -> bool;

    /// Carries it out in the batch's transaction. It may be called again after the transaction was rolled back.
    fn run(&mut self, batch: &mut Batch<'_>) -> rusqlite::Result<()>;

    /// Reports the result: of `run` if the transaction was committed, else this failure.
    fn end(self: Box<Self>, failed: Option<Failure>);
}

/// A job from a function.
pub(crate) struct Act<T, F> {
    operation: F,
    grows: bool,
    result: Option<Result<T, Failure>>,
    reply: oneshot::Sender<Result<T, Failure>>,
}

impl<T, F> Act<T, F>
where
    T: Send,
    F: FnMut(&mut Batch<'_>) -> Result<T, Stop> + Send,
{
    pub(crate) fn new(grows: bool, act: F, reply: oneshot::Sender<Result<T, Failure>>) -> Self {
        Self { operation: act, grows, result: None, reply }
    }
}

impl<T, F> Job for Act<T, F>
where
    T: Send,
    F: FnMut(&mut Batch<'_>) -> Result<T, Stop> + Send,
{
    fn grows(&self) -> bool {
        self.grows
    }

    fn run(&mut self, batch: &mut Batch<'_>) -> rusqlite::Result<()> {
        self.result = Some(match (self.operation)(batch) {
            Ok(found) => Ok(found),
            Err(Stop::Rejected(failure)) => Err(failure),
            Err(Stop::Failed(error)) => return Err(error),
        });
        Ok(())
    }

    fn end(self: Box<Self>, failed: Option<Failure>) {
        let Self { operation, result, reply, .. } = *self;
        // What it shares with the caller belongs to the caller alone from now on.
        drop(operation);
        let result = match failed {
            Some(failure) => Err(failure),
            None => result.unwrap_or_else(|| Err(Failure::closed())),
        };
        // The caller may have given up. Its claim or its lease ends by itself.
        let _ = reply.send(result);
    }
}
