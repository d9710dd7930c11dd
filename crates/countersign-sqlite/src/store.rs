//! The store: a queue in front of a thread that writes, and one in front of a thread that reads.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread;

use countersign::clock::ClockReading;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::batch::Batch;
use crate::error::{Failure, OpenError, Stop};
use crate::job::Act;
use crate::open;
use crate::options::Options;
use crate::queue::{Queue, Rejected};
use crate::replies::Replies;
use crate::stats::{Meter, Stats};
use crate::time::clamped;
use crate::waiting::Waiting;
use crate::writer::{Jobs, Queued, Writer};

/// A durable store in an SQLite file. Clones share it. The file is closed after the last clone is dropped.
#[derive(Clone)]
pub struct SqliteStore(Arc<Shared>);

struct Shared {
    jobs: Arc<Jobs>,
    reads: Arc<Reads>,
    meter: Arc<Meter>,
    replies: Replies,
    /// The first reading of the callers' clock. Later times are measured from it.
    origin: OnceLock<ClockReading>,
}

type Read = Box<dyn FnOnce(rusqlite::Result<&Connection>) + Send>;
type Reads = Queue<Read>;

/// Whether an operation needs room, and whether it may be rejected because others wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It adds something, such as a claim or a message.
    Room,
    /// It can be repeated, such as a lease.
    Nothing,
    /// It records what has happened, such as a confirmation.
    Certainty,
}

impl SqliteStore {
    /// Opens or creates the file, and migrates an older one. It blocks until all ids are read.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let path = path.as_ref().to_owned();
        let (jobs, reads, meter) = (Arc::new(Queue::new()), Arc::new(Queue::new()), Arc::new(Meter::default()));
        let writer = Writer::open(path.clone(), options, Arc::clone(&meter))?;
        let queue = Arc::clone(&jobs);
        start("store-writer", move || {
            let _abandon = Abandon(&queue);
            writer.run(&queue);
        })?;
        let store = Self(Arc::new(Shared {
            jobs,
            reads: Arc::clone(&reads),
            meter,
            replies: Replies::default(),
            origin: OnceLock::new(),
        }));
        start("store-reader", move || {
            let _abandon = Abandon(&reads);
            let mut db = None;
            while let Some(jobs) = reads.take() {
                for read in jobs {
                    match db.take().map_or_else(|| open::reader(&path), Ok) {
                        Ok(open) => {
                            read(Ok(&open));
                            db = Some(open);
                        }
                        Err(error) => read(Err(error)),
                    }
                }
            }
        })?;
        Ok(store)
    }

    /// What the store has counted so far.
    pub fn stats(&self) -> Stats {
        self.0.meter.read(self.0.jobs.len())
    }

    /// Writes to the file, to learn whether it works again after [`Stats::failing`].
    pub fn probe(&self) -> Waiting<()> {
        Waiting(self.act(Need::Nothing, 0, |batch| {
            batch.next_token();
            Ok(())
        }))
    }

    /// The time of the store for this reading, in milliseconds since the Unix epoch. It does not jump.
    pub(crate) fn time(&self, now: ClockReading) -> u64 {
        clamped(self.0.origin.get_or_init(|| now).at(now.monotonic).wall.as_millis())
    }

    /// Queues an operation with this size in bytes. The receiver gets its result once it is on disk.
    pub(crate) fn act<T, F>(&self, need: Need, bytes: usize, act: F) -> oneshot::Receiver<Result<T, Failure>>
    where
        T: Send + 'static,
        F: FnMut(&mut Batch<'_>) -> Result<T, Stop> + Send + 'static,
    {
        let (reply, receiver) = oneshot::channel();
        let job = Act::new(need == Need::Room, act, reply);
        let queued = Queued { job: Box::new(job), route: self.0.replies.route() };
        let pushed = self.0.jobs.push(queued, bytes, need == Need::Certainty);
        pushed.map_or_else(rejected, |()| receiver)
    }

    /// Queues a query on the connection that only reads.
    pub(crate) fn read<T, F>(&self, query: F) -> oneshot::Receiver<Result<T, Failure>>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, receiver) = oneshot::channel();
        let read: Read = Box::new(move |db| {
            let _ = reply.send(db.and_then(query).map_err(Failure::from));
        });
        self.0.reads.push(read, 0, false).map_or_else(rejected, |()| receiver)
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("stats", &self.stats()).finish()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.jobs.close();
        self.reads.close();
    }
}

/// Closes a queue when its thread ends, for whatever reason, so that nobody waits for it.
struct Abandon<'a, T>(&'a Queue<T>);

impl<T> Drop for Abandon<'_, T> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

fn start(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map(drop).map_err(OpenError::Thread)
}

/// A result that is there at once.
fn rejected<T>(why: Rejected) -> oneshot::Receiver<Result<T, Failure>> {
    let (reply, receiver) = oneshot::channel();
    let _ = reply.send(Err(match why {
        Rejected::NoRoom => Failure::overloaded(),
        Rejected::Closed => Failure::closed(),
    }));
    receiver
}
