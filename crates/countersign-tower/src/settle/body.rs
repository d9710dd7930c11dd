use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use countersign::clock::ClockReading;
use countersign::replay::ReplayStore;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::policy::Unclaimed;
use crate::read::budget::Reservation;
use crate::report::recorder::Reporting;
use crate::settle::claim::{ClaimGuard, Confirming};
use crate::settle::conclusion::{Ending, Judgement, recorded, unconfirmed};
use crate::sources::Sources;

pin_project! {
    /// A response body whose end settles the delivery. It holds the claim until then.
    pub(crate) struct SettlingBody<B> {
        #[pin]
        body: B,
        pending: Box<Pending>,
    }
}

/// An unsettled delivery. Boxed, because most bodies have none.
struct Pending {
    ending: Ending,
    /// The last frame. It is returned only after the confirmation, so a client that sees the end can rely on it.
    last: Option<Frame<Bytes>>,
    state: State,
    /// `None` once it is settled. Never locked: `Mutex` only turns a `Send` value into a `Sync` one.
    settling: Mutex<Option<Box<dyn Settling>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Confirming,
    Settled,
}

/// Settles a delivery, independent of the type of its store.
pub(crate) trait Settling: Send {
    /// The delivery was handled.
    fn poll_handled(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// The delivery was not handled.
    fn failed(&mut self);
}

impl<B> SettlingBody<B> {
    pub(crate) fn new(body: B, ending: Ending, settling: Box<dyn Settling>) -> Self {
        let settling = Mutex::new(Some(settling));
        Self { body, pending: Box::new(Pending { ending, last: None, state: State::Open, settling }) }
    }
}

impl<B: Body<Data = Bytes>> Body for SettlingBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let pending = this.pending;
        if pending.state == State::Settled {
            return this.body.poll_frame(cx);
        }
        if pending.state == State::Open {
            let frame = ready!(this.body.as_mut().poll_frame(cx)).transpose();
            let judgement = match &frame {
                Ok(Some(frame)) => pending.ending.judge(frame, this.body.is_end_stream()),
                Ok(None) => pending.ending.judge_end(),
                Err(_) => Judgement::Failed,
            };
            match judgement {
                Judgement::Open => return Poll::Ready(frame.transpose()),
                Judgement::Failed => {
                    pending.fail();
                    return Poll::Ready(frame.transpose());
                }
                Judgement::Handled => {
                    pending.last = frame.ok().flatten();
                    pending.state = State::Confirming;
                }
            }
        }
        ready!(pending.poll_confirm(cx));
        Poll::Ready(pending.last.take().map(Ok))
    }

    /// Never true before the delivery is settled, because a server that knows the end stops polling.
    fn is_end_stream(&self) -> bool {
        self.pending.state == State::Settled && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let waiting = self.pending.last.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len) as u64;
        let inner = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + waiting);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + waiting);
        }
        hint
    }
}

impl Pending {
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

impl<B: fmt::Debug> fmt::Debug for SettlingBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SettlingBody")
            .field("body", &self.body)
            .field("ending", &self.pending.ending)
            .finish_non_exhaustive()
    }
}

/// The claim and the report of a delivery that is not settled yet.
pub(crate) struct Settlement<K: Sources, St: ReplayStore> {
    confirming: Option<Confirming<K, St>>,
    // Fields drop in this order: release the claim first, then report.
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
            Some(confirming) => recorded(ready!(confirming.poll(cx)).ok().map(|(_, settled)| settled)),
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
