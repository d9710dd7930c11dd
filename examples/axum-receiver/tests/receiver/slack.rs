//! A stand-in for Slack that can fail.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Router, body::Bytes};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Accepts messages.
    Good,
    /// Rejects messages.
    Broken,
    /// Does not respond until the mood changes.
    Silent,
}

/// A server at `url` that runs as long as the runtime.
pub(crate) struct Slack {
    pub(crate) url: String,
    mood: watch::Sender<Mood>,
    seen: Arc<Mutex<Seen>>,
}

/// The accepted messages, and the number of requests.
#[derive(Default)]
struct Seen {
    taken: Vec<String>,
    requests: usize,
}

impl Slack {
    pub(crate) async fn start() -> Self {
        let (mood, seen) = (watch::Sender::new(Mood::Good), Arc::<Mutex<Seen>>::default());
        let state = (mood.subscribe(), Arc::clone(&seen));
        let app = Router::new().route("/services/T0/B0/secret", post(take)).with_state(state);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/services/T0/B0/secret", listener.local_addr().expect("a bound socket"));
        tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves to its end") });
        Self { url, mood, seen }
    }

    pub(crate) fn is(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// The accepted messages, sorted, because events arrive in any order.
    pub(crate) fn told(&self) -> Vec<String> {
        let mut taken = self.seen.lock().expect("no thread has panicked").taken.clone();
        taken.sort();
        taken
    }

    /// The number of messages that were sent to it, accepted or not.
    pub(crate) fn requests(&self) -> usize {
        self.seen.lock().expect("no thread has panicked").requests
    }
}

async fn take(
    State((mut mood, seen)): State<(watch::Receiver<Mood>, Arc<Mutex<Seen>>)>,
    body: Bytes,
) -> (StatusCode, &'static str) {
    seen.lock().expect("no thread has panicked").requests += 1;
    let mood = *mood.wait_for(|mood| *mood != Mood::Silent).await.expect("the test holds it");
    if mood == Mood::Broken {
        return (StatusCode::INTERNAL_SERVER_ERROR, "rollup_error");
    }
    let message: Value = serde_json::from_slice(&body).expect("JSON");
    let text = message["text"].as_str().expect("a text").to_owned();
    seen.lock().expect("no thread has panicked").taken.push(text);
    (StatusCode::OK, "ok")
}
