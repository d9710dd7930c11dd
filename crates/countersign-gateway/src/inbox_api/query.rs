//! The parameters of commands for the inbox.

use std::time::Duration;

use countersign::UnixTime;
use countersign_inbox::{DeliveryId, Filter, State};
use http::StatusCode;

use crate::admin_access::Refusal;

/// The maximum number of deliveries in a list.
const MAX_LIMIT: usize = 1000;

/// The deliveries that a query string selects. A parameter without a value selects nothing else.
pub(crate) fn filter(query: &str) -> Result<Filter, Refusal> {
    let mut filter = Filter::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let text = || Some(value.clone().into_owned());
        let invalid = |how: &str| Refusal(StatusCode::BAD_REQUEST, format!("`{name}` is invalid: {how}\n").into());
        let time = || time(&value).ok_or_else(|| invalid("write Unix seconds, or a time like 2026-01-31T12:00:00Z"));
        match &*name {
            "state" => {
                filter.state = Some(state(&value).ok_or_else(|| invalid("write waiting, leased, done or dead"))?);
            }
            "source" => filter.source = text(),
            "destination" => filter.destination = text(),
            "type" => filter.event_type = text(),
            "id" => filter.message_id = text(),
            "received_from" => filter.received_from = Some(time()?),
            "received_before" => filter.received_before = Some(time()?),
            "older_than" => filter.older_than = Some(number(&value).map_err(|_| invalid("write a number"))?),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                filter.limit = limit.ok_or_else(|| invalid("write a number from 1 to 1000"))?;
            }
            _ => {
                let known =
                    "state, source, destination, type, id, received_from, received_before, older_than and limit";
                let why = format!("there is no parameter `{name}`: there are {known}\n");
                return Err(Refusal(StatusCode::BAD_REQUEST, why.into()));
            }
        }
    }
    Ok(filter)
}

/// The deliveries that a command for many changes: those of the query, in this state unless it names one.
pub(super) fn many(query: &str, state: State) -> Result<Filter, Refusal> {
    let mut filter = filter(query)?;
    filter.state.get_or_insert(state);
    Ok(filter)
}

/// The delivery with this number. No store counts beyond `i64::MAX`.
pub(super) fn number(text: &str) -> Result<DeliveryId, Refusal> {
    let number = text.parse::<i64>().ok().and_then(|number| u64::try_from(number).ok());
    let invalid = || Refusal::new(StatusCode::BAD_REQUEST, "this is not the number of a delivery\n");
    number.map(DeliveryId::new).ok_or_else(invalid)
}

fn state(text: &str) -> Option<State> {
    Some(match text {
        "waiting" => State::Waiting,
        "leased" => State::Leased,
        "done" => State::Done,
        "dead" => State::Dead,
        _ => return None,
    })
}

fn time(text: &str) -> Option<UnixTime> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(UnixTime::default().saturating_add(Duration::from_secs(seconds.into())));
    }
    humantime::parse_rfc3339(text).ok().map(UnixTime::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_sets_its_field() {
        let query = "state=dead&source=a%20b&destination=%2Fhook&type=x.y&id=msg_1&received_from=10\
                     &received_before=1970-01-01T00:01:00Z&older_than=7&limit=3";
        let expected = Filter {
            state: Some(State::Dead),
            destination: Some("/hook".to_owned()),
            source: Some("a b".to_owned()),
            message_id: Some("msg_1".to_owned()),
            event_type: Some("x.y".to_owned()),
            received_from: Some(UnixTime::from_secs(10)),
            received_before: Some(UnixTime::from_secs(60)),
            older_than: Some(DeliveryId::new(7)),
            limit: 3,
        };
        assert_eq!(filter(query).expect("a valid query"), expected);
        assert_eq!(filter("").expect("a valid query"), Filter::default());
    }

    #[test]
    fn what_is_unknown_or_invalid_is_named() {
        for query in
            ["stat=dead", "state=DEAD", "limit=0", "limit=1001", "limit=x", "older_than=-1", "received_from=soon"]
        {
            let Refusal(status, why) = filter(query).expect_err("an invalid query");
            let name = query.split('=').next().unwrap_or_default();
            assert_eq!((status, why.contains(&format!("`{name}`"))), (StatusCode::BAD_REQUEST, true), "{why}");
        }
        for text in ["", "x", "-1", "9223372036854775808"] {
            assert!(number(text).is_err(), "{text}");
        }
    }
}
