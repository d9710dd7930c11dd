//! Operations of one kind, which wait together and are carried out together.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use countersign::replay::StoreError;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{Mutex, Notify, oneshot};
use tokio::task::spawn_local;
use tokio::time::sleep;
use tokio_postgres::{Client, Error};

use crate::session::{Connector, Session};

/// The maximum number of operations in a statement.
const BATCH: usize = 256;
/// The size of the operations in a statement, beyond which it has no other.
const BATCH_BYTES: usize = 4 << 20;
/// How many connections a lane has. While one waits for the disk, the other carries out the next operations.
const SESSIONS: usize = 2;

/// How long a connection collects operations. The other one can have lost its server.
const PATIENCE: Duration = Duration::from_millis(20);
/// The pause before operations are repeated.
const PAUSE: Duration = Duration::from_millis(50);

/// An operation, and where its result is expected. If nobody expects it any more, it is not repeated.
pub(crate) struct Waiting<O: Operation> {
    pub(crate) operation: O,
    reply: oneshot::Sender<Result<O::Outcome, StoreError>>,
}

pub(crate) trait Operation: Sized + 'static {
    type Outcome: Clone + 'static;

    /// Operations with the same key are never in one statement.
    fn key(&self) -> &str;

    /// About how many bytes it sends.
    fn size(&self) -> usize {
        0
    }

    /// The result for an operation whose key is also that of an operation before it, if it can be known without the
    /// server.
    fn after(earlier: &Self::Outcome) -> Option<Self::Outcome>;

    /// Carries out operations in one transaction. Their keys are sorted, so that two transactions never wait for each
    /// other. Returns an outcome for each operation.
    async fn carry_out(client: &mut Client, operations: &[&Self]) -> Result<Vec<Self::Outcome>, Error>;
}

pub(crate) struct Lane<O: Operation> {
    waiting: UnboundedSender<Waiting<O>>,
    trouble: Trouble,
}

/// Why operations are being repeated, if they are.
type Trouble = Rc<RefCell<Option<StoreError>>>;

impl<O: Operation> Lane<O> {
    /// Starts the tasks of the lane. They end when it is dropped.
    pub(crate) fn start(connector: &Connector) -> Self {
        let (waiting, receiver) = mpsc::unbounded_channel();
        let (trouble, shared) = (Trouble::default(), Rc::new(Shared::new(receiver)));
        for _ in 0..SESSIONS {
            spawn_local(serve(Session::new(connector.clone()), Rc::clone(&shared), Rc::clone(&trouble)));
        }
        Self { waiting, trouble }
    }

    /// The error of a call whose time is over.
    pub(crate) fn late(&self) -> StoreError {
        self.trouble.borrow().clone().unwrap_or(StoreError::timed_out())
    }

    pub(crate) async fn ask(&self, operation: O) -> Result<O::Outcome, StoreError> {
        let (reply, outcome) = oneshot::channel();
        let _ = self.waiting.send(Waiting { operation, reply });
        outcome.await.unwrap_or_else(|_| Err(StoreError::unavailable("the thread of the store has ended")))
    }
}

/// What the connections of a lane share.
struct Shared<O: Operation> {
    waiting: Mutex<UnboundedReceiver<Waiting<O>>>,
    /// How many operations are being carried out.
    running: Cell<usize>,
    /// That there are fewer.
    ended: Notify,
}

impl<O: Operation> Shared<O> {
    fn new(waiting: UnboundedReceiver<Waiting<O>>) -> Self {
        Self { waiting: Mutex::new(waiting), running: Cell::new(0), ended: Notify::new() }
    }

    /// Collects as many operations as another connection carries out, or until that has ended. A statement for a few of
    /// them would take about as long, and the next operations would wait for it. Returns none when the lane has ended.
    async fn collect(&self) -> Vec<Waiting<O>> {
        let mut batch = Vec::new();
        let mut waiting = self.waiting.lock().await;
        let mut received = waiting.recv_many(&mut batch, BATCH).await;
        let patience = sleep(PATIENCE);
        tokio::pin!(patience);
        while received > 0 && batch.len() < self.running.get().min(BATCH) {
            let left = BATCH.saturating_sub(batch.len());
            tokio::select! {
                more = waiting.recv_many(&mut batch, left) => received = more,
                () = self.ended.notified() => {}
                () = &mut patience => break,
            }
        }
        self.running.set(self.running.get().saturating_add(batch.len()));
        batch
    }

    fn end(&self, operations: usize) {
        self.running.set(self.running.get().saturating_sub(operations));
        self.ended.notify_waiters();
    }
}

async fn serve<O: Operation>(mut session: Session, shared: Rc<Shared<O>>, trouble: Trouble) {
    loop {
        let mut batch = shared.collect().await;
        let operations = batch.len();
        if operations == 0 {
            return;
        }
        let mut is_alone = false;
        while !batch.is_empty() {
            batch = step(&mut session, batch, &mut is_alone, &trouble).await;
        }
        shared.end(operations);
    }
}

/// Carries out the first operation with each key, and returns those that are left. After a temporary failure, these are
/// all whose callers still wait. If the server rejects a value, each operation `is_alone` in its statement from then on,
/// so that only its own caller gets the error.
async fn step<O: Operation>(
    session: &mut Session,
    mut batch: Vec<Waiting<O>>,
    is_alone: &mut bool,
    trouble: &Trouble,
) -> Vec<Waiting<O>> {
    batch.retain(|waiting| !waiting.reply.is_closed());
    if batch.is_empty() {
        return batch;
    }
    // Stable, so that operations with the same key stay in their order.
    batch.sort_by(|one, other| one.operation.key().cmp(other.operation.key()));
    let mut later = batch.split_off(statement_len(&batch, *is_alone));
    let operations: Vec<&O> =
        same_key(&batch).filter_map(|group| group.first()).map(|first| &first.operation).collect();
    let count = operations.len();
    let outcome = session.attempt(count, &async |client: &mut Client| O::carry_out(client, &operations).await).await;
    let mut left = match outcome {
        Ok(outcomes) => {
            *trouble.borrow_mut() = None;
            settle(batch, outcomes)
        }
        Err(failure) if failure.is_temporary() => {
            *trouble.borrow_mut() = Some(failure.into());
            sleep(PAUSE).await;
            batch
        }
        Err(failure) if failure.is_of_a_value() && count > 1 => {
            *is_alone = true;
            batch
        }
        Err(failure) => {
            let error = StoreError::from(failure);
            for waiting in batch {
                let _ = waiting.reply.send(Err(error.clone()));
            }
            Vec::new()
        }
    };
    left.append(&mut later);
    left
}

/// How many of these sorted operations are in the next statement. Operations with the same key stay together.
fn statement_len<O: Operation>(batch: &[Waiting<O>], is_alone: bool) -> usize {
    let (mut len, mut bytes) = (0, 0_usize);
    for group in same_key(batch) {
        bytes = bytes.saturating_add(group.first().map_or(0, |first| first.operation.size()));
        if len > 0 && (is_alone || bytes > BATCH_BYTES) {
            break;
        }
        len += group.len();
    }
    len
}

fn same_key<O: Operation>(batch: &[Waiting<O>]) -> impl Iterator<Item = &[Waiting<O>]> {
    batch.chunk_by(|one, other| one.operation.key() == other.operation.key())
}

fn settle<O: Operation>(batch: Vec<Waiting<O>>, outcomes: Vec<O::Outcome>) -> Vec<Waiting<O>> {
    let (mut left, mut outcomes) = (Vec::new(), outcomes.into_iter());
    let mut last: Option<(String, O::Outcome)> = None;
    for waiting in batch {
        let key = waiting.operation.key();
        match &last {
            Some((known, earlier)) if known == key => match O::after(earlier) {
                Some(outcome) => drop(waiting.reply.send(Ok(outcome))),
                None => left.push(waiting),
            },
            _ => {
                let Some(outcome) = outcomes.next() else { break };
                last = Some((key.to_owned(), outcome.clone()));
                let _ = waiting.reply.send(Ok(outcome));
            }
        }
    }
    left
}
