//! What an SDK says to its user of a request that is not as it should be.

use countersign_emulator::Dynamic;
use serde_json::{Value, json};

use super::client::{Major, Sdk};
use super::facts::{VERSIONS, assert_error, assert_violation};
use super::stage::Stage;

#[test]
fn python_names_what_is_wrong() {
    names_what_is_wrong(Sdk::Python);
}

#[test]
fn javascript_names_what_is_wrong() {
    names_what_is_wrong(Sdk::JavaScript);
}

#[test]
fn earlier_javascript_names_what_is_wrong() {
    names_what_is_wrong(Sdk::EarlierJavaScript);
}

fn names_what_is_wrong(sdk: Sdk) {
    let stage = Stage::start(Dynamic::V1a);
    let facts = stage.drive(sdk, Major::Third, "errors", None);
    for version in VERSIONS {
        let facts = &facts[version];
        missing(sdk, facts);
        invalid(sdk, facts);
        let no_key = "there is no API key: send any text as `x-goog-api-key`, each is a project of its own";
        assert_error(sdk, &facts["no_key"], "webhooks", (403, "PERMISSION_DENIED"), no_key);
        assert_error(sdk, &facts["no_key_of_batches"], "batches", (403, "PERMISSION_DENIED"), no_key);
        assert_eq!(facts["only_the_good_one"], json!(true), "something came of a request that was refused");
    }
}

fn missing(sdk: Sdk, facts: &Value) {
    for (fact, resource, said) in [
        (
            "webhook_missing",
            "webhooks",
            "this project has no webhook `no-such-webhook`; each API key has a project of its own",
        ),
        (
            "webhook_of_a_full_name",
            "webhooks",
            "a webhook is asked for by its id alone: leave out the `webhooks/` before it",
        ),
        ("interaction_missing", "interactions", "this project has no interaction `no-such-interaction`"),
        ("batch_missing", "batches", "this project has no batch `batches/no-such-batch`"),
    ] {
        assert_error(sdk, &facts[fact], resource, (404, "NOT_FOUND"), said);
    }
}

fn invalid(sdk: Sdk, facts: &Value) {
    let address = "write an address such as http://127.0.0.1:3000/gemini";
    let event = "there is no event `no.such.event`; there are batch.succeeded, batch.cancelled, batch.expired, \
                 batch.failed, interaction.requires_action, interaction.completed, interaction.cancelled, \
                 interaction.failed, video.generated";
    let state = "`disabled_due_to_failed_deliveries` is the service's to set; set `enabled` or `disabled`";
    let mask = "`id` cannot be updated; what can: name, uri, subscribed_events, state";
    for (fact, resource, field, said) in [
        ("uri", "webhooks", "uri", address),
        ("event", "webhooks", "subscribed_events[1]", event),
        ("state", "webhooks", "state", state),
        ("mask", "webhooks", "update_mask", mask),
        ("page_token", "webhooks", "page_token", "this is not a token of this list"),
        ("stream", "interactions", "stream", "the emulator does not stream: leave it out, or set `background`"),
        ("webhook_config", "interactions", "webhook_config.uris[0]", address),
        ("batch_webhook_config", "batches", "batch.webhook_config.uris[0]", address),
    ] {
        assert_violation(sdk, &facts[fact], resource, (400, "INVALID_ARGUMENT"), said, Some(field));
    }
}
