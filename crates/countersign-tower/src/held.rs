use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use countersign::replay::Settled;
use countersign::{ClockReading, ReplayStore};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::budget::Reservation;
use crate::claim::{ClaimGuard, Confirming};
use crate::grpc;
use crate::policy::Unclaimed;
use crate::report::Outcome;
use crate::reporting::Reporting;
use crate::settle::{Ending, unconfirmed};
use crate::sources::Sources;

pin_project! {
    /// The body of an answer whose end decides: the claim is held until then.
    pub(crate) struct HeldBody<B> {
        #[pin]
        body: B,
        held: Box<Held>,
    }
}

/// What is held beside a body. In a box of its own: most bodies hold nothing.
struct Held {
    ending: Ending,
    /// Comes when the delivery is confirmed: whoever has seen the end may rely on it.
    last: Option<Frame<Bytes>>,
    state: State,
    /// Until it is settled. The lock is never taken: it makes what can only be sent shareable.
    settling: Mutex<Option<Box<dyn Settling>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Confirming,
    Settled,
}

/// How a delivery is settled, whatever the types of its store.
pub(crate) trait Settling: Send {
    /// The delivery was handled.
    fn poll_handled(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// The delivery was not handled.
    fn failed(&mut self);
}

impl<B> HeldBody<B> {
    pub(crate) fn new(body: B, ending: Ending, settling: Box<dyn Settling>) -> Self {
        let settling = Mutex::new(Some(settling));
        Self { body, held: Box::new(Held { ending, last: None, state: State::Open, settling }) }
    }
}

impl<B: Body<Data = Bytes>> Body for HeldBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let held = this.held;
        if held.state == State::Settled {
            return this.body.poll_frame(cx);
        }
        if held.state == State::Open {
            let frame = ready!(this.body.as_mut().poll_frame(cx)).transpose();
            let seen = match &frame {
                Ok(Some(frame)) => held.see(frame, this.body.is_end_stream()),
                Ok(None) => held.see_end(),
                Err(_) => Seen::Failure,
            };
            match seen {
                Seen::Middle => return Poll::Ready(frame.transpose()),
                Seen::Failure => {
                    held.fail();
                    return Poll::Ready(frame.transpose());
                }
                Seen::Success => {
                    held.last = frame.ok().flatten();
                    held.state = State::Confirming;
                }
            }
        }
        ready!(held.poll_confirm(cx));
        Poll::Ready(held.last.take().map(Ok))
    }

    /// Not before it is settled: a server that is told of the end does not ask for it.
    fn is_end_stream(&self) -> bool {
        self.held.state == State::Settled && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let waiting = self.held.last.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len) as u64;
        let inner = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + waiting);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + waiting);
        }
        hint
    }
}

/// What a frame means for the delivery.
enum Seen {
    Middle,
    Success,
    Failure,
}

impl Held {
    fn see(&mut self, frame: &Frame<Bytes>, is_end: bool) -> Seen {
        match (&mut self.ending, frame.trailers_ref()) {
            (Ending::Grpc, Some(trailers)) if grpc::succeeded(trailers) == Some(true) => Seen::Success,
            (Ending::Grpc, Some(_)) => Seen::Failure,
            (Ending::Grpc, None) if is_end => Seen::Failure,
            (Ending::Grpc, None) => Seen::Middle,
            (Ending::Http { .. }, Some(_)) => self.see_end(),
            (Ending::Http { left }, None) => {
                let sent = frame.data_ref().map_or(0, Bytes::len) as u64;
                *left = left.map(|left| left.saturating_sub(sent));
                match *left {
                    Some(0) => Seen::Success,
                    _ if is_end => self.see_end(),
                    _ => Seen::Middle,
                }
            }
        }
    }

    /// Servers break an answer off that ends before the length that it announced.
    fn see_end(&self) -> Seen {
        match self.ending {
            Ending::Http { left: None | Some(0) } => Seen::Success,
            Ending::Http { left: Some(_) } | Ending::Grpc => Seen::Failure,
        }
    }

    fn poll_confirm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let settling = self.settling.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(settling) = settling {
            ready!(settling.poll_handled(cx));
        }
        *settling = None;
        self.state = State::Settled;
        Poll::Ready(())
    }

    fn fail(&mut self) {
        if let Some(mut settling) = self.settling.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            settling.failed();
        }
        self.state = State::Settled;
    }
}

impl<B: fmt::Debug> fmt::Debug for HeldBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldBody").field("body", &self.body).field("ending", &self.held.ending).finish_non_exhaustive()
    }
}

/// The last of a delivery: its claim, and what is still to be said of it.
pub(crate) struct Settlement<K: Sources, St: ReplayStore> {
    confirming: Option<Confirming<K, St>>,
    // In this order: what is reported has happened.
    claim: Option<ClaimGuard<K, St>>,
    arrived: ClockReading,
    unclaimed: Option<Unclaimed>,
    reservation: Option<Reservation>,
    reporting: Reporting<K, St>,
}

impl<K: Sources, St: ReplayStore> Settlement<K, St> {
    pub(crate) fn new(
        claim: Option<ClaimGuard<K, St>>,
        arrived: ClockReading,
        unclaimed: Option<Unclaimed>,
        reservation: Option<Reservation>,
        reporting: Reporting<K, St>,
    ) -> Self {
        Self { confirming: None, claim, arrived, unclaimed, reservation, reporting }
    }
}

impl<K: Sources, St: ReplayStore> Settling for Settlement<K, St> {
    fn poll_handled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(claim) = self.claim.take() {
            let now = self.arrived.at(self.reporting.policy.clock.instant());
            self.confirming = claim.confirm(now);
        }
        let outcome = match &mut self.confirming {
            Some(confirming) => match ready!(confirming.poll(cx)) {
                Ok((_, Settled::Recorded)) => Outcome::Confirmed,
                Ok((_, Settled::Superseded)) | Err(_) => Outcome::Unrecorded,
            },
            None => unconfirmed(self.unclaimed, true),
        };
        self.reporting.give(outcome);
        Poll::Ready(())
    }

    fn failed(&mut self) {
        drop(self.claim.take());
        drop(self.reservation.take());
        self.reporting.give(unconfirmed(self.unclaimed, false));
    }
}
