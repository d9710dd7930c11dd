//! Compares a job with what was received about it: a pure function.

use countersign::UnixTime;
use countersign::gemini::EventKind;

use crate::event::Missing;
use crate::job::Job;
use crate::seen::Seen;
use crate::webhook::Webhook;

/// Which jobs are compared: those that ended from `since` until `until`. Later ones may still be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Jobs that ended before this time are ignored.
    pub since: UnixTime,
    /// Jobs that ended after this time are not missing yet.
    pub until: UnixTime,
}

/// How a job and its deliveries stand.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// It has not ended.
    Running,
    /// It ended before the time that is looked at.
    Old,
    /// An event about its end was received.
    Delivered,
    /// It has ended just now. An event about it may be on its way.
    Recent,
    /// No event about its end was received.
    Missing(Box<Missing>),
}

impl Standing {
    /// How this job stands.
    pub fn of(job: &Job, seen: &Seen, webhooks: &[Webhook], terms: Terms) -> Self {
        let Some(end) = &job.end else { return Self::Running };
        if seen.has(&job.name, end.kind == Some(EventKind::InteractionRequiresAction)) {
            return Self::Delivered;
        }
        match end.at {
            Some(at) if at < terms.since => Self::Old,
            Some(at) if at > terms.until => Self::Recent,
            _ => {
                let is_for = |webhook: &Webhook| {
                    let mut kinds = webhook.subscribed_events.iter().map(|name| EventKind::from_name(name));
                    kinds.any(|kind| Some(kind) == end.kind)
                };
                let is_subscribed = webhooks.iter().any(is_for);
                Self::Missing(Box::new(Missing::new(job.clone(), end.clone(), is_subscribed)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::seen::SeenEvent;

    const TERMS: Terms = Terms { since: UnixTime::from_secs(1_769_083_200), until: UnixTime::from_secs(1_769_086_800) };

    fn interaction(status: &str, ended: &str) -> Job {
        let resource = json!({ "id": "i1", "status": status, "updated": format!("2026-01-22T{ended}Z") });
        Job::interaction(&resource).expect("an interaction")
    }

    fn seen(events: &[(&str, &str)]) -> Seen {
        let mut seen = Seen::default();
        for (event_type, id) in events {
            let (event_type, id) = ((*event_type).to_owned(), (*id).to_owned());
            seen.record(&SeenEvent { event_type, id, received: UnixTime::default() });
        }
        seen
    }

    fn standing(job: &Job, events: &[(&str, &str)]) -> Standing {
        Standing::of(job, &seen(events), &[], TERMS)
    }

    #[test]
    fn a_job_is_missing_if_its_end_is_neither_recent_nor_old_nor_known() {
        let done = interaction("completed", "12:30:00");
        let is_missing = |job: &Job, events: &[(&str, &str)]| matches!(standing(job, events), Standing::Missing(_));
        assert!(is_missing(&done, &[]));
        assert!(is_missing(&interaction("completed", "12:00:00"), &[]), "the time itself counts");
        assert!(is_missing(&done, &[("interaction.completed", "i2"), ("batch.succeeded", "i1"), ("x.y", "i1")]));
        for id in ["i1", "interactions/i1"] {
            for event_type in ["interaction.completed", "interaction.failed", "interaction.new"] {
                assert_eq!(standing(&done, &[(event_type, id)]), Standing::Delivered);
            }
        }
        assert_eq!(standing(&interaction("in_progress", "12:30:00"), &[]), Standing::Running);
        assert_eq!(standing(&interaction("completed", "11:59:59"), &[]), Standing::Old);
        assert_eq!(standing(&interaction("completed", "13:00:01"), &[]), Standing::Recent);
    }

    #[test]
    fn an_interaction_that_requires_action_is_looked_at_until_it_ends() {
        let (waiting, done) = (interaction("requires_action", "12:30:00"), interaction("completed", "12:30:00"));
        let events = [("interaction.requires_action", "i1")];
        assert_eq!(standing(&waiting, &events), Standing::Delivered);
        assert!(matches!(standing(&done, &events), Standing::Missing(_)));
        assert_eq!(seen(&events).waiting(), vec![done.name.clone()]);
        let ended = [events[0], ("interaction.completed", "i1")];
        assert_eq!((standing(&done, &ended), seen(&ended).waiting()), (Standing::Delivered, vec![]));
    }

    #[test]
    fn a_missing_job_says_whether_a_webhook_is_for_it() {
        let webhook = |event: &str| {
            let resource = json!({ "id": "w", "uri": "https://h", "state": "disabled", "subscribed_events": [event] });
            Webhook::read(&resource).expect("a webhook")
        };
        let job = interaction("completed", "12:30:00");
        for (event, expected) in [("interaction.completed", true), ("interaction.failed", false)] {
            let standing = Standing::of(&job, &Seen::default(), &[webhook(event)], TERMS);
            let Standing::Missing(missing) = standing else { panic!("{standing:?}") };
            assert_eq!(missing.is_subscribed, expected);
        }
    }
}
