//! A registered webhook: its address, its subscriptions, and the secrets that sign its deliveries.

use std::time::Duration;

use countersign::verifier::MAX_SECRETS;
use countersign::{Secret, UnixTime};
use http::Uri;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::time;

/// How long replaced secrets stay valid, unless they are revoked at once.
const GRACE: Duration = Duration::from_hours(24);

/// A resource of the `WebhookService` API.
pub(crate) struct Webhook {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) uri: Uri,
    /// In the order of the request.
    pub(crate) subscribed_events: Vec<String>,
    pub(crate) state: State,
    pub(crate) created: UnixTime,
    pub(crate) updated: UnixTime,
    /// The current secret is the last.
    secrets: Vec<SigningSecret>,
    /// How many deliveries in a row have been given up.
    given_up: u32,
}

/// Whether events are delivered to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Enabled,
    Disabled,
    DisabledDueToFailedDeliveries,
}

impl State {
    pub(crate) const ALL: [Self; 3] = [Self::Enabled, Self::Disabled, Self::DisabledDueToFailedDeliveries];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::DisabledDueToFailedDeliveries => "disabled_due_to_failed_deliveries",
        }
    }
}

/// When the secrets that a rotation replaces become invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revocation {
    AfterADay,
    Immediately,
}

impl Revocation {
    /// The guide writes them in capitals, the SDKs in lower case.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "revoke_previous_secrets_after_h24" => Some(Self::AfterADay),
            "revoke_previous_secrets_immediately" => Some(Self::Immediately),
            _ => None,
        }
    }
}

struct SigningSecret {
    secret: Secret,
    expires: Option<UnixTime>,
    truncated: String,
}

impl SigningSecret {
    fn new(text: &str) -> Self {
        let truncated = format!("whsec_...{}", &text[text.len() - 4..]);
        #[expect(clippy::expect_used, reason = "`ids::secret` makes base64 of 32 bytes")]
        let secret = Secret::parse(text).expect("a valid secret").labelled(&truncated);
        Self { secret, expires: None, truncated }
    }

    fn is_live(&self, now: UnixTime) -> bool {
        self.expires.is_none_or(|at| now < at)
    }
}

impl Webhook {
    /// An enabled webhook with this secret.
    pub(crate) fn new(
        id: String,
        uri: Uri,
        subscribed_events: Vec<String>,
        name: Option<String>,
        secret: &Zeroizing<String>,
        now: UnixTime,
    ) -> Self {
        let secrets = vec![SigningSecret::new(secret)];
        Self {
            id,
            name,
            uri,
            subscribed_events,
            state: State::Enabled,
            created: now,
            updated: now,
            secrets,
            given_up: 0,
        }
    }

    /// Rotates the secret; `false` if too many secrets would be valid at once.
    pub(crate) fn rotate(&mut self, secret: &Zeroizing<String>, revocation: Revocation, now: UnixTime) -> bool {
        self.secrets.retain(|secret| secret.is_live(now));
        match revocation {
            Revocation::Immediately => self.secrets.clear(),
            Revocation::AfterADay if self.secrets.len() >= MAX_SECRETS => return false,
            Revocation::AfterADay => {
                for secret in &mut self.secrets {
                    // A secret that expires sooner keeps its expiry.
                    secret.expires.get_or_insert(now.saturating_add(GRACE));
                }
            }
        }
        self.secrets.push(SigningSecret::new(secret));
        self.updated = now;
        true
    }

    /// The valid secrets, the current one first.
    pub(crate) fn live_secrets(&self, now: UnixTime) -> Vec<Secret> {
        self.secrets.iter().rev().filter(|secret| secret.is_live(now)).map(|secret| secret.secret.clone()).collect()
    }

    pub(crate) fn accepts(&self, event_type: &str) -> bool {
        self.state == State::Enabled && self.subscribed_events.iter().any(|name| name == event_type)
    }

    /// Sets the state, and resets the count of failures.
    pub(crate) fn set_state(&mut self, state: State) {
        self.state = state;
        self.given_up = 0;
    }

    pub(crate) fn record_success(&mut self) {
        self.given_up = 0;
    }

    /// Records a delivery that was given up. After `limit` of them in a row the webhook is disabled.
    pub(crate) fn record_failure(&mut self, limit: u32, now: UnixTime) {
        self.given_up += 1;
        if self.given_up >= limit && self.state == State::Enabled {
            self.disable_for_failures(now);
        }
    }

    /// Disables the webhook: too many deliveries failed, or the receiver responded with 410.
    pub(crate) fn disable_for_failures(&mut self, now: UnixTime) {
        self.set_state(State::DisabledDueToFailedDeliveries);
        self.updated = now;
    }

    /// The resource as the API shows it.
    pub(crate) fn resource(&self, now: UnixTime) -> Value {
        let secrets = self.secrets.iter().filter(|secret| secret.is_live(now)).map(|secret| {
            let mut shown = json!({ "truncated_secret": secret.truncated });
            if let Some(at) = secret.expires {
                shown["expire_time"] = time::to_the_millisecond(at).into();
            }
            shown
        });
        let mut resource = json!({
            "id": self.id,
            "uri": self.uri.to_string(),
            "subscribed_events": self.subscribed_events,
            "state": self.state.as_str(),
            "create_time": time::to_the_millisecond(self.created),
            "update_time": time::to_the_millisecond(self.updated),
            "signing_secrets": secrets.collect::<Vec<_>>(),
        });
        if let Some(name) = &self.name {
            resource["name"] = name.as_str().into();
        }
        resource
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids;

    fn webhook(secret: &Zeroizing<String>) -> Webhook {
        let uri = Uri::from_static("http://127.0.0.1:3000/gemini");
        let events = vec!["batch.failed".to_owned()];
        Webhook::new("w1".into(), uri, events, None, secret, UnixTime::from_secs(1000))
    }

    fn secret(seed: u64) -> Zeroizing<String> {
        Zeroizing::new(ids::secret(&mut fastrand::Rng::with_seed(seed)))
    }

    fn live(webhook: &Webhook, now: u64) -> Vec<String> {
        let secrets = webhook.live_secrets(UnixTime::from_secs(now));
        secrets.iter().map(|secret| secret.label().expect("a label").to_owned()).collect()
    }

    #[test]
    fn after_a_rotation_both_secrets_sign_for_a_day_and_not_a_moment_longer() {
        let (old, new) = (secret(1), secret(2));
        let shown = |secret: &str| format!("whsec_...{}", &secret[secret.len() - 4..]);
        let mut webhook = webhook(&old);
        assert!(webhook.rotate(&new, Revocation::AfterADay, UnixTime::from_secs(2000)));
        assert_eq!(live(&webhook, 2000 + 86_399), [shown(&new), shown(&old)]);
        assert_eq!(live(&webhook, 2000 + 86_400), [shown(&new)]);
        // A second rotation does not lengthen the life of the first secret.
        assert!(webhook.rotate(&secret(3), Revocation::AfterADay, UnixTime::from_secs(3000)));
        assert_eq!(live(&webhook, 2000 + 86_400).len(), 2);
        assert!(webhook.rotate(&secret(4), Revocation::Immediately, UnixTime::from_secs(4000)));
        assert_eq!(live(&webhook, 4000), [shown(&secret(4))]);
    }

    #[test]
    fn no_more_secrets_are_valid_than_can_sign() {
        let mut webhook = webhook(&secret(0));
        let rotated =
            (1..20).filter(|seed| webhook.rotate(&secret(*seed), Revocation::AfterADay, UnixTime::from_secs(1000)));
        assert_eq!(rotated.count(), MAX_SECRETS - 1);
        assert!(webhook.rotate(&secret(20), Revocation::AfterADay, UnixTime::from_secs(1000 + 86_400)));
    }

    #[test]
    fn a_run_of_failures_disables_it_and_one_success_breaks_the_run() {
        let mut webhook = webhook(&secret(1));
        let now = UnixTime::from_secs(5000);
        webhook.record_failure(2, now);
        webhook.record_success();
        webhook.record_failure(2, now);
        assert_eq!(webhook.state, State::Enabled);
        webhook.record_failure(2, now);
        assert_eq!(webhook.state, State::DisabledDueToFailedDeliveries);
        assert!(!webhook.accepts("batch.failed"));
        webhook.set_state(State::Enabled);
        webhook.record_failure(2, now);
        assert!(webhook.accepts("batch.failed") && !webhook.accepts("batch.expired"));
    }

    #[test]
    fn the_resource_shows_no_secret() {
        let text = secret(1);
        let shown = webhook(&text).resource(UnixTime::from_secs(1)).to_string();
        assert!(!shown.contains(&text[6..]) && shown.contains("whsec_..."), "{shown}");
    }
}
