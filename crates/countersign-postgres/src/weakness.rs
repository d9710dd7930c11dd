//! Settings of a server with which it can forget ids early.

use std::fmt;

use tokio_postgres::{Client, Error};

/// Why a server can forget an id before its time. Messages whose id is forgotten can be handled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Weakness {
    /// It responds before an id is on disk (`synchronous_commit off`), so it loses the latest ids in a crash.
    AsynchronousCommit,
    /// It does not wait for the disk (`fsync off`), so a power cut can damage the database.
    NoSync,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AsynchronousCommit => {
                "the server loses the latest message ids in a crash, because `synchronous_commit` is `off`: set \
                 `synchronous_commit = on`"
            }
            Self::NoSync => "the server can lose its data in a power cut, because `fsync` is `off`: set `fsync = on`",
        })
    }
}

pub(crate) async fn ask(client: &Client) -> Result<Vec<Weakness>, Error> {
    let question = "SELECT current_setting('synchronous_commit') = 'off', current_setting('fsync') = 'off'";
    let mut found = Vec::new();
    for row in client.query_typed(question, &[]).await? {
        for (column, weakness) in [Weakness::AsynchronousCommit, Weakness::NoSync].into_iter().enumerate() {
            if row.try_get(column)? {
                found.push(weakness);
            }
        }
    }
    Ok(found)
}
