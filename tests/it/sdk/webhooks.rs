//! The `WebhookService`: every method.

use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use countersign::{Reason, UnixTime};
use countersign_emulator::Dynamic;
use serde_json::{Value, json};

use super::client::{Major, Sdk};
use super::facts::{VERSIONS, assert_error, assert_name, list, moment, text, to_the_millisecond, to_the_second, with};
use super::receiver::Delivery;
use super::stage::Stage;

#[test]
fn python_manages_webhooks() {
    manages_webhooks(Sdk::Python);
}

#[test]
fn javascript_manages_webhooks() {
    manages_webhooks(Sdk::JavaScript);
}

#[test]
fn earlier_javascript_manages_webhooks() {
    manages_webhooks(Sdk::EarlierJavaScript);
}

fn manages_webhooks(sdk: Sdk) {
    let before = SystemClock.now();
    let stage = Stage::start(Dynamic::V1a);
    let facts = stage.drive(sdk, Major::Third, "webhooks", None);
    let created = moment(&facts[VERSIONS[0]]["created"]["create_time"]);
    // No emulated time was made to pass before this.
    assert!(before <= created && created <= SystemClock.now(), "{created:?}");
    for version in VERSIONS {
        let facts = &facts[version];
        let uri = format!("{}/static/{version}", stage.receiver_url());
        made_and_listed(facts, &uri);
        updated(sdk, facts, &uri);
        let secrets = rotated(facts);
        gone(facts);
        deleted(sdk, facts);
        pinged(facts, &secrets, &stage.receiver.at(&format!("/static/{version}")));
    }
}

/// As it is shown once its secret has been.
fn shown(created: &Value) -> Value {
    with(created, &json!({ "new_signing_secret": null }))
}

fn truncated(secret: &str) -> String {
    format!("whsec_...{}", &secret[secret.len() - 4..])
}

fn made_and_listed(facts: &Value, uri: &str) {
    let as_made = |made: &Value, name: Option<&str>, uri: &str, events: &[&str]| {
        let secret = text(&made["new_signing_secret"]);
        assert_name(&made["id"], "", 36);
        let expected = json!({
            "id": made["id"],
            "name": name,
            "uri": uri,
            "subscribed_events": events,
            "state": "enabled",
            "create_time": made["create_time"],
            "update_time": made["create_time"],
            "new_signing_secret": secret,
            "signing_secrets": [{ "truncated_secret": truncated(secret), "expire_time": null }],
        });
        assert_eq!(made, &expected);
        moment(&made["create_time"])
    };
    assert_eq!(facts["none"], json!([]));
    let mut made = vec![as_made(&facts["created"], Some("first"), uri, &["video.generated", "batch.succeeded"])];
    for (number, other) in list(&facts["others"]).iter().enumerate() {
        made.push(as_made(other, None, &format!("{uri}/{number}"), &["interaction.completed"]));
    }
    assert!(made.len() == 5 && made.is_sorted(), "{made:?}");

    assert_eq!(facts["got"], shown(&facts["created"]));
    let all: Vec<_> = [&facts["created"]].into_iter().chain(list(&facts["others"])).map(shown).collect();
    assert_eq!(facts["all"], json!([all]));
    assert_eq!(facts["pages"], json!([all[..2], all[2..4], all[4..]]));
}

fn updated(sdk: Sdk, facts: &Value, uri: &str) {
    let mut last = facts["got"].clone();
    let mut changed = |step: &str, changes: Value| {
        let found = &facts[step];
        assert!(moment(&found["update_time"]) > moment(&last["create_time"]), "{step}: {found}");
        assert!(moment(&found["update_time"]) >= moment(&last["update_time"]), "{step}: {found}");
        let expected = with(&with(&last, &changes), &json!({ "update_time": found["update_time"] }));
        assert_eq!(found, &expected, "{step}");
        last = expected;
    };
    let moved = format!("{uri}/moved");
    changed(
        "updated",
        json!({ "name": "second", "uri": moved, "subscribed_events": ["batch.failed", "batch.expired"] }),
    );
    changed("masked", json!({ "name": "third" }));
    changed("masked_two", json!({ "name": "fourth", "state": "disabled" }));
    changed("enabled", json!({ "state": "enabled" }));
    let said = "the webhook is disabled: enable it first (`state`: `enabled`)";
    assert_error(sdk, &facts["ping_of_disabled"], "webhooks", (400, "FAILED_PRECONDITION"), said);
}

/// Gives all secrets that there were, in their order.
fn rotated(facts: &Value) -> Vec<&str> {
    let mut last = facts["enabled"].clone();
    let mut secrets = vec![text(&facts["created"]["new_signing_secret"])];
    for (step, keeps_the_old) in [
        ("after_a_day", true),
        ("at_once", false),
        ("unless_said", true),
        ("capitals_at_once", false),
        ("capitals_after_a_day", true),
    ] {
        let [before, secret, after] = ["before", "secret", "after"].map(|name| &facts["rotations"][step][name]);
        assert_eq!(before, &last, "{step}");
        let at = moment(&after["update_time"]);
        assert!(at > moment(&before["update_time"]), "{step}: {after}");
        let expires = to_the_millisecond(at.saturating_add(Duration::from_hours(24)));
        let mut left: Vec<_> = list(&before["signing_secrets"]).to_vec();
        left.retain(|_| keeps_the_old);
        for old in &mut left {
            *old = with(old, &json!({ "expire_time": expires }));
        }
        left.push(json!({ "truncated_secret": truncated(text(secret)), "expire_time": null }));
        let changes = json!({ "update_time": after["update_time"], "signing_secrets": left });
        assert_eq!(after, &with(before, &changes), "{step}");
        last = after.clone();
        secrets.push(text(secret));
    }
    let newest = list(&last["signing_secrets"]).last().expect("a secret");
    assert_eq!(facts["a_day_later"], with(&last, &json!({ "signing_secrets": [newest] })));
    secrets
}

/// Answered 410, it is disabled until it is enabled again.
fn gone(facts: &Value) {
    let [created, got, enabled] = ["created", "got", "enabled"].map(|step| &facts["gone"][step]);
    assert_eq!(facts["gone"]["pinged"], json!({}));
    let disabled = "disabled_due_to_failed_deliveries";
    let changes = json!({ "state": disabled, "update_time": got["update_time"] });
    assert_eq!(got, &with(&shown(created), &changes));
    assert!(moment(&got["update_time"]) > moment(&created["create_time"]), "{got}");
    assert_eq!(enabled, &with(got, &json!({ "state": "enabled", "update_time": enabled["update_time"] })));
}

fn deleted(sdk: Sdk, facts: &Value) {
    assert_eq!(facts["deleted"], json!({}));
    let id = text(&facts["created"]["id"]);
    let said = format!("this project has no webhook `{id}`; each API key has a project of its own");
    assert_error(sdk, &facts["get_of_deleted"], "webhooks", (404, "NOT_FOUND"), &said);
    let others: Vec<_> = list(&facts["others"]).iter().map(|other| other["id"].clone()).collect();
    assert_eq!(facts["left"], json!(others));
}

/// One ping after the webhook was made, one after each rotation, one a day later: each is signed with the
/// secrets that are valid then, and with no other.
fn pinged(facts: &Value, secrets: &[&str], deliveries: &[Delivery]) {
    let path = |value: &Value| text(&value["uri"]).split_once("/static").expect("the receiver's").1.to_owned();
    let (made_at, moved_to) = (path(&facts["created"]), path(&facts["updated"]));
    let valid: [&[usize]; 7] = [&[0], &[0, 1], &[2], &[2, 3], &[4], &[4, 5], &[5]];
    assert_eq!((secrets.len(), deliveries.len()), (6, valid.len()), "{deliveries:#?}");
    assert_eq!(facts["pinged"], json!({}));
    let mut last = UnixTime::from_secs(moment(&facts["created"]["create_time"]).as_secs());
    for (number, (delivery, valid)) in deliveries.iter().zip(valid).enumerate() {
        let to = if number == 0 { &made_at } else { &moved_to };
        assert_eq!(delivery.path, format!("/static{to}"));
        for (position, secret) in secrets.iter().enumerate() {
            let verdict = delivery.verified_by(secret);
            if !valid.contains(&position) {
                assert_eq!(
                    verdict.map(|event| event.event_type),
                    Err(Reason::SignatureMismatch),
                    "{number} {position}"
                );
                continue;
            }
            let event = verdict.unwrap_or_else(|reason| panic!("ping {number}, secret {position}: {reason}"));
            assert_eq!(event.event_type, "webhook.ping");
        }
        let event = delivery.json();
        let (id, at) = (&facts["created"]["id"], moment(&event["timestamp"]));
        let ping =
            json!({ "type": "webhook.ping", "version": "v1", "timestamp": to_the_second(at), "data": { "id": id } });
        assert_eq!(event, ping);
        assert!(last <= at, "ping {number} happened at {at:?}, after {last:?}");
        last = at;
        assert_eq!(delivery.header("webhook-signature").split(' ').count(), valid.len());
    }
}
