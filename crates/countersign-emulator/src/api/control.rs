//! `/_emulator`: inspection and control, which the real service does not have.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::routing::{any, get, post};
use countersign::gemini::EventKind;
use http::Uri;
use serde_json::{Map, Value, json};

use super::call::{self, Call};
use super::error::ApiError;
use super::fields::{self, Fields};
use super::handler::{shared, world};
use super::page::Page;
use crate::audience::Audience;
use crate::event::Event;
use crate::faults::{Fault, Frequency};
use crate::foreign;
use crate::ids;
use crate::job::{End, State, Work};
use crate::keys::PublishedKeys;
use crate::project::ProjectId;
use crate::quirk::Quirk;
use crate::shared::{JWKS_PATH, Shared};
use crate::time;

/// The maximum number of ids in a response.
const LISTED: usize = 100;
/// The maximum length of an event type, in bytes.
const MAX_EVENT_TYPE: usize = 256;

pub(super) fn routes() -> Router<Arc<Shared>> {
    let overview = get(shared(|shared, _, ()| Ok(overview(shared))));
    let delivery =
        get(world(|call, id: String| delivery(call, &id))).post(world(|call, id: String| match id.split_once(':') {
            Some((id, "redeliver")) => redeliver(call, id),
            Some((_, verb)) => Err(call::no_verb(verb)),
            None => Err(ApiError::no_post("GET,HEAD")),
        }));
    Router::new()
        .route("/_emulator", overview.clone())
        .route("/_emulator/", overview)
        .route("/_emulator/clock", get(shared(|shared, _, ()| Ok(clock(shared)))))
        .route("/_emulator/clock:advance", post(shared(|shared, input, ()| advance(shared, &input.body))))
        .route("/_emulator/keys:rotate", post(shared(|shared, input, ()| rotate_keys(shared, &input.body))))
        .route(
            "/_emulator/faults",
            get(world(|call, ()| Ok(json!(call.world.faults)))).post(world(|call, ()| set_faults(call))),
        )
        .route("/_emulator/deliveries", get(world(|call, ()| deliveries(call))))
        .route("/_emulator/deliveries/{id}", delivery)
        .route("/_emulator/events:emit", post(world(|call, ()| emit(call))))
        .route("/_emulator/jobs", get(world(|call, ()| jobs(call))))
        .route("/_emulator/jobs/{*job}", post(world(|call, job: String| end_job(call, &job))))
        .route("/_emulator/{*path}", any(async || nothing_here()))
}

fn nothing_here() -> ApiError {
    ApiError::not_found(
        "there are GET /_emulator, inspect, deliveries, webhooks, jobs, clock, faults; POST faults, events:emit, \
         clock:advance, keys:rotate, deliveries/{id}:redeliver, webhooks/{project}/{id}:rotate_secret, \
         jobs/{project}/{name}:VERB, where VERB is complete, fail, cancel, expire, \
         require_action, leave_incomplete or exceed_budget",
    )
}

fn overview(shared: &Shared) -> Value {
    let (world, _) = shared.world();
    let totals = world.outbox.totals();
    let ended: Map<_, _> =
        totals.ended.iter().map(|(ending, count)| (ending.as_str().into(), (*count).into())).collect();
    json!({
        "base_url": shared.base_url,
        "jwks_url": format!("{}{}", shared.base_url, JWKS_PATH),
        "note": "the keys and secrets of this emulator are for testing",
        "sender": world.rules.sender.name,
        "seed": shared.seed,
        "clock": clock(shared),
        "faults": world.faults,
        "known_faults": Fault::ALL.map(Fault::as_str),
        "known_events": EventKind::KNOWN.iter().filter_map(|kind| kind.name()).collect::<Vec<_>>(),
        "quirks": world.rules.quirks.iter().map(|quirk| quirk.as_str()).collect::<Vec<_>>(),
        "keys_generation": world.keys.generation(),
        "deliveries": totals.deliveries,
        "attempts": totals.attempts,
        "open": totals.open,
        "events_without_room": totals.events_without_room,
        "ended": ended,
    })
}

fn clock(shared: &Shared) -> Value {
    json!({
        "now": time::to_the_millisecond(shared.clock.now()),
        "machine": time::to_the_millisecond(shared.clock.machine_now()),
        "scale": shared.clock.scale(),
    })
}

fn advance(shared: &Shared, body: &[u8]) -> Result<Value, ApiError> {
    let mut fields = Fields::parse(body)?;
    let by = fields.string("by")?.unwrap_or_default();
    fields.reject_unknown()?;
    let by = humantime::parse_duration(&by)
        .map_err(|_| ApiError::invalid("by", "write a number and a unit, for example `90s`, `3h` or `1d`"))?;
    shared.clock.advance(by);
    Ok(clock(shared))
}

fn rotate_keys(shared: &Shared, body: &[u8]) -> Result<Value, ApiError> {
    Fields::parse(body)?.reject_unknown()?;
    // Generating an RSA key takes a while: the world is not locked meanwhile.
    let (generation, mut rng) = (shared.generation.fetch_add(1, Ordering::SeqCst) + 1, shared.world().0.rng.fork());
    let keys = PublishedKeys::generate(generation, &mut rng).map_err(|error| ApiError::internal(error.to_string()))?;
    let document = keys.document();
    let (mut world, _) = shared.world();
    if generation > world.keys.generation() {
        world.keys = keys;
    }
    Ok(document)
}

fn set_faults(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let mut fields = call.fields()?;
    let mut faults = call.world.faults.clone();
    for fault in Fault::ALL {
        let invalid =
            || ApiError::invalid(fault.as_str(), "write `3` for the next three, \"10%\" for a rate, `0` for none");
        let frequency = match fields.take(fault.as_str()) {
            None => continue,
            Some(Value::Number(number)) => number
                .as_u64()
                .and_then(|number| u32::try_from(number).ok())
                .map(Frequency::Next)
                .ok_or_else(invalid)?,
            Some(Value::String(text)) => text.parse().map_err(|_| invalid())?,
            Some(_) => return Err(invalid()),
        };
        faults.set(fault, frequency);
    }
    fields
        .reject_unknown()
        .map_err(|error| error.hint(&format!("; the faults are {}", Fault::ALL.map(Fault::as_str).join(", "))))?;
    call.world.faults = faults;
    Ok(json!(call.world.faults))
}

fn deliveries(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let status = call.query.take("status");
    let page = Page::parse(&mut call.query)?;
    let all = call.world.outbox.newest_first(page.after.unwrap_or(u64::MAX));
    let wanted = all.filter(|(_, delivery)| status.as_ref().is_none_or(|status| delivery.status.as_str() == status));
    let (deliveries, next) = page.of(wanted.map(|(number, delivery)| (number, delivery.summary())));
    Ok(json!({ "deliveries": deliveries, "next_page_token": next }))
}

fn delivery(call: &Call<'_>, id: &str) -> Result<Value, ApiError> {
    let outbox = &call.world.outbox;
    let delivery = outbox.find(id).and_then(|number| outbox.get(number));
    Ok(delivery.ok_or_else(|| no_delivery(id))?.details())
}

fn redeliver(call: &mut Call<'_>, id: &str) -> Result<Value, ApiError> {
    call.fields()?.reject_unknown()?;
    let outbox = &mut call.world.outbox;
    let number = outbox.find(id).ok_or_else(|| no_delivery(id))?;
    if outbox.get(number).is_some_and(|delivery| delivery.status == crate::delivery::Status::InFlight) {
        return Err(ApiError::precondition("an attempt of this delivery is in flight: try again when it has ended"));
    }
    outbox.wait(number, call.now);
    delivery(call, id)
}

fn no_delivery(id: &str) -> ApiError {
    ApiError::not_found(format!("there is no delivery `{id}`; old ones are removed some time after they ended"))
}

fn emit(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let mut fields = call.fields()?;
    let sender = call.world.rules.sender;
    let typical = if foreign::is_foreign(sender) { sender.example.event_type } else { "" };
    let event_type = fields.string("type")?.unwrap_or_else(|| typical.into());
    if event_type.is_empty() || event_type.len() > MAX_EVENT_TYPE {
        return Err(ApiError::invalid("type", "the type of the event is required, for example `batch.succeeded`"));
    }
    let data = fields.map("data")?;
    let user_metadata = fields.map("user_metadata")?;
    let count = whole(&mut fields, "count")?.unwrap_or(1);
    let project = whole(&mut fields, "project")?;
    let uris = fields.strings("uris")?.unwrap_or_default();
    if uris.len() > fields::MAX_URIS {
        return Err(ApiError::invalid("uris", format!("there are more than {} addresses", fields::MAX_URIS)));
    }
    let uris = uris.iter().enumerate().map(|(index, text)| fields::uri(&format!("uris[{index}]"), text));
    let uris = uris.collect::<Result<Vec<_>, _>>()?;
    fields.reject_unknown()?;

    let audiences = audiences(call, &event_type, project, &uris)?;
    let reached: usize = audiences.iter().map(|audience| call.world.reach(audience, &event_type)).sum();
    call.room_for(usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(reached), call.body.len())?;
    let before = call.world.outbox.totals().deliveries;
    for _ in 0..count {
        let name = ids::resource(&mut call.world.rng, 12);
        let event = match &data {
            None if foreign::is_foreign(sender) => Event::new(&event_type, call.now, Value::Null),
            None if call.world.has(Quirk::PrefixedIds) => {
                Event::example(&event_type, &name, call.now).with_prefixed_id()
            }
            None => Event::example(&event_type, &name, call.now),
            Some(data) => Event::new(&event_type, call.now, Value::Object(data.clone())),
        };
        let event = event.with_user_metadata(user_metadata.clone());
        for audience in &audiences {
            call.world.publish(&event, audience, call.now);
        }
    }
    let made = call.world.outbox.totals().deliveries - before;
    let newest = call.world.outbox.newest_first(u64::MAX).take(usize::try_from(made).unwrap_or(LISTED).min(LISTED));
    let ids: Vec<_> = newest.map(|(_, delivery)| delivery.id.as_str()).collect();
    Ok(json!({ "deliveries": made, "ids": ids }))
}

/// The audience of an event that was emitted by hand. An event of an unknown type goes to all webhooks.
fn audiences(
    call: &mut Call<'_>,
    event_type: &str,
    project: Option<u64>,
    uris: &[Uri],
) -> Result<Vec<Audience>, ApiError> {
    let projects = match project {
        None => call.world.projects.all().collect(),
        Some(number) => {
            let project = call.world.projects.numbered(number);
            vec![project.ok_or_else(|| ApiError::invalid("project", format!("there is no project {number}")))?]
        }
    };
    if !uris.is_empty() {
        let project = projects.first().copied().or_else(|| call.world.projects.of_key("_emulator"));
        return Ok(project.map(|project| Audience::Uris(project, uris.to_vec())).into_iter().collect());
    }
    let is_known = EventKind::from_name(event_type).name().is_some();
    let of_project = |project: ProjectId| {
        if is_known {
            return vec![Audience::Subscribers(project)];
        }
        let webhooks = call.world.projects.webhooks(project).iter();
        webhooks.map(|(_, webhook)| Audience::Webhook(project, webhook.id.clone())).collect()
    };
    Ok(projects.into_iter().flat_map(of_project).collect())
}

fn whole(fields: &mut Fields, name: &str) -> Result<Option<u64>, ApiError> {
    match fields.take(name) {
        None => Ok(None),
        Some(value) => {
            let number = value.as_u64().filter(|number| *number > 0);
            number.map(Some).ok_or_else(|| ApiError::invalid(name, "expected a whole number of at least 1"))
        }
    }
}

fn jobs(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let page = Page::parse(&mut call.query)?;
    let shown = call.world.jobs.newest_first(page.after.unwrap_or(u64::MAX)).map(|(number, job)| {
        let kind = match job.work {
            Work::Interaction(_) => "interaction",
            Work::Batch(_) => "batch",
            Work::Video(_) => "video",
        };
        let ends = match job.record.state {
            State::Running { until, .. } => Some(time::to_the_millisecond(until)),
            State::Ended(_) => None,
        };
        let shown = json!({
            "name": job.record.name,
            "project": job.project.number(),
            "kind": kind,
            "ends": ends,
            "resource": job.listed(call.now),
        });
        (number, shown)
    });
    let (jobs, next) = page.of(shown);
    Ok(json!({ "jobs": jobs, "next_page_token": next }))
}

/// `{project}/{name}:{verb}`; the name has slashes of its own.
fn end_job(call: &mut Call<'_>, path: &str) -> Result<Value, ApiError> {
    call.fields()?.reject_unknown()?;
    let parsed = path.rsplit_once(':').and_then(|(job, verb)| {
        let (project, name) = job.split_once('/')?;
        Some((call.world.projects.numbered(project.parse().ok()?)?, name, verb))
    });
    let (project, name, verb) = parsed.ok_or_else(|| {
        ApiError::not_found(
            "write /_emulator/jobs/{project}/{name}:{verb}, with the project and name from the list of jobs",
        )
    })?;
    let end = End::parse(verb).ok_or_else(|| call::no_verb(verb))?;
    if !call.world.end_job(project, name, end, call.now) {
        return Err(ApiError::precondition("there is no such job, it has already ended, or it cannot end like this"));
    }
    let job = call.world.jobs.find(project, name);
    Ok(job.map(|job| job.resource(call.now)).unwrap_or_default())
}
