//! Drives a hyper connection, and closes it if the client makes no progress.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Instant;

use countersign::clock::{Clock, SystemClock};
use tokio::sync::watch;
use tokio::time::sleep_until;

use super::activity::{Activity, Due, Moment, Timeouts};
use super::link::{Link, Status};
use super::slots::Phase;
use super::{Ending, MAX_HEAD};

/// How a connection ended.
pub(super) enum Ended {
    /// hyper has finished with it.
    Hyper(hyper::Result<()>),
    /// The client gets this response on HTTP/1.1, and then the connection is closed.
    Rejected(Ending),
    /// It is closed without a response.
    Closed,
    /// It is reset, because the client does not read.
    Unread,
}

/// The events that a connection waits for.
enum Event {
    Hyper(hyper::Result<()>),
    Rejected(Ending),
    /// An action is due earlier than expected.
    Earlier,
    Due,
    Phase,
}

/// Watches one connection.
pub(super) struct Watch<'a> {
    timeouts: Timeouts,
    link: &'a Link,
    activity: &'a Activity,
    phase: &'a mut watch::Receiver<Phase>,
    is_http1: bool,
    closing: Option<Instant>,
    checked: Instant,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        timeouts: Timeouts,
        link: &'a Link,
        activity: &'a Activity,
        phase: &'a mut watch::Receiver<Phase>,
        is_http1: bool,
    ) -> Self {
        Self { timeouts, link, activity, phase, is_http1, closing: None, checked: SystemClock.instant() }
    }

    /// Drives `connection` to its end. `stop` asks it to close after its current requests. `on_idle` is called if it is
    /// closed because it was idle.
    pub(super) async fn until_end<C: Future<Output = hyper::Result<()>>>(
        &mut self,
        mut connection: Pin<&mut C>,
        stop: impl Fn(Pin<&mut C>),
        on_idle: impl Fn(),
    ) -> Ended {
        let mut timeouts = self.timeouts.at(self.phase);
        let mut limit = pin!(sleep_until(self.due(timeouts).0.into()));
        loop {
            let armed = limit.deadline();
            let poll = poll_fn(|cx| {
                self.activity.begin_turn();
                if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                    return Poll::Ready(Event::Hyper(result));
                }
                let status = self.link.status();
                if let Some(ending) = self.rejection(status) {
                    return Poll::Ready(Event::Rejected(ending));
                }
                let (at, _) = self.moment(status).due(self.activity, timeouts);
                if at < armed.into_std() { Poll::Ready(Event::Earlier) } else { Poll::Pending }
            });
            let mut phase = self.phase.clone();
            let event = tokio::select! {
                biased;
                event = poll => event,
                _ = phase.changed() => Event::Phase,
                () = limit.as_mut() => Event::Due,
            };
            match event {
                Event::Hyper(result) => return Ended::Hyper(result),
                Event::Rejected(ending) => return Ended::Rejected(ending),
                Event::Earlier => {}
                Event::Due => match self.check(timeouts) {
                    None => {}
                    Some(Due::Check) if self.link.is_reset() => return Ended::Closed,
                    Some(Due::Check) => self.checked = SystemClock.instant(),
                    Some(Due::Linger) => return Ended::Closed,
                    Some(Due::Write) => return Ended::Unread,
                    Some(Due::Head) if self.is_http1 => return Ended::Rejected(Ending::HeadTimeout),
                    Some(Due::Head | Due::Idle) => {
                        if self.closing.is_some() {
                            return Ended::Closed;
                        }
                        on_idle();
                        if self.is_http1 {
                            return Ended::Closed;
                        }
                        self.closing = Some(SystemClock.instant());
                        stop(connection.as_mut());
                    }
                },
                Event::Phase if *self.phase.borrow_and_update() == Phase::Stopping => {
                    // Do not wait for the rest of a head.
                    if !self.activity.has_begun() {
                        return Ended::Closed;
                    }
                    self.closing = Some(SystemClock.instant());
                    stop(connection.as_mut());
                }
                // The responses of HTTP/1.1 say that they are the last.
                Event::Phase
                    if *self.phase.borrow() == Phase::Draining && !self.is_http1 && self.activity.has_begun() =>
                {
                    self.closing = Some(SystemClock.instant());
                    stop(connection.as_mut());
                }
                Event::Phase => timeouts = self.timeouts.at(self.phase),
            }
            limit.as_mut().reset(self.due(timeouts).0.into());
        }
    }

    /// The action that is due now.
    fn check(&self, timeouts: Timeouts) -> Option<Due> {
        let (at, due) = self.due(timeouts);
        (at <= SystemClock.instant()).then_some(due)
    }

    fn due(&self, timeouts: Timeouts) -> (Instant, Due) {
        self.moment(self.link.status()).due(self.activity, timeouts)
    }

    fn moment(&self, status: Status) -> Moment {
        Moment {
            lingering: status.lingering_since,
            blocked: status.blocked_since,
            head: status.head_since,
            closing: self.closing,
            checked: self.checked,
            one_at_a_time: self.is_http1,
        }
    }

    /// Why an incomplete head is rejected. Only if hyper has nothing left to write before that response.
    fn rejection(&self, status: Status) -> Option<Ending> {
        let is_busy = self.activity.open() > 0 || status.blocked_since.is_some() || status.lingering_since.is_some();
        if status.partial_head == 0 || is_busy {
            None
        } else if status.is_over_budget {
            Some(Ending::OverBudget)
        } else if status.partial_head > MAX_HEAD {
            Some(Ending::HeadTooLarge)
        } else {
            None
        }
    }
}
