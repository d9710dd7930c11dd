//! The emulator's state, and how it changes with time: jobs end, events happen, deliveries become due.
//!
//! No clock, no network: the time is a parameter, and an attempt to make is a return value.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign::gemini::EventKind;
use countersign::header::HeaderSet;
use countersign::{Secret, UnixTime};
use http::Uri;
use zeroize::Zeroizing;

use crate::audience::Audience;
use crate::delivery::{Attempt, AttemptOutcome, Delivery, Ending, Status};
use crate::event::Event;
use crate::faults::{Fault, Faults};
use crate::foreign;
use crate::ids;
use crate::job::{End, Job};
use crate::jobs::{self, Consequence, Jobs};
use crate::keys::{self, PublishedKeys};
use crate::outbox::{self, Number, Outbox};
use crate::project::{ProjectId, Projects};
use crate::quirk::Quirk;
use crate::report::AttemptReport;
use crate::signing::{Dynamic, Signing};
use crate::uploads::Uploads;
use crate::webhook::{State, Webhook};
use countersign_inbox::Schedule;
use countersign_senders::Sender;

/// How long the first attempt of a reordered delivery is held back at most.
const HELD_BACK: Duration = Duration::from_secs(30);
/// How many events the fault `burst` makes of one.
const BURST: usize = 10;
/// The type that the fault `unknown_event_type` gives an event.
const UNKNOWN_EVENT_TYPE: &str = "emulator.unheard_of";

/// The settings that do not change while the emulator runs.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) base_url: String,
    pub(crate) sender: &'static Sender,
    pub(crate) schedule: Schedule,
    pub(crate) job_time: Duration,
    pub(crate) dynamic: Dynamic,
    pub(crate) audience: Option<String>,
    pub(crate) disable_after: u32,
    pub(crate) quirks: BTreeSet<Quirk>,
    pub(crate) jobs: jobs::Limits,
    pub(crate) outbox: outbox::Limits,
}

pub(crate) struct World {
    pub(crate) rules: Rules,
    pub(crate) rng: fastrand::Rng,
    pub(crate) projects: Projects,
    pub(crate) faults: Faults,
    pub(crate) keys: PublishedKeys,
    pub(crate) outbox: Outbox,
    pub(crate) jobs: Jobs,
    pub(crate) uploads: Uploads,
}

/// What the sending task has to do next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Make this attempt.
    Send(Box<Outgoing>),
    /// Wait until then.
    Wait(UnixTime),
    /// Wait until something changes.
    Idle,
}

/// An attempt to make.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) number: Number,
    pub(crate) id: countersign::MessageId,
    pub(crate) uri: Uri,
    pub(crate) body: bytes::Bytes,
    pub(crate) signing: Signing,
    pub(crate) names: &'static HeaderSet,
    pub(crate) fault: Option<Fault>,
}

impl World {
    pub(crate) fn new(rules: Rules, keys: PublishedKeys, faults: Faults, rng: fastrand::Rng) -> Self {
        let (outbox, jobs) = (Outbox::new(rules.outbox), Jobs::new(rules.jobs));
        Self { rules, rng, projects: Projects::default(), faults, keys, outbox, jobs, uploads: Uploads::default() }
    }

    pub(crate) fn has(&self, quirk: Quirk) -> bool {
        self.rules.quirks.contains(&quirk)
    }

    /// Registers a webhook for all events, and returns its secret.
    pub(crate) fn register(&mut self, api_key: &str, uri: Uri, now: UnixTime) -> Zeroizing<String> {
        let events = EventKind::KNOWN.iter().filter_map(|kind| kind.name()).map(str::to_owned).collect();
        let secret = Zeroizing::new(ids::secret(&mut self.rng));
        let webhook = Webhook::new(ids::resource(&mut self.rng, ids::WEBHOOK), uri, events, None, &secret, now);
        if let Some(project) = self.projects.of_key(api_key) {
            self.projects.add_webhook(project, webhook);
        }
        self.shown(&secret)
    }

    /// A secret as the sender shows it.
    pub(crate) fn shown(&self, secret: &str) -> Zeroizing<String> {
        Zeroizing::new(format!("{}{secret}", self.rules.sender.secrets.shown_prefix()))
    }

    /// Ends the jobs that are due by now.
    pub(crate) fn advance_to(&mut self, now: UnixTime) {
        while let Some(consequence) = self.jobs.end_next(now) {
            self.publish_consequence(consequence, now);
        }
    }

    /// Publishes an event: creates a delivery for each endpoint of its audience.
    ///
    /// An event whose deliveries there is no room for is dropped and counted. API calls check for room first, and
    /// return an error instead.
    pub(crate) fn publish(&mut self, event: &Event, audience: &Audience, now: UnixTime) {
        let times = if self.applies(Fault::Burst) { BURST } else { 1 };
        for _ in 0..times {
            self.publish_once(event, audience, now);
        }
    }

    /// The maximum number of deliveries of an event of this type.
    pub(crate) fn reach(&mut self, audience: &Audience, event_type: &str) -> usize {
        let times = if self.faults.has(Fault::Burst) { BURST } else { 1 };
        self.targets(audience, event_type).len() * times
    }

    fn publish_once(&mut self, event: &Event, audience: &Audience, now: UnixTime) {
        let targets = self.targets(audience, &event.event_type);
        let renamed = self
            .applies(Fault::UnknownEventType)
            .then(|| Event { event_type: UNKNOWN_EVENT_TYPE.into(), ..event.clone() });
        let event = renamed.as_ref().unwrap_or(event);
        let body = bytes::Bytes::from(foreign::body(self.rules.sender, event, &mut self.rng));
        if !self.outbox.has_room(targets.len(), body.len()) {
            self.outbox.count_dropped_event();
            return;
        }
        let (Audience::Subscribers(project) | Audience::Webhook(project, _) | Audience::Uris(project, _)) = audience;
        for (uri, webhook) in &targets {
            let held_back = if self.applies(Fault::Reordered) { self.up_to(HELD_BACK) } else { Duration::ZERO };
            let is_repeated = self.applies(Fault::Duplicate);
            self.outbox.add(Delivery {
                id: ids::message(&mut self.rng),
                project: *project,
                event_type: event.event_type.clone(),
                uri: uri.clone(),
                webhook: webhook.clone(),
                body: body.clone(),
                created: now,
                status: Status::Waiting { until: now.saturating_add(held_back) },
                is_repeated,
                attempts: Vec::new(),
            });
        }
    }

    fn targets(&mut self, audience: &Audience, event_type: &str) -> Vec<(Uri, Option<String>)> {
        match audience {
            Audience::Uris(_, uris) => uris.iter().map(|uri| (uri.clone(), None)).collect(),
            Audience::Webhook(project, id) => {
                let webhook = self.projects.webhook(*project, id);
                webhook.map(|webhook| (webhook.uri.clone(), Some(webhook.id.clone()))).into_iter().collect()
            }
            Audience::Subscribers(project) => {
                let webhooks = self.projects.webhooks(*project).iter().map(|(_, webhook)| webhook);
                let wanted = webhooks.filter(|webhook| webhook.accepts(event_type));
                wanted.map(|webhook| (webhook.uri.clone(), Some(webhook.id.clone()))).collect()
            }
        }
    }

    /// What to do next, after [`advance_to`](Self::advance_to). An attempt that is returned is in flight until it
    /// is [settled](Self::settle).
    pub(crate) fn next(&mut self, now: UnixTime) -> Step {
        while let Some(number) = self.outbox.start(now) {
            if let Some(outgoing) = self.attempt(number, now) {
                return Step::Send(Box::new(outgoing));
            }
            self.outbox.end(number, Ending::Dropped);
            self.outbox.trim();
        }
        let due = [self.outbox.next_due(), self.jobs.next_due()];
        due.into_iter().flatten().min().map_or(Step::Idle, Step::Wait)
    }

    /// The next attempt of a delivery; `None` if its webhook was deleted or disabled.
    fn attempt(&mut self, number: Number, now: UnixTime) -> Option<Outgoing> {
        let delivery = self.outbox.get(number)?;
        let (id, uri, body) = (delivery.id.clone(), delivery.uri.clone(), delivery.body.clone());
        let (project, webhook) = (delivery.project, delivery.webhook.clone());
        let fault = Fault::OF_ATTEMPTS.into_iter().find(|fault| self.faults.applies(*fault, &mut self.rng));
        let is_wrong_key = fault == Some(Fault::WrongKey);
        let signing = match webhook {
            Some(webhook) => {
                let webhook = self.projects.webhook(project, &webhook)?;
                if webhook.state != State::Enabled {
                    return None;
                }
                Signing::Secrets(if is_wrong_key { vec![self.wrong_secret()] } else { webhook.live_secrets(now) })
            }
            None => self.dynamic(&uri, is_wrong_key),
        };
        let names = self.rules.sender.sent_headers();
        Some(Outgoing { number, id, uri, body, signing, names, fault })
    }

    fn dynamic(&mut self, uri: &Uri, is_wrong_key: bool) -> Signing {
        match self.rules.dynamic {
            Dynamic::V1a if is_wrong_key => Signing::Ed25519("unpublished".into(), keys::private_key(&mut self.rng)),
            Dynamic::V1a => {
                let (kid, key) = self.keys.ed25519(&mut self.rng);
                Signing::Ed25519(kid.clone(), key.clone())
            }
            Dynamic::Rs256 => {
                let signer = if is_wrong_key { self.keys.unpublished_rsa() } else { self.keys.rsa() };
                let audience = self.rules.audience.clone().unwrap_or_else(|| uri.to_string());
                Signing::Token(signer.clone(), audience)
            }
        }
    }

    fn wrong_secret(&mut self) -> Secret {
        #[expect(clippy::expect_used, reason = "`ids::secret` makes base64 of 32 bytes")]
        Secret::parse(&ids::secret(&mut self.rng)).expect("a valid secret").labelled("wrong-key")
    }

    /// Records an attempt, and decides what becomes of its delivery.
    pub(crate) fn settle(&mut self, number: Number, attempt: Attempt, now: UnixTime) -> Option<AttemptReport> {
        let outcome = attempt.outcome.clone();
        self.outbox.record(number, attempt);
        let delivery = self.outbox.get(number)?;
        let (project, webhook) = (delivery.project, delivery.webhook.clone());
        let (attempts, is_repeated) = (delivery.attempts.len(), delivery.is_repeated);
        let elapsed = Duration::from_millis(now.as_millis().saturating_sub(delivery.created.as_millis()));
        let webhook = webhook.and_then(|webhook| self.projects.webhook(project, &webhook));
        let retry_after = match outcome {
            AttemptOutcome::Response { retry_after, .. } => retry_after,
            AttemptOutcome::NoResponse(_) => None,
        };
        let chance = self.rng.f64();
        let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
        let next = self.rules.schedule.next(attempts, elapsed, retry_after, chance);
        let created = delivery.created;

        if outcome.is_success() {
            if let Some(webhook) = webhook {
                webhook.record_success();
            }
            match next.filter(|_| is_repeated) {
                Some(next) => {
                    self.outbox.clear_repeat(number);
                    self.outbox.wait(number, created.saturating_add(next));
                }
                None => self.outbox.end(number, Ending::Delivered),
            }
        } else if matches!(outcome, AttemptOutcome::Response { status: 410, .. }) {
            if let Some(webhook) = webhook {
                webhook.disable_for_failures(now);
            }
            self.outbox.end(number, Ending::Gone);
        } else if let Some(next) = next {
            self.outbox.wait(number, created.saturating_add(next));
        } else {
            if let Some(webhook) = webhook {
                webhook.record_failure(self.rules.disable_after, now);
            }
            self.outbox.end(number, Ending::GivenUp);
        }
        let report = AttemptReport::new(self.outbox.get(number)?, self.outbox.totals(), now);
        self.outbox.trim();
        report
    }

    /// Ends an open job like this; `false` if there is no such job, or it cannot end like this.
    pub(crate) fn end_job(&mut self, project: ProjectId, name: &str, end: End, now: UnixTime) -> bool {
        let consequence = self.jobs.end(project, name, end, now);
        consequence.map(|consequence| self.publish_consequence(consequence, now)).is_some()
    }

    /// Adds a job; `false` if there is no room for it, or for the delivery of its event.
    pub(crate) fn add_job(&mut self, job: Job) -> bool {
        self.outbox.has_room(1, job.size) && self.jobs.add(job)
    }

    fn publish_consequence(&mut self, (event, audience): Consequence, now: UnixTime) {
        if let Some(event) = event {
            self.publish(&event, &audience, now);
        }
    }

    fn applies(&mut self, fault: Fault) -> bool {
        self.faults.applies(fault, &mut self.rng)
    }

    fn up_to(&mut self, limit: Duration) -> Duration {
        limit.mul_f64(self.rng.f64())
    }
}
