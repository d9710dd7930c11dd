//! The functions that the server runs. Each of them reads and changes one key as a whole.
//!
//! A key holds `held NUMBER` or `done NUMBER`, and the server removes it when its time is over. A call that is repeated
//! with the same number, because its response was lost, has the result of the first.

use redis::{RedisResult, Script};

use crate::servers::Link;

/// If the server's memory is full, this function reads as usual, and the server rejects its `SET`.
const CLAIM: &str = "
local found = redis.call('GET', KEYS[1])
if not found then
  redis.call('SET', KEYS[1], 'held ' .. ARGV[1], 'PX', ARGV[2])
  return 0
end
if found == 'held ' .. ARGV[1] then return 0 end
if string.sub(found, 1, 4) == 'held' then return 1 end
return 2
";

/// Settles a claim also if the server's memory is full: the key is there already. Without a second argument, the claim
/// is released.
const SETTLE: &str = "#!lua flags=allow-oom
local found = redis.call('GET', KEYS[1])
local held, done = 'held ' .. ARGV[1], 'done ' .. ARGV[1]
if not ARGV[2] then
  if found == held then redis.call('DEL', KEYS[1]) end
  return 0
end
if found and found ~= held and found ~= done then return 1 end
redis.call('SET', KEYS[1], done, 'PX', ARGV[2])
return 0
";

const FORGET: &str = "
local found = redis.call('GET', KEYS[1])
if not found or string.sub(found, 1, 4) ~= 'done' then return 0 end
return redis.call('DEL', KEYS[1])
";

pub(crate) struct Scripts {
    claim: Script,
    settle: Script,
    forget: Script,
}

/// The result of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Fresh,
    InFlight,
    Done,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self { claim: Script::new(CLAIM), settle: Script::new(SETTLE), forget: Script::new(FORGET) }
    }

    pub(crate) async fn claim(&self, link: &mut Link, key: &str, number: u64, lease_ms: u64) -> RedisResult<Found> {
        let found: u8 = self.claim.key(key).arg(hex(number)).arg(lease_ms).invoke_async(link).await?;
        Ok(match found {
            0 => Found::Fresh,
            1 => Found::InFlight,
            _ => Found::Done,
        })
    }

    /// Returns whether the claim was recorded. Otherwise it was superseded.
    pub(crate) async fn confirm(&self, link: &mut Link, key: &str, number: u64, retain_ms: u64) -> RedisResult<bool> {
        let superseded: u8 = self.settle.key(key).arg(hex(number)).arg(retain_ms).invoke_async(link).await?;
        Ok(superseded == 0)
    }

    pub(crate) async fn release(&self, link: &mut Link, key: &str, number: u64) -> RedisResult<()> {
        self.settle.key(key).arg(hex(number)).invoke_async(link).await
    }

    pub(crate) async fn forget(&self, link: &mut Link, key: &str) -> RedisResult<bool> {
        self.forget.key(key).invoke_async(link).await
    }
}

/// As text, because numbers in Lua lose the digits of large integers.
fn hex(number: u64) -> String {
    format!("{number:016x}")
}
