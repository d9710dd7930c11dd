//! Mistakes with the three headers.

use countersign::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use countersign::{Reason, UnixTime};
use http::header::{DATE, HeaderName};
use serde_json::Value;

use super::case::Case;
use super::finding::{Explanation, Finding, Repairs};
use super::trial::{Change, Head};
use crate::time;

const NAMES: [HeaderName; 3] = [WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE];
/// How many values of a header are tried at most.
const MAX_VALUES: usize = 8;
/// How far around the captured timestamp others are tried, in seconds.
const NEARBY_SECS: u64 = 3600;

const RENAMED: Explanation = Explanation {
    code: "headers_renamed",
    title: "the three headers have other names",
    advice: "Verify them as `webhook-id`, `webhook-timestamp` and `webhook-signature`: a library's own prefix (`svix-`), \
             or a server's variables (`HTTP_WEBHOOK_ID`), must be mapped to them.",
};

/// `svix-id`, `x-webhook-id`, `HTTP_WEBHOOK_ID`.
pub(super) fn renamed(case: &Case) -> Repairs<'_> {
    let [own_id, own_timestamp, own_signature] = NAMES.map(|name| case.header(&name));
    let found = |wanted: &HeaderName| {
        let names = case.capture.headers.iter();
        let mut alike = names.filter(|(name, _)| *name != wanted && canonical(name) == wanted.as_str());
        alike.next().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
    };
    let [id, timestamp, signature] = NAMES.map(|name| found(&name));
    let names: Vec<_> =
        [&id, &timestamp, &signature].into_iter().flatten().map(|(name, _)| format!("`{name}`")).collect();
    let value = |found: Option<(String, String)>, own| found.map_or(own, |(_, value)| value);
    let head = Head {
        id: value(id, own_id),
        timestamp: value(timestamp, own_timestamp),
        signature: Some(value(signature, own_signature)),
    };
    let once = format!("{} are used for them", names.join(", "));
    Box::new((!names.is_empty()).then(|| RENAMED.repair(once, Change::Head(head))).into_iter())
}

fn canonical(name: &HeaderName) -> String {
    let name = name.as_str().replace('_', "-");
    let name = name.strip_prefix("http-").unwrap_or(&name);
    let name = name.strip_prefix("x-").unwrap_or(name);
    name.strip_prefix("svix-").map_or_else(|| name.to_owned(), |rest| format!("webhook-{rest}"))
}

const DUPLICATED: Explanation = Explanation {
    code: "headers_duplicated",
    title: "a header is present more than once, or its values were joined",
    advice: "Find out what adds it a second time: a proxy, or a client that sets a header that its library sets too. A \
             verifier must not choose between two values, so it rejects both.",
};

/// One of several values is the signed one.
pub(super) fn duplicated(case: &Case) -> Repairs<'_> {
    let [ids, timestamps, signatures] = NAMES.map(|name| values(case, &name));
    let mut heads = Vec::new();
    for id in &ids {
        for timestamp in &timestamps {
            for signature in &signatures {
                heads.push(Head { id: id.clone(), timestamp: timestamp.clone(), signature: Some(signature.clone()) });
            }
        }
    }
    Box::new(heads.into_iter().map(|head| {
        let once = format!("only the id `{}` and the timestamp `{}` are used", shown(&head.id), shown(&head.timestamp));
        DUPLICATED.repair(once, Change::Head(head))
    }))
}

/// Each value. Signatures are a list anyway; ids and timestamps may have been joined to one.
fn values(case: &Case, name: &HeaderName) -> Vec<String> {
    let mut values = case.values(name);
    if *name != WEBHOOK_SIGNATURE {
        values = values.iter().flat_map(|value| value.split(',').map(|part| part.trim().to_owned())).collect();
    }
    values.dedup();
    values.truncate(MAX_VALUES);
    values
}

const DECORATED: Explanation = Explanation {
    code: "header_decorated",
    title: "the id or the timestamp has extra characters around it",
    advice: "Pass the headers on unchanged. Quotes, white space, signs, zeros or fractions come from a log, a template or a \
             reformatted number.",
};

/// White space, quotes, a fraction, a leading zero.
pub(super) fn decorated(case: &Case) -> Repairs<'_> {
    let id = undecorated(&case.header(&WEBHOOK_ID));
    let timestamp = undecorated(&case.header(&WEBHOOK_TIMESTAMP));
    let timestamp = timestamp.split('.').next().unwrap_or_default().trim_start_matches(['+', '0']).to_owned();
    let head = Head { id, timestamp, signature: None };
    let once = format!("the id is `{}` and the timestamp `{}`", shown(&head.id), shown(&head.timestamp));
    Box::new(std::iter::once(DECORATED.repair(once, Change::Head(head))))
}

fn undecorated(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '"' | '\'' | '`' | '<' | '>' | '[' | ']')).collect()
}

const SWAPPED: Explanation = Explanation {
    code: "id_and_timestamp_swapped",
    title: "the id is in the timestamp header, and the timestamp in the id header",
    advice: "Swap them where the headers are written.",
};

pub(super) fn swapped(case: &Case) -> Repairs<'_> {
    let (id, timestamp) = (case.header(&WEBHOOK_TIMESTAMP), case.header(&WEBHOOK_ID));
    let head = Head { id, timestamp, signature: None };
    Box::new(std::iter::once(SWAPPED.repair("the two are swapped", Change::Head(head))))
}

const OTHER_ID: Explanation = Explanation {
    code: "id_from_another_delivery",
    title: "the id is not the one that was signed",
    advice: "The signature covers the id: pass `webhook-id` on as received. Possible causes are a proxy that sets its own request \
             id, and headers from two different deliveries.",
};

/// Ids that were given to try, and others in the request.
pub(super) fn other_id(case: &Case) -> Repairs<'_> {
    let body: Option<Value> = serde_json::from_slice(&case.capture.body).ok();
    let pointers = ["/id", "/data/id", "/event_id", "/message_id"].into_iter();
    let in_body: Vec<_> = pointers.filter_map(|at| Some(body.as_ref()?.pointer(at)?.as_str()?.to_owned())).collect();
    let in_head = case.capture.headers.iter().filter(|(name, _)| name.as_str().ends_with("id"));
    let in_head = in_head.filter_map(|(_, value)| value.to_str().ok().map(str::to_owned));
    Box::new(
        case.other_ids
            .iter()
            .cloned()
            .chain(in_head)
            .chain(in_body)
            .map(|id| OTHER_ID.repair(format!("the id is `{}`", shown(&id)), Change::Id(id))),
    )
}

const OTHER_TIMESTAMP: Explanation = Explanation {
    code: "timestamp_from_another_delivery",
    title: "the timestamp is not the one that was signed",
    advice: "The signature covers the timestamp, and each attempt has its own: use all three headers of the same request, and do \
             not set a new time when passing it on.",
};

/// Timestamps that were given to try, and others in the request.
pub(super) fn other_timestamp(case: &Case) -> Repairs<'_> {
    let body: Option<Value> = serde_json::from_slice(&case.capture.body).ok();
    let in_body =
        body.as_ref().and_then(|body| body.get("timestamp")?.as_str()).and_then(|text| time::parse(text).ok());
    let date = parse_date(&case.header(&DATE));
    let found = case.other_timestamps.iter().copied().chain(date).chain(in_body).map(UnixTime::as_secs);
    Box::new(found.map(|secs| timestamp_repair(secs, case)))
}

/// Every second of the hour before and after it.
pub(super) fn nearby_timestamp(case: &Case) -> Repairs<'_> {
    let near = case.header(&WEBHOOK_TIMESTAMP).parse::<u64>().ok();
    let offsets =
        move |secs: u64| (1..=NEARBY_SECS).flat_map(move |off| [secs.checked_sub(off), secs.checked_add(off)]);
    Box::new(near.into_iter().flat_map(offsets).flatten().map(|secs| timestamp_repair(secs, case)))
}

fn timestamp_repair(secs: u64, case: &Case) -> super::finding::Repair {
    let once = format!("the timestamp is {}", time::described(secs, case.now));
    OTHER_TIMESTAMP.repair(once, Change::Timestamp(secs.to_string()))
}

const OTHER_UNIT: Explanation = Explanation {
    code: "timestamp_in_another_unit",
    title: "the timestamp is not in seconds, but the signed one was",
    advice: "Write `webhook-timestamp` in whole seconds since 1970, exactly as it was signed.",
};

/// Milli-, micro- or nanoseconds, RFC 3339, an HTTP date, hexadecimal.
pub(super) fn other_unit(case: &Case) -> Repairs<'_> {
    let text = case.header(&WEBHOOK_TIMESTAMP);
    let number = text.trim().parse::<u64>().ok();
    let scaled = [1000, 1_000_000, 1_000_000_000].into_iter().filter_map(move |unit| Some(number? / unit));
    let written = humantime::parse_rfc3339_weak(text.trim()).ok().map(|at| UnixTime::from(at).as_secs());
    let written = written.or_else(|| parse_date(&text).map(UnixTime::as_secs));
    let hex = text.trim().strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
    Box::new(written.into_iter().chain(hex).chain(scaled).map(|secs| {
        let once = format!("the timestamp is in seconds: {secs}");
        OTHER_UNIT.repair(once, Change::Timestamp(secs.to_string()))
    }))
}

const MISSING: Explanation = Explanation {
    code: "header_missing",
    title: "a header is missing",
    advice: "If the server does not get it either, a proxy drops it (allow it there), or this is not a Standard Webhooks \
             delivery. If only the capture lacks it, capture all headers.",
};

/// A header that is missing under any name.
pub(super) fn missing(case: &Case) -> Option<Finding> {
    let names = NAMES.into_iter().filter(|name| !case.capture.headers.contains_key(name));
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    (!names.is_empty())
        .then(|| MISSING.likely(format!("There is no {}: {}.", names.join(", no "), Reason::MissingHeader)))
}

/// An HTTP date, for example `Sun, 06 Nov 1994 08:49:37 GMT`.
fn parse_date(text: &str) -> Option<UnixTime> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut words = text.split(' ').skip(1);
    let (day, month, year, clock) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.find(month).filter(|_| month.len() == 3)? / 3 + 1;
    time::parse(&format!("{year}-{month:02}-{day}T{clock}Z")).ok()
}

fn shown(text: &str) -> String {
    crate::output::shown(text)
}
