//! The backend: its moods, and what it records.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign::clock::{Clock as _, SystemClock};

use super::ledger::Ledger;
use super::plan::Mood;
use super::senders::body_of;
use crate::common::{Answer, Backend, Seen};

const MOODS: [Mood; 5] = [Mood::Good, Mood::Failing, Mood::Slow, Mood::Closing, Mood::Down];

/// A backend whose behaviour changes.
pub(super) struct Moody {
    running: Option<Backend>,
    address: SocketAddr,
    mood: Arc<AtomicUsize>,
    ledger: Arc<Ledger>,
}

impl Moody {
    pub(super) async fn start(ledger: Arc<Ledger>) -> Self {
        let mut moody =
            Self { running: None, address: "127.0.0.1:0".parse().expect("an address"), mood: Arc::default(), ledger };
        moody.listen().await;
        moody
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) async fn change(&mut self, mood: Mood) {
        let position = MOODS.iter().position(|known| *known == mood).unwrap_or_default();
        self.mood.store(position, Ordering::SeqCst);
        match (&mut self.running, mood) {
            (Some(running), Mood::Down) => {
                running.stop().await;
                self.running = None;
            }
            (None, mood) if mood != Mood::Down => self.listen().await,
            _ => {}
        }
    }

    async fn listen(&mut self) {
        let (mood, ledger) = (Arc::clone(&self.mood), Arc::clone(&self.ledger));
        let backend = Backend::at(self.address, move |seen| answer(MOODS[mood.load(Ordering::SeqCst)], seen, &ledger));
        let backend = backend.await;
        self.address = backend.address();
        self.running = Some(backend);
    }
}

fn answer(mood: Mood, seen: &Seen, ledger: &Ledger) -> Answer {
    let number = seen.id().strip_prefix("msg_").and_then(|number| number.parse().ok());
    let number =
        number.filter(|number| seen.body == body_of(*number) && seen.header("countersign-verdict") == Some("verified"));
    let Some(number) = number else {
        ledger.entries().intruders.push(format!("{}: {}", seen.id(), seen.request_line));
        return Answer::Status(200);
    };
    let status = match mood {
        Mood::Failing => return Answer::Status(500),
        Mood::Closing => return Answer::Close,
        // Longer than `upstream_timeout`.
        Mood::Slow => Answer::Slow(1500, 200),
        Mood::Good | Mood::Down => Answer::Status(200),
    };
    ledger.entries().handled.entry(number).or_default().push(SystemClock.instant());
    status
}
