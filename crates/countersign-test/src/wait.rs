//! Waiting with a limit, so that no test hangs.

use std::time::Duration;

/// The time limit of [`soon`] and [`until`].
pub const SOON: Duration = Duration::from_secs(20);
/// The time limit of everything that waits for another process.
pub const PATIENCE: Duration = Duration::from_mins(1);

const PAUSE: Duration = Duration::from_millis(10);

/// Waits for the future, and panics after [`SOON`].
pub async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(SOON, future).await.expect("the future completes in time")
}

/// Waits until the condition is true, and panics after [`SOON`].
pub async fn until(what: &str, mut is_true: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_true().await {
            tokio::time::sleep(PAUSE).await;
        }
    };
    assert!(tokio::time::timeout(SOON, waiting).await.is_ok(), "timed out: {what}");
}

/// Calls `ask` until it returns a value, and panics after [`PATIENCE`].
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(value) = ask().await {
                return value;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let value = tokio::time::timeout(PATIENCE, waiting).await;
    value.unwrap_or_else(|_| panic!("timed out: {what}"))
}
