//! The `WebhookService`.

use std::collections::BTreeSet;

use countersign::gemini::EventKind;
use http::Uri;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::call::{self, Call};
use super::error::ApiError;
use super::fields::{self, Fields};
use super::page::Page;
use crate::audience::Audience;
use crate::event::Event;
use crate::ids;
use crate::project::ProjectId;
use crate::quirk::Quirk;
use crate::webhook::{Revocation, State, Webhook};

/// The maximum number of webhooks of a project.
const MAX_WEBHOOKS: usize = 100;
/// The maximum length of the name of a webhook, in bytes.
const MAX_NAME: usize = 256;
/// Fields that only the service sets.
const OUTPUT_ONLY: [&str; 5] = ["id", "create_time", "update_time", "new_signing_secret", "signing_secrets"];
/// Fields that an update can set.
const UPDATABLE: [&str; 4] = ["name", "uri", "subscribed_events", "state"];

pub(super) fn create(call: &mut Call<'_>, project: ProjectId) -> Result<Value, ApiError> {
    let mut fields = call.fields()?;
    fields.ignore(&OUTPUT_ONLY);
    fields.ignore(&["state"]);
    let (uri, events, name) = (uri(&mut fields)?, subscribed_events(&mut fields)?, name(&mut fields)?);
    fields.reject_unknown()?;
    if call.world.projects.webhooks(project).len() >= MAX_WEBHOOKS {
        return Err(ApiError::exhausted(format!(
            "the project already has {MAX_WEBHOOKS} webhooks, which is the limit: delete some"
        )));
    }
    let secret = Zeroizing::new(ids::secret(&mut call.world.rng));
    let id = ids::resource(&mut call.world.rng, ids::WEBHOOK);
    let webhook = Webhook::new(id, uri, events, name, &secret, call.now);
    let mut resource = webhook.resource(call.now);
    // The secret is shown only once.
    resource["new_signing_secret"] = call.world.shown(&secret).as_str().into();
    call.world.projects.add_webhook(project, webhook);
    Ok(resource)
}

/// `{id}:ping` and `{id}:rotateSigningSecret`.
pub(super) fn verb(call: &mut Call<'_>, project: ProjectId, id_and_verb: &str) -> Result<Value, ApiError> {
    match id_and_verb.split_once(':') {
        Some((id, "ping")) => ping(call, project, id),
        Some((id, "rotateSigningSecret")) => rotate(call, project, id),
        Some((_, verb)) => Err(call::no_verb(verb)),
        None => Err(ApiError::no_post("GET,HEAD,PATCH,DELETE")),
    }
}

pub(super) fn get(call: &mut Call<'_>, project: ProjectId, id: &str) -> Result<Value, ApiError> {
    let now = call.now;
    let resource = find(call, project, id)?.resource(now);
    Ok(as_read(call, resource))
}

pub(super) fn list(call: &mut Call<'_>, project: ProjectId) -> Result<Value, ApiError> {
    let page = Page::parse(&mut call.query)?;
    let webhooks = call.world.projects.webhooks(project).iter();
    let rest = webhooks.filter(|(number, _)| page.after.is_none_or(|after| *number > after));
    let (webhooks, next) = page.of(rest.map(|(number, webhook)| (*number, as_read(call, webhook.resource(call.now)))));
    let mut list = json!({ "webhooks": webhooks });
    if let Some(token) = next {
        list["next_page_token"] = token.into();
    }
    Ok(list)
}

/// A resource as `get` and `list` show it.
fn as_read(call: &Call<'_>, mut resource: Value) -> Value {
    if call.world.has(Quirk::EmptyTimes)
        && let Some(members) = resource.as_object_mut()
    {
        members.remove("create_time");
        members.remove("update_time");
        for secret in members.get_mut("signing_secrets").and_then(Value::as_array_mut).into_iter().flatten() {
            secret.as_object_mut().and_then(|secret| secret.remove("expire_time"));
        }
    }
    resource
}

pub(super) fn update(call: &mut Call<'_>, project: ProjectId, id: &str) -> Result<Value, ApiError> {
    let mut fields = call.fields()?;
    fields.ignore(&OUTPUT_ONLY);
    let mask = call.query.take("update_mask").filter(|mask| !mask.is_empty());
    let named = |name: &&str| match mask.as_deref() {
        None => fields.has(name),
        Some("*") => true,
        Some(mask) => mask.split(',').any(|part| part.trim() == *name),
    };
    let chosen: BTreeSet<_> = UPDATABLE.iter().filter(|name| named(name)).copied().collect();
    if let Some(unknown) = mask.iter().flat_map(|mask| mask.split(',')).map(str::trim).find(|part| !is_path(part)) {
        let known = UPDATABLE.join(", ");
        return Err(ApiError::invalid("update_mask", format!("`{unknown}` cannot be updated; what can: {known}")));
    }
    // Everything is parsed before anything is changed.
    let new_uri = chosen.contains("uri").then(|| uri(&mut fields)).transpose()?;
    let new_events = chosen.contains("subscribed_events").then(|| subscribed_events(&mut fields)).transpose()?;
    let new_name = chosen.contains("name").then(|| name(&mut fields)).transpose()?;
    let new_state = chosen.contains("state").then(|| state(&mut fields)).transpose()?;
    // Fields outside the mask may be in the body, and are not changed.
    fields.ignore(&UPDATABLE);
    fields.reject_unknown()?;

    let now = call.now;
    let webhook = find(call, project, id)?;
    webhook.uri = new_uri.unwrap_or_else(|| webhook.uri.clone());
    webhook.subscribed_events = new_events.unwrap_or_else(|| webhook.subscribed_events.clone());
    webhook.name = new_name.unwrap_or_else(|| webhook.name.clone());
    if let Some(state) = new_state {
        webhook.set_state(state);
    }
    webhook.updated = now;
    Ok(webhook.resource(now))
}

pub(super) fn delete(call: &mut Call<'_>, project: ProjectId, id: &str) -> Result<Value, ApiError> {
    find(call, project, id)?;
    call.world.projects.remove_webhook(project, id);
    Ok(json!({}))
}

fn ping(call: &mut Call<'_>, project: ProjectId, id: &str) -> Result<Value, ApiError> {
    call.fields()?.reject_unknown()?;
    if find(call, project, id)?.state != State::Enabled {
        return Err(ApiError::precondition("the webhook is disabled: enable it first (`state`: `enabled`)"));
    }
    call.room_for(1, 0)?;
    // The body of a ping is not documented. Receivers have to accept unknown event types anyway.
    let event = Event::new("webhook.ping", call.now, json!({ "id": id }));
    call.world.publish(&event, &Audience::Webhook(project, id.into()), call.now);
    Ok(json!({}))
}

pub(super) fn rotate(call: &mut Call<'_>, project: ProjectId, id: &str) -> Result<Value, ApiError> {
    let mut fields = call.fields()?;
    let revocation = match fields.string("revocation_behavior")? {
        None => Revocation::AfterADay,
        Some(text) => Revocation::parse(&text).ok_or_else(|| {
            let known = "revoke_previous_secrets_after_h24 nor revoke_previous_secrets_immediately";
            ApiError::invalid("revocation_behavior", format!("`{text}` is neither {known}"))
        })?,
    };
    fields.reject_unknown()?;
    let secret = Zeroizing::new(ids::secret(&mut call.world.rng));
    let now = call.now;
    if find(call, project, id)?.rotate(&secret, revocation, now) {
        Ok(json!({ "secret": call.world.shown(&secret).as_str() }))
    } else {
        Err(ApiError::precondition(
            "too many secrets are valid at once: wait a day, or use revoke_previous_secrets_immediately",
        ))
    }
}

fn find<'c>(call: &'c mut Call<'_>, project: ProjectId, id: &str) -> Result<&'c mut Webhook, ApiError> {
    // The SDKs put the id into the path, one of them with its slash encoded.
    if id.starts_with("webhooks/") {
        return Err(full_name());
    }
    call.world.projects.webhook(project, id).ok_or_else(|| {
        ApiError::not_found(format!("this project has no webhook `{id}`; each API key has a project of its own"))
    })
}

/// The error for the full name, `webhooks/{id}`, where the id alone is expected.
pub(super) fn full_name() -> ApiError {
    ApiError::not_found("a webhook is asked for by its id alone: leave out the `webhooks/` before it")
}

fn uri(fields: &mut Fields) -> Result<Uri, ApiError> {
    let text = fields.string("uri")?;
    fields::uri("uri", &text.ok_or_else(|| ApiError::invalid("uri", "the address is missing"))?)
}

fn subscribed_events(fields: &mut Fields) -> Result<Vec<String>, ApiError> {
    let events = fields.strings("subscribed_events")?.unwrap_or_default();
    if events.is_empty() {
        return Err(ApiError::invalid("subscribed_events", "at least one event is required"));
    }
    // Some documents call `batch.succeeded` `batch.completed`.
    let read = |(index, name): (usize, String)| {
        EventKind::from_name(&name).name().map(str::to_owned).ok_or_else(|| {
            let known: Vec<_> = EventKind::KNOWN.iter().filter_map(|kind| kind.name()).collect();
            let description = format!("there is no event `{name}`; there are {}", known.join(", "));
            ApiError::invalid(format!("subscribed_events[{index}]"), description)
        })
    };
    let mut names = Vec::new();
    for name in events.into_iter().enumerate().map(read) {
        let name = name?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn name(fields: &mut Fields) -> Result<Option<String>, ApiError> {
    let name = fields.string("name")?.filter(|name| !name.is_empty());
    if name.as_ref().is_some_and(|name| name.len() > MAX_NAME) {
        return Err(ApiError::invalid("name", format!("the name has more than {MAX_NAME} bytes")));
    }
    Ok(name)
}

fn state(fields: &mut Fields) -> Result<State, ApiError> {
    let text = fields.string("state")?.unwrap_or_default();
    let settable = [State::Enabled, State::Disabled];
    settable.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
        let is_known = State::ALL.iter().any(|state| state.as_str() == text);
        let why = if is_known { "is the service's to set" } else { "is no state" };
        ApiError::invalid("state", format!("`{text}` {why}; set `enabled` or `disabled`"))
    })
}

fn is_path(part: &str) -> bool {
    part == "*" || UPDATABLE.contains(&part)
}
