//! A job that has ended without a delivery, and the event about it.

use std::time::{Duration, UNIX_EPOCH};

use countersign::UnixTime;
use serde_json::json;

use crate::job::{End, Job, JobName, event_data};

/// A job that has ended, or that requires action, and about which nothing was delivered.
#[derive(Clone, Debug, PartialEq)]
pub struct Missing {
    job: Job,
    end: End,
    /// Whether a registered webhook is for this type of event. The API may not show other addresses of a job.
    pub is_subscribed: bool,
}

impl Missing {
    pub(crate) fn new(job: Job, end: End, is_subscribed: bool) -> Self {
        Self { job, end, is_subscribed }
    }

    /// The event about a job as it is now, whether it was delivered or not. `None` if the job is running, or no event is
    /// known for its end.
    pub fn about(job: Job) -> Option<Self> {
        let end = job.end.clone().filter(|end| end.kind.is_some())?;
        Some(Self::new(job, end, true))
    }

    /// The job.
    pub fn name(&self) -> &JobName {
        &self.job.name
    }

    /// The type of the event. `None` if no event is known for this end.
    pub fn event_type(&self) -> Option<&'static str> {
        self.end.kind?.name()
    }

    /// The state of the job, as the API writes it.
    pub fn state(&self) -> &str {
        &self.end.state
    }

    /// When the job ended, if the API says so.
    pub fn ended(&self) -> Option<UnixTime> {
        self.end.at
    }

    /// The message id of the event: the same for each event of this type about this job, and never that of a webhook.
    /// `None` if no event is known for this end.
    pub fn message_id(&self) -> Option<String> {
        Some(format!("polled_{}_{}", self.event_type()?.replace('.', "_"), self.job.name.id()))
    }

    /// The event in the form of a webhook's body. It was polled, and nobody has signed it. `None` if no event is known for
    /// this end.
    pub fn body(&self, now: UnixTime) -> Option<Vec<u8>> {
        let at = self.end.at.unwrap_or(now);
        let event = json!({
            "type": self.event_type()?,
            "version": "v1",
            "timestamp": to_the_second(at),
            "data": event_data(&self.job, &self.end),
        });
        Some(event.to_string().into_bytes())
    }
}

fn to_the_second(time: UnixTime) -> String {
    // The last second that RFC 3339 can write.
    let secs = time.as_secs().min(253_402_300_799);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(secs)).to_string()
}
