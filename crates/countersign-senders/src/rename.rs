//! Other names for the three headers.

use countersign::header::HeaderSet;
use http::HeaderMap;

/// Renames the three headers, for example to look at a request of Svix as at one of Standard Webhooks. Headers that
/// have the new names already are replaced.
pub fn renamed(mut headers: HeaderMap, from: &HeaderSet, to: &HeaderSet) -> HeaderMap {
    if from == to || !from.names().into_iter().any(|name| headers.contains_key(name)) {
        return headers;
    }
    for (from, to) in from.names().into_iter().zip(to.names()) {
        let values: Vec<_> = headers.get_all(from).iter().cloned().collect();
        headers.remove(from);
        headers.remove(to);
        for value in values {
            headers.append(to, value);
        }
    }
    headers
}
