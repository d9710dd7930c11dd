use std::io::{self, ErrorKind, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

/// The maximum number of bytes that wait in the queue. The same number may be in the thread's buffer.
const CAPACITY: usize = 1 << 20;
/// The delay before another write to a full pipe that does not block.
const PAUSE: Duration = Duration::from_millis(10);

/// Lines for the thread that writes them. The queue is bounded in bytes. Lines that do not fit are dropped.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    written: Condvar,
    dropped: Counter,
}

#[derive(Debug, Default)]
struct State {
    /// Complete lines only.
    waiting: Vec<u8>,
    is_writing: bool,
}

impl Queue {
    /// Creates a queue and its thread, which runs as long as the process.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Arc<Self>> {
        let queue = Arc::new(Self::default());
        let of_thread = Arc::clone(&queue);
        thread::Builder::new().name("log".into()).spawn(move || of_thread.write_to(out))?;
        Ok(queue)
    }

    pub(super) fn dropped(&self) -> Counter {
        self.dropped.clone()
    }

    /// Appends a line, which ends with its only newline, or drops it. Never waits for the output: the lock is
    /// held only to copy a line or to swap two buffers.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.waiting.len() + line.len() > CAPACITY {
            self.dropped.inc();
            return;
        }
        let was_empty = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        drop(state);
        if was_empty {
            self.filled.notify_one();
        }
    }

    /// Waits until all lines are written or lost, for at most `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let is_busy = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        drop(self.written.wait_timeout_while(self.lock(), limit, is_busy));
    }

    fn write_to(&self, out: impl Write) {
        let mut output = Output { out, mid_line: false };
        let (mut batch, mut told) = (Vec::new(), 0);
        loop {
            let state = self.filled.wait_while(self.lock(), |state| state.waiting.is_empty());
            let mut state = state.unwrap_or_else(PoisonError::into_inner);
            mem::swap(&mut state.waiting, &mut batch);
            state.is_writing = true;
            drop(state);
            let lost = output.write(&batch);
            batch.clear();
            let dropped = self.dropped.inc_by(lost) + lost;
            if lost == 0 && dropped > told {
                tracing::warn!(dropped = dropped - told, "log lines were dropped: nothing read them in time");
                told = dropped;
            }
            self.lock().is_writing = false;
            self.written.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Output<W> {
    out: W,
    /// Whether the last written byte is inside an incomplete line.
    mid_line: bool,
}

impl<W: Write> Output<W> {
    /// Writes complete lines. After an error, returns how many were lost. Later lines may succeed.
    fn write(&mut self, lines: &[u8]) -> u64 {
        let mut rest = lines;
        if self.mid_line && self.write_some(b"\n") != 1 {
            rest = &[];
        }
        let mut written = 0;
        while !rest.is_empty() {
            match self.write_some(rest) {
                0 => break,
                count => {
                    written += count;
                    rest = &rest[count..];
                }
            }
        }
        self.mid_line = match lines[..written].last() {
            Some(last) => *last != b'\n',
            None => self.mid_line,
        };
        lines[written..].iter().filter(|byte| **byte == b'\n').count().try_into().unwrap_or(u64::MAX)
    }

    /// Returns how many bytes were written, or none after an error.
    fn write_some(&mut self, bytes: &[u8]) -> usize {
        loop {
            match self.out.write(bytes) {
                Ok(count) => return count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
                Err(_) => return 0,
            }
        }
    }
}

#[cfg(test)]
impl Queue {
    /// The waiting lines, as text.
    pub(super) fn take(&self) -> String {
        String::from_utf8(mem::take(&mut self.lock().waiting)).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output whose calls do these steps in turn, and write everything after the last.
    struct Scripted(Vec<Result<usize, ErrorKind>>, Arc<Mutex<Vec<u8>>>);

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = if self.0.is_empty() { bytes.len() } else { self.0.remove(0)?.min(bytes.len()) };
            self.1.lock().unwrap().extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_no_line_is_joined_to_half_of_another() {
        let seen = Arc::default();
        let script = vec![
            Ok(4),
            Err(ErrorKind::BrokenPipe),
            Err(ErrorKind::StorageFull),
            Ok(1),
            Err(ErrorKind::Interrupted),
            Err(ErrorKind::WouldBlock),
        ];
        let mut output = Output { out: Scripted(script, Arc::clone(&seen)), mid_line: false };
        assert_eq!(output.write(b"a\nbcd\ne\n"), 2);
        assert!(output.mid_line);
        assert_eq!(output.write(b"f\ng\n"), 2);
        assert_eq!(output.write(b"h\ni\n"), 0);
        assert_eq!(*seen.lock().unwrap(), b"a\nbc\nh\ni\n");
    }

    #[test]
    fn a_full_queue_drops_lines_and_keeps_its_bound() {
        let queue = Queue::default();
        let line = [vec![b'x'; 1023], vec![b'\n']].concat();
        for _ in 0..CAPACITY / 1024 + 7 {
            queue.push(&line);
        }
        assert_eq!(queue.dropped.get(), 7);
        let state = queue.lock();
        assert_eq!(state.waiting.len(), CAPACITY);
    }

    #[test]
    fn flushing_waits_for_the_output_but_not_without_end() {
        struct Stuck;
        impl Write for Stuck {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                loop {
                    thread::park();
                }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let stuck = Queue::start(Stuck).unwrap();
        stuck.push(b"never\n");
        stuck.flush(Duration::from_millis(50));
        let seen = Arc::default();
        let flowing = Queue::start(Scripted(Vec::new(), Arc::clone(&seen))).unwrap();
        for _ in 0..100 {
            flowing.push(b"line\n");
        }
        flowing.flush(Duration::from_secs(20));
        assert_eq!((seen.lock().unwrap().len(), flowing.dropped.get()), (500, 0));
    }
}
