//! Ids and timestamps with other values.

use countersign::UnixTime;
use countersign::header::{WEBHOOK_ID, WEBHOOK_TIMESTAMP};
use http::header::{DATE, HeaderName};
use serde_json::Value;

use super::head::Head;
use crate::case::Case;
use crate::finding::Explanation;
use crate::shown::shown;
use crate::time;

/// How many values of a header are tried at most.
const MAX_VALUES: usize = 8;
/// The largest body in which ids and times are looked for, in bytes.
const MAX_JSON: usize = 64 << 10;
/// How far around the captured timestamp others are tried, in seconds.
const NEARBY_SECS: u64 = 3600;

const DUPLICATED: Explanation = Explanation {
    code: "headers_duplicated",
    title: "a header is present more than once, or its values were joined",
    advice: "Find out what adds it a second time: a proxy, or a client that sets a header that its library sets too. A \
             verifier must not choose between two values, so it rejects both.",
};

/// One of several values is the signed one.
pub(super) fn duplicated(case: &Case) -> Vec<Head> {
    let (ids, timestamps) = (values(case, &WEBHOOK_ID), values(case, &WEBHOOK_TIMESTAMP));
    let pairs = ids.iter().flat_map(|id| timestamps.iter().map(move |timestamp| (id, timestamp)));
    pairs
        .map(|(id, timestamp)| {
            let once = format!("only the id `{}` and the timestamp `{}` are used", shown(id), shown(timestamp));
            Head { id: id.clone(), timestamp: timestamp.clone(), steps: vec![DUPLICATED.step(once)] }
        })
        .collect()
}

/// Each value, also of those that were joined to one.
fn values(case: &Case, name: &HeaderName) -> Vec<String> {
    let values = case.values(name);
    let mut values: Vec<_> =
        values.iter().flat_map(|value| value.split(',').map(|part| part.trim().to_owned())).collect();
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
pub(super) fn decorated(base: &Head) -> Vec<Head> {
    let id = undecorated(&base.id);
    let timestamp = undecorated(&base.timestamp);
    let whole = timestamp.split('.').next().unwrap_or_default().trim_start_matches(['+', '0']).replace(',', "");
    let once = format!("the id is `{}` and the timestamp `{}`", shown(&id), shown(&whole));
    let head = |timestamp: String| Head {
        id: id.clone(),
        timestamp,
        steps: base.steps.iter().cloned().chain([DECORATED.step(once.clone())]).collect(),
    };
    vec![head(whole), head(timestamp)]
}

fn undecorated(text: &str) -> String {
    let is_around = |c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '"' | '\'' | '`' | '<' | '>' | '[' | ']' | '{' | '}' | '(' | ')' | '\u{feff}' | '\u{200b}'..='\u{200d}'
            )
    };
    // Python's `b'…'`.
    let is_bytes = text.starts_with("b'") || text.starts_with("b\"");
    text[usize::from(is_bytes)..].chars().filter(|c| !is_around(*c)).collect()
}

const SWAPPED: Explanation = Explanation {
    code: "id_and_timestamp_swapped",
    title: "the id is in the timestamp header, and the timestamp in the id header",
    advice: "Swap them where the headers are written.",
};

pub(super) fn swapped(base: &Head) -> Vec<Head> {
    let steps = base.steps.iter().cloned().chain([SWAPPED.step("the two are swapped")]).collect();
    vec![Head { id: base.timestamp.clone(), timestamp: base.id.clone(), steps }]
}

const OTHER_ID: Explanation = Explanation {
    code: "id_from_another_delivery",
    title: "the id is not the one that was signed",
    advice: "The signature covers the id: pass `webhook-id` on as received. Possible causes are a proxy that sets its own request \
             id, and headers from two different deliveries.",
};

/// Ids that were given to try, others in the request, and the id in another case or with another prefix.
pub(super) fn other_ids(case: &Case, base: &Head) -> Vec<Head> {
    let body = small_json(case);
    let pointers = ["/id", "/data/id", "/event_id", "/message_id", "/eventId", "/messageId", "/webhook_id"].into_iter();
    let in_body: Vec<_> = pointers.filter_map(|at| Some(body.as_ref()?.pointer(at)?.as_str()?.to_owned())).collect();
    let in_head = case.capture.headers.iter().filter(|(name, _)| name.as_str().ends_with("id"));
    let in_head = in_head.filter_map(|(_, value)| value.to_str().ok().map(str::to_owned));
    let id = &base.id;
    let spelled = [
        id.to_lowercase(),
        id.to_uppercase(),
        id.strip_prefix("msg_").unwrap_or_default().to_owned(),
        format!("msg_{id}"),
        id.replace('-', ""),
    ];
    let empty = [String::new(), "undefined".into()];
    let all = case.other_ids.iter().cloned().chain(in_head).chain(in_body).chain(spelled).chain(empty);
    all.filter(|other| other != id)
        .map(|id| {
            let once = format!("the id is `{}`", shown(&id));
            base.with_id(id, OTHER_ID.step(once))
        })
        .collect()
}

/// The body as JSON, if it is small: ids and times are near the beginning of it, and reading it takes time.
fn small_json(case: &Case) -> Option<Value> {
    let body = &case.capture.body;
    (body.len() <= MAX_JSON).then(|| serde_json::from_slice(body).ok())?
}

const OTHER_TIMESTAMP: Explanation = Explanation {
    code: "timestamp_from_another_delivery",
    title: "the timestamp is not the one that was signed",
    advice: "The signature covers the timestamp, and each attempt has its own: use all three headers of the same request, and do \
             not set a new time when passing it on.",
};

/// Timestamps that were given to try, and others in the request.
pub(super) fn other_timestamps(case: &Case, base: &Head) -> Vec<Head> {
    let body = small_json(case);
    let names = ["timestamp", "created", "created_at", "createdAt", "time", "sent_at"];
    let in_body = names.into_iter().filter_map(|name| {
        let value = body.as_ref()?.get(name)?;
        value.as_u64().or_else(|| time::parse(value.as_str()?).ok().map(UnixTime::as_secs))
    });
    let date = parse_date(&case.header(&DATE)).map(UnixTime::as_secs);
    // Stripe puts it into the signature's header.
    let headers = case.capture.headers.iter().filter(|(name, _)| name.as_str().contains("signature"));
    let in_signature = headers.filter_map(|(_, value)| {
        let parts = value.to_str().ok()?.split([',', ';', ' ']);
        parts.filter_map(|part| part.strip_prefix("t=")).find_map(|text| text.parse::<u64>().ok())
    });
    let in_heads = case.capture.headers.iter().filter(|(name, _)| name.as_str().contains("timestamp"));
    let in_heads = in_heads.filter_map(|(_, value)| value.to_str().ok()?.trim().parse::<u64>().ok());
    let given = case.other_timestamps.iter().copied().map(UnixTime::as_secs);
    let all = given.chain(date).chain(in_signature).chain(in_heads).chain(in_body).collect::<Vec<_>>();
    let same = base.timestamp.parse().ok();
    all.into_iter().filter(|secs| Some(*secs) != same).map(|secs| other_timestamp(secs, case, base)).collect()
}

/// Timestamps around the captured one, the nearest first.
pub(super) fn nearby_timestamps(case: &Case, base: Head) -> impl Iterator<Item = Head> {
    let captured = base.timestamp.parse::<u64>().ok();
    let around = move |offset: u64| [captured?.checked_sub(offset), captured?.checked_add(offset)].into();
    // Whole hours further away: local time that was taken for UTC.
    let offsets = (1..=NEARBY_SECS).chain((2..=14).map(|hour| hour * 3600));
    let near = offsets.filter_map(move |offset| -> Option<[Option<u64>; 2]> { around(offset) });
    near.flatten().flatten().map(move |secs| other_timestamp(secs, case, &base))
}

fn other_timestamp(secs: u64, case: &Case, base: &Head) -> Head {
    let once = format!("the timestamp is {}", time::described(secs, case.now));
    base.with_timestamp(secs.to_string(), OTHER_TIMESTAMP.step(once))
}

const OTHER_UNIT: Explanation = Explanation {
    code: "timestamp_in_another_unit",
    title: "the timestamp is not in seconds, but the signed one was",
    advice: "Write `webhook-timestamp` in whole seconds since 1970, exactly as it was signed.",
};
const OTHER_UNIT_SIGNED: Explanation = Explanation {
    code: "timestamp_in_another_unit",
    title: "the timestamp is in seconds, but another form of it was signed",
    advice: "The sender must sign the timestamp exactly as it writes it into `webhook-timestamp`: whole seconds since 1970.",
};

/// Milli-, micro- or nanoseconds, RFC 3339, an HTTP date, hexadecimal, in either direction.
pub(super) fn other_units(base: &Head) -> Vec<Head> {
    let text = base.timestamp.trim();
    let number = text.parse::<u64>().ok();
    let scaled = [1000, 1_000_000, 1_000_000_000].into_iter().filter_map(|unit| Some(number? / unit));
    let scaled = scaled.filter(|secs| *secs > 1_000_000_000);
    let written = date_with_offset(text);
    let written = written.or_else(|| parse_date(text).map(UnixTime::as_secs));
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let hex = u64::from_str_radix(digits, 16).ok().filter(|secs| secs.to_string() != text);
    let float =
        text.parse::<f64>().ok().filter(|float| text.contains(['.', 'e', 'E']) && *float > 0.0 && *float < 1e12);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 1e12")]
    let float = float.map(|float| float as u64);
    let read = written.into_iter().chain(hex).chain(float).chain(scaled).map(|secs| {
        base.with_timestamp(secs.to_string(), OTHER_UNIT.step(format!("the timestamp is in seconds: {secs}")))
    });
    let signed = number.into_iter().flat_map(|secs| {
        let rfc3339 = time::format(secs).unwrap_or_default();
        let forms = [
            format!("{secs}000"),
            format!("{secs}.0"),
            rfc3339.replace('Z', ".000Z"),
            rfc3339,
            "undefined".into(),
            String::new(),
        ];
        forms.map(|form| {
            let once = format!("`{form}` is signed as the timestamp");
            base.with_timestamp(form, OTHER_UNIT_SIGNED.step(once))
        })
    });
    read.chain(signed).collect()
}

/// Milliseconds behind the seconds, which only the sender knew.
pub(super) fn milliseconds(base: Head) -> impl Iterator<Item = Head> {
    let seconds = base.timestamp.parse::<u64>().ok().filter(|secs| *secs < 100_000_000_000);
    seconds.into_iter().flat_map(|secs| (1..1000).map(move |millis| secs * 1000 + millis)).map(move |form| {
        let once = format!("`{form}` is signed as the timestamp");
        base.with_timestamp(form.to_string(), OTHER_UNIT_SIGNED.step(once))
    })
}

/// A date of RFC 3339 or of a database, with any offset from UTC, in Unix seconds.
fn date_with_offset(text: &str) -> Option<u64> {
    let text = text.trim_end_matches(" UTC").trim();
    let at = text.get(10..).and_then(|rest| rest.rfind(['+', '-'])).map_or(text.len(), |at| at + 10);
    let (date, offset) = text.split_at_checked(at)?;
    let secs = UnixTime::from(humantime::parse_rfc3339_weak(date.trim()).ok()?).as_secs();
    let digits: String = offset.chars().filter(char::is_ascii_digit).collect();
    let number = |range: std::ops::Range<usize>| digits.get(range).map_or(Some(0), |text| text.parse::<u64>().ok());
    let minutes = number(0..2)? * 60 + number(2..4)?;
    if offset.starts_with('-') { secs.checked_add(minutes * 60) } else { secs.checked_sub(minutes * 60) }
}

/// An HTTP date, for example `Sun, 06 Nov 1994 08:49:37 GMT`.
fn parse_date(text: &str) -> Option<UnixTime> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut words = text.split(' ').skip(1);
    let (day, month, year, clock) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.find(month).filter(|_| month.len() == 3)? / 3 + 1;
    time::parse(&format!("{year}-{month:02}-{day}T{clock}Z")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_with_any_offset() {
        for text in [
            "2026-09-29T06:05:46Z",
            "2026-09-29 06:05:46",
            "2026-09-29 06:05:46.123456+00",
            "2026-09-29T08:05:46+02:00",
            "2026-09-29T01:35:46-0430",
            "2026-09-29 06:05:46 UTC",
        ] {
            assert_eq!(date_with_offset(text), Some(1_790_661_946), "{text}");
        }
        assert_eq!(date_with_offset("1790661946"), None);
        assert_eq!(date_with_offset("2026-09-29T06:05:46+zz:00"), Some(1_790_661_946));
    }
}
