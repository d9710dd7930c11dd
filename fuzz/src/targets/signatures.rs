//! Lists of signatures in one header.

use http::{HeaderMap, HeaderValue};

use super::heads;
use crate::keys::NOW;
use crate::texts;

/// As for whole heads, with a valid id and timestamp.
pub(crate) fn run(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", HeaderValue::from_static("msg_1"));
    headers.insert("webhook-timestamp", HeaderValue::from(NOW));
    let parts = heads::Signed { id: b"msg_1", timestamp: NOW.to_string().as_bytes(), body: b"{}" }.expand(bytes);
    let Ok(value) = HeaderValue::from_bytes(&parts) else { return };
    headers.insert("webhook-signature", value);
    heads::check(0, &headers, b"{}");
}

/// Lists. `$1` and `$2` are valid entries, and `$3` and `$4` are of another body.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    texts([
        "$1",
        "$2",
        "$3 $1",
        "$4  $2 ",
        "$3 $3 v2,YWJj v1,*** $4",
        "v1,YWJj",
        "v9,YWJj",
        "v1,$1",
        "$1,$2",
        "a.b.c",
        "v1 v1, v1a,",
        "$3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $1",
        "$3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $3 $1",
    ])
}
