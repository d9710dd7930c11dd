//! Settings of a server with which it can forget ids early.

use std::collections::HashMap;
use std::fmt;

use redis::{FromRedisValue, RedisResult, RetryMethod, Value, cmd};

use crate::servers::Link;

/// Why a server can forget an id before its time. Messages whose id is forgotten can be handled again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Weakness {
    /// It does not write ids to disk as they come (`appendonly no`), so it loses them when it restarts.
    NotPersistent,
    /// It responds before an id is on disk (`appendfsync everysec` or `no`), so it loses ids in a power cut. The text is
    /// the setting.
    LateSync(String),
    /// It removes ids when its memory is full. The text is its `maxmemory-policy`.
    Evicts(String),
    /// It does not let this user read its settings. The text is the server's error.
    Unknown(String),
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPersistent => f.write_str(
                "the server loses message ids when it restarts, because `appendonly` is `no`: set `appendonly yes` and \
                 `appendfsync always`",
            ),
            Self::LateSync(setting) => write!(
                f,
                "the server loses the latest message ids in a power cut, because `appendfsync` is `{setting}`: set \
                 `appendfsync always`"
            ),
            Self::Evicts(policy) => write!(
                f,
                "the server removes message ids when its memory is full, because `maxmemory-policy` is `{policy}`: set \
                 `maxmemory-policy noeviction`"
            ),
            Self::Unknown(error) => write!(
                f,
                "the settings of the server cannot be read ({error}): make sure that `appendonly` is `yes`, \
                 `appendfsync` is `always` and `maxmemory-policy` is `noeviction`"
            ),
        }
    }
}

/// Reads the settings of all servers behind the connection.
pub(crate) async fn ask(link: &mut Link) -> RedisResult<Vec<Weakness>> {
    let mut command = cmd("CONFIG");
    command.arg("GET").arg(&["appendonly", "appendfsync", "maxmemory", "maxmemory-policy"]);
    let found = match link.ask_all(command).await {
        Ok(responses) => responses.iter().map(weaknesses).collect::<RedisResult<Vec<_>>>()?.concat(),
        // A user without the right to do so, or a service that has no such command.
        Err(error) if error.code().is_some() && matches!(error.retry_method(), RetryMethod::NoRetry) => {
            vec![Weakness::Unknown(error.to_string())]
        }
        Err(error) => return Err(error),
    };
    let mut distinct = Vec::new();
    for weakness in found {
        if !distinct.contains(&weakness) {
            distinct.push(weakness);
        }
    }
    Ok(distinct)
}

fn weaknesses(response: &Value) -> RedisResult<Vec<Weakness>> {
    let settings = HashMap::<String, String>::from_redis_value_ref(response)?;
    let is = |name: &str, value: &str| settings.get(name).is_none_or(|found| found == value);
    let text = |name: &str| settings.get(name).cloned().unwrap_or_default();
    let mut found = Vec::new();
    if !is("appendonly", "yes") {
        found.push(Weakness::NotPersistent);
    } else if !is("appendfsync", "always") {
        found.push(Weakness::LateSync(text("appendfsync")));
    }
    if !is("maxmemory", "0") && !is("maxmemory-policy", "noeviction") {
        found.push(Weakness::Evicts(text("maxmemory-policy")));
    }
    Ok(found)
}
