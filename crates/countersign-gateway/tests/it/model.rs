//! Against a backend that fails at random, each delivery is handled with success exactly once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::common::{Answer, Backend, Connection, Gateway, Raw, Running, Wire, delivery, noise};
use countersign::clock::{Clock, SystemClock};
use http::StatusCode;

const IDS: usize = 250;
const SENDERS_PER_ID: usize = 3;

/// Pseudo-random numbers, which are the same for the same seed.
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// How often the backend has begun to handle each id, and how often it succeeded.
type Handled = Arc<Mutex<HashMap<String, (usize, usize)>>>;

fn fickle(mut dice: Dice, handled: Handled) -> impl FnMut(&crate::common::Seen) -> Answer + Send + 'static {
    move |seen| {
        let mut handled = handled.lock().unwrap_or_else(PoisonError::into_inner);
        let (begun, done) = handled.entry(seen.id().to_owned()).or_default();
        *begun += 1;
        let millis = dice.roll(25);
        let status = match dice.roll(10) {
            0 => return Answer::Close,
            1 => 500,
            2 => 503,
            3 => 404,
            4 => 429,
            5 => 410,
            6 => 302,
            _ => {
                *done += 1;
                200 + u16::try_from(dice.roll(3)).expect("a small number")
            }
        };
        Answer::Slow(millis, status)
    }
}

/// A sender that delivers until it gets 2xx, and sometimes disconnects early.
async fn insist(gateway: std::net::SocketAddr, id: String, mut dice: Dice) -> usize {
    let wire = Wire::ALL[usize::try_from(dice.roll(4)).expect("a small number")];
    let body = noise(usize::try_from(dice.roll(3000)).expect("a small number"));
    let mut connection = None;
    for attempt in 1..500 {
        // Each attempt is signed again, as a sender's retries are.
        let sent = delivery(&id, body.clone());
        if dice.roll(5) == 0 {
            let mut raw = Raw::open(gateway).await;
            raw.write(sent.bytes()).await;
            tokio::time::sleep(Duration::from_millis(dice.roll(10))).await;
        }
        if connection.is_none() {
            connection = Connection::open(gateway, wire).await;
        }
        let reply = match &mut connection {
            Some(open) => open.send(&sent, wire).await,
            None => None,
        };
        match reply {
            Some(reply) if reply.status.is_success() => return attempt,
            Some(reply) => {
                let status = reply.status;
                assert!(status != StatusCode::GONE && !status.is_redirection(), "{reply:?}");
                assert!(!status.is_client_error() || [404, 409, 429].contains(&status.as_u16()), "{reply:?}");
            }
            None => connection = None,
        }
        tokio::time::sleep(Duration::from_millis(5 + dice.roll(25))).await;
    }
    panic!("{id} was never taken")
}

#[tokio::test]
async fn each_delivery_is_handled_exactly_once_however_often_it_is_sent_and_fails() {
    let given = std::env::var("COUNTERSIGN_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| SystemClock.now().as_millis());
    println!("COUNTERSIGN_TEST_SEED={seed}");
    let mut dice = Dice(seed);

    let handled = Handled::default();
    let backend = Backend::scripted(fickle(Dice(dice.roll(u64::MAX)), Arc::clone(&handled))).await;
    let gateway = Gateway::before(&backend).await;
    let mut senders = Vec::new();
    for id in 0..IDS {
        for _ in 0..SENDERS_PER_ID {
            let dice = Dice(dice.roll(u64::MAX));
            senders.push(tokio::spawn(insist(gateway.address, format!("msg_{id}"), dice)));
        }
        // Enough at a time for some to meet, and too few for all to time out.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let mut attempts = 0;
    for sender in senders {
        attempts += tokio::time::timeout(Duration::from_secs(40), sender).await.expect("it ends").expect("it succeeds");
    }

    let handled = handled.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(handled.len(), IDS, "one was lost");
    for (id, (_, done)) in &handled {
        assert_eq!(*done, 1, "{id} was handled with success {done} times");
    }
    // Checks the test itself: the backend failed, and several senders had the same message.
    let begun: usize = handled.values().map(|(begun, _)| begun).sum();
    assert!(begun > IDS + IDS / 2 && attempts > begun, "{begun} of {attempts}");
    let held = gateway.metric("countersign_claims_held{source=\"test\"}").await;
    let remembered = gateway.metric("countersign_ids_remembered{source=\"test\"}").await;
    assert_eq!(
        (held.map(|held| held.to_string()), remembered.map(|ids| ids.to_string())),
        (Some("0".into()), Some(IDS.to_string()))
    );
}
