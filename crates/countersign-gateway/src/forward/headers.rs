//! The headers of a forwarded request.

use countersign::Verified;
use countersign_tower::policy::Unclaimed;
use http::{HeaderMap, HeaderValue, request};

use crate::connection::Connection;
use crate::route::host_of;
use crate::trust::{self, Opened, SetHeaders};

pub(super) fn headers_for_upstream(head: request::Parts, opened: &Opened, set: &SetHeaders) -> HeaderMap {
    let host = host_of(&head).and_then(|host| HeaderValue::from_str(host).ok());
    let mut headers = head.headers;
    let verified = head.extensions.get::<Verified>();
    let signature = verified.and_then(|verified| headers.get(&verified.header_set().signature).cloned());
    trust::remove_untrusted(&mut headers, opened);
    set.apply(&mut headers);
    if let Some(verified) = verified {
        trust::insert_verdict(&mut headers, verified, signature);
    }
    if let Some(Unclaimed::Duplicate) = head.extensions.get() {
        trust::insert_duplicate(&mut headers);
    }
    trust::insert_forwarded(&mut headers, head.extensions.get::<Connection>(), host);
    headers
}
