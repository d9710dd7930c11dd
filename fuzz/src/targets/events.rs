//! Events of verified bodies: what the core reads, against `serde_json` and an independent judge.

use std::sync::LazyLock;

use bytes::Bytes;
use countersign::gemini::EventError;
use countersign::{UnixTime, Verifier};
use http::HeaderMap;
use serde_json::Value;

use crate::judge::Json;
use crate::keys::{NOW, secret, v1};
use crate::texts;

static VERIFIER: LazyLock<Verifier> =
    LazyLock::new(|| Verifier::builder("fuzz").secret(secret()).build().expect("a verifier"));

/// A body is an event exactly if it is a JSON object with one `type`, which is a text.
pub(crate) fn run(body: &[u8]) {
    let timestamp = NOW.to_string();
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", "msg_1".parse().expect("a value"));
    headers.insert("webhook-timestamp", timestamp.parse().expect("a value"));
    let signature = v1(&[b"msg_1.", timestamp.as_bytes(), b".", body]);
    headers.insert("webhook-signature", signature.parse().expect("a value"));
    let attempt = VERIFIER.begin(&headers, UnixTime::from_secs(NOW)).expect("a valid head");
    let verified = attempt.finish(Bytes::copy_from_slice(body)).expect("a genuine delivery");

    let types: Option<Vec<Json>> = Json::parse(body)
        .and_then(Json::members)
        .map(|members| members.into_iter().filter(|(name, _)| name == "type").map(|(_, value)| value).collect());
    let value = serde_json::from_slice::<Value>(body).ok();
    let expected = match (types.as_deref(), &value) {
        (Some([Json::Text(name)]), Some(_)) => Some(name.as_str()),
        _ => None,
    };
    assert_eq!(verified.event_type().as_deref(), expected);
    match (verified.event(), value) {
        (Ok(event), Some(Value::Object(map))) => {
            assert_eq!(Some(event.event_type.as_str()), expected);
            let text = |name: &str| map.get(name).and_then(Value::as_str);
            assert_eq!(event.version.as_deref(), text("version"));
            assert_eq!(event.timestamp.as_deref(), text("timestamp"));
            let data = map.get("data").and_then(Value::as_object);
            let of_data = |name: &str| data.and_then(|data| data.get(name)).and_then(Value::as_str);
            assert_eq!(event.data.id.as_deref(), of_data("id"));
            assert_eq!(event.data.output_file_uri.as_deref(), of_data("output_file_uri"));
        }
        (Err(error), value) => {
            assert_eq!(expected, None, "{error}");
            assert_eq!(error == EventError::NotJson, value.is_none(), "{error}");
        }
        (Ok(event), value) => panic!("{event:?} is read from {value:?}"),
    }
}

/// Events as they are documented and seen.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    texts([
        r#"{"type":"batch.succeeded","version":"v1","timestamp":"2026-01-22T12:00:00Z","data":{"id":"batch_1","output_file_uri":"gs://b/r.jsonl"}}"#,
        r#"{"type":"batch.failed","data":{"id":"b","error_code":8,"error_message":"m"},"user_metadata":{"job":"7"}}"#,
        r#"{"type":"video.generated","data":{"file_id":"f","video_uri":"u","userMetadata":"{\"job\":\"7\"}"}}"#,
        r#"{"type":"a","type":"b"}"#,
        r#"{"type":1,"data":[]}"#,
        r#"{"type":"x","n":1e400}"#,
        "[1]",
        "",
    ])
}
