//! What was pushed of a job.

use countersign::UnixTime;
use countersign::verdict::Scheme;
use serde_json::{Value, json};

use super::facts::to_the_second;
use super::receiver::Delivery;
use super::stage::Stage;

/// What an event is to say of a job, as polling says it.
pub(crate) struct Expected<'a> {
    pub(crate) event_type: &'a str,
    /// What the job is asked for by.
    pub(crate) id: &'a Value,
    /// When it came to this.
    pub(crate) at: UnixTime,
    /// What else its data holds.
    pub(crate) data: Value,
    /// What was given to be returned.
    pub(crate) user_metadata: Value,
}

impl Expected<'_> {
    /// Looks that one delivery came to this path, signed in this way with a published key, and said this.
    pub(crate) fn arrived(&self, stage: &Stage, path: &str, scheme: Scheme) {
        let deliveries = stage.receiver.at(path);
        let [delivery] = deliveries.as_slice() else { panic!("not one delivery at {path}: {deliveries:#?}") };
        let verified = delivery.verified();
        assert_eq!(verified.scheme(), scheme);
        assert_eq!(verified.message_id().as_str(), delivery.header("webhook-id"));
        let event = verified.event().expect("an event");
        assert_eq!(event.user_metadata.map(Value::Object).as_ref(), Some(&self.user_metadata));
        self.is_said_by(delivery);
    }

    /// Looks that a delivery, verified elsewhere, says this and nothing else.
    pub(crate) fn is_said_by(&self, delivery: &Delivery) {
        let mut data = self.data.clone();
        data["id"] = self.id.clone();
        data["user_metadata"] = self.user_metadata.clone();
        let timestamp = to_the_second(self.at);
        let event = json!({ "type": self.event_type, "version": "v1", "timestamp": timestamp, "data": data });
        assert_eq!(delivery.json(), event);
    }
}
