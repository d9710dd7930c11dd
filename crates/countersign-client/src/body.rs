//! The body of a response, read on demand and within limits.

use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::time::Sleep;

use crate::error::{Error, root_cause};

/// The unread body of a response. Dropping it closes the connection, unless the whole body has arrived.
#[derive(Debug)]
pub struct ResponseBody {
    incoming: Incoming,
    /// Ends when the timeout of the whole request has passed.
    deadline: Pin<Box<Sleep>>,
    timeout: Duration,
    limit: usize,
}

impl ResponseBody {
    pub(crate) fn new(incoming: Incoming, deadline: Pin<Box<Sleep>>, timeout: Duration, limit: usize) -> Self {
        Self { incoming, deadline, timeout, limit }
    }

    /// Reads the whole body. At most the client's limit is kept in memory, and a body with a larger `Content-Length` is
    /// not read at all.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Timeout`] (counted from the start of the request), and
    /// [`Error::Interrupted`] if the connection fails before the end.
    pub async fn bytes(self) -> Result<Bytes, Error> {
        let Self { mut incoming, mut deadline, timeout, limit } = self;
        let reading = async {
            if incoming.size_hint().lower() > limit as u64 {
                return Err(Error::TooLarge(limit));
            }
            let mut read = BytesMut::new();
            while let Some(frame) = incoming.frame().await {
                let frame = frame.map_err(|error| Error::Interrupted(root_cause(&error)))?;
                let Ok(data) = frame.into_data() else { continue };
                if data.len() > limit - read.len() {
                    return Err(Error::TooLarge(limit));
                }
                read.extend_from_slice(&data);
            }
            Ok(read.freeze())
        };
        tokio::select! {
            biased;
            read = reading => read,
            () = &mut deadline => Err(Error::Timeout(timeout)),
        }
    }
}
