//! The connection that all calls share, and its replacement when it is lost.

use std::time::Duration;

use redis::RedisResult;
use tokio::sync::Mutex;

use crate::servers::{Connector, Link};

pub(crate) struct Connection {
    state: Mutex<State>,
    timeout: Duration,
}

struct State {
    connector: Connector,
    link: Option<Link>,
    /// How many connections there were. It tells whether a connection that failed is still the current one.
    generation: u64,
}

impl Connection {
    pub(crate) fn new(connector: Connector, timeout: Duration) -> Self {
        Self { state: Mutex::new(State { connector, link: None, generation: 0 }), timeout }
    }

    /// The current connection. If there is none, the first caller connects and the others wait for it.
    pub(crate) async fn get(&self) -> RedisResult<(Link, u64)> {
        let mut state = self.state.lock().await;
        if let Some(link) = &state.link {
            return Ok((link.clone(), state.generation));
        }
        let link = state.connector.connect(self.timeout).await?;
        state.link = Some(link.clone());
        state.generation += 1;
        Ok((link, state.generation))
    }

    /// The next call connects again, unless another call did so since.
    pub(crate) async fn lose(&self, generation: u64) {
        let mut state = self.state.lock().await;
        if state.generation == generation {
            state.link = None;
        }
    }
}
