//! The timer of a connection.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Later than any connection lasts: 30 years.
const FAR: Duration = Duration::from_hours(30 * 365 * 24);

/// A timer whose deadline can be moved at little cost.
///
/// Nearly all deadlines are moved before they are reached. So the runtime is told of a later one only when the
/// earlier one passes.
#[derive(Debug)]
pub(super) struct Alarm {
    registered: Pin<Box<Sleep>>,
    deadline: Instant,
}

/// The time after this duration, on the clock of the runtime's timers, which tests stop.
#[expect(clippy::disallowed_methods, reason = "no other clock agrees with these timers")]
pub(super) fn after(duration: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(duration).unwrap_or(now + FAR)
}

impl Alarm {
    pub(super) fn at(deadline: Instant) -> Self {
        Self { registered: Box::pin(sleep_until(deadline)), deadline }
    }

    /// Moves the deadline.
    pub(super) fn set(&mut self, deadline: Instant) {
        self.deadline = deadline;
        if deadline < self.registered.deadline() {
            self.registered.as_mut().reset(deadline);
        }
    }

    /// Ready once the deadline has passed.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.registered.as_mut().poll(cx));
            if self.registered.deadline() >= self.deadline {
                return Poll::Ready(());
            }
            self.registered.as_mut().reset(self.deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn it_rings_at_the_last_deadline_whether_it_was_moved_forward_or_back() {
        for (first, moved) in [(1, 3), (3, 1), (2, 2)] {
            let start = after(Duration::ZERO);
            let mut alarm = Alarm::at(start + first * SECOND);
            alarm.set(start + moved * SECOND);
            poll_fn(|cx| alarm.poll(cx)).await;
            let rang = after(Duration::ZERO) - start;
            assert!(rang >= moved * SECOND && rang < moved * SECOND + SECOND / 10, "{first} {moved} {rang:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_rings_again_for_a_deadline_after_one_that_passed() {
        let start = after(Duration::ZERO);
        let mut alarm = Alarm::at(start + SECOND);
        poll_fn(|cx| alarm.poll(cx)).await;
        alarm.set(start + 5 * SECOND);
        poll_fn(|cx| alarm.poll(cx)).await;
        assert!(after(Duration::ZERO) - start >= 5 * SECOND);
    }
}
