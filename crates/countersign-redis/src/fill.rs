//! How full the servers are.

use redis::{FromRedisValue, RedisResult, RetryMethod, Value, cmd};

use crate::servers::Link;

/// Sums over all servers. `None` if one of them does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fill {
    /// Keys in the database.
    pub(crate) ids: Option<u64>,
    /// Memory in use, in bytes.
    pub(crate) memory: Option<u64>,
}

/// Asks all servers behind the connection.
pub(crate) async fn ask(link: &mut Link) -> RedisResult<Fill> {
    let ids = permitted(link.ask_all(cmd("DBSIZE")).await)?;
    let mut info = cmd("INFO");
    info.arg("memory");
    let memory = permitted(link.ask_all(info).await)?;
    Ok(Fill {
        ids: ids.and_then(|sizes| sum(&sizes, |size| u64::from_redis_value_ref(size).ok())),
        memory: memory.and_then(|texts| sum(&texts, |text| used(&String::from_redis_value_ref(text).ok()?))),
    })
}

/// `None` for a user without the right to ask, or a service that has no such command.
fn permitted(responses: RedisResult<Vec<Value>>) -> RedisResult<Option<Vec<Value>>> {
    match responses {
        Err(error) if error.code().is_some() && matches!(error.retry_method(), RetryMethod::NoRetry) => Ok(None),
        other => other.map(Some),
    }
}

fn sum(responses: &[Value], read: impl Fn(&Value) -> Option<u64>) -> Option<u64> {
    responses.iter().map(read).try_fold(0_u64, |sum, figure| figure.map(|figure| sum.saturating_add(figure)))
}

fn used(info: &str) -> Option<u64> {
    info.lines().find_map(|line| line.strip_prefix("used_memory:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_that_in_use() {
        assert_eq!(used("# Memory\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\n"), Some(1_048_576));
        assert_eq!(used("used_memory_rss:1\r\n"), None);
        assert_eq!(sum(&[Value::Int(1), Value::Int(2)], |size| u64::from_redis_value_ref(size).ok()), Some(3));
        assert_eq!(sum(&[Value::Int(1), Value::Nil], |size| u64::from_redis_value_ref(size).ok()), None);
    }
}
