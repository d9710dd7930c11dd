//! Headers that a route sets reach the backend, and a client's of these names do not.

use crate::common::{Backend, Gateway, OTHER_SECRET, Running, SOURCE, Wire, delivery, route};
use http::StatusCode;

#[tokio::test]
async fn a_backend_gets_the_headers_that_the_route_sets() {
    let backend = Backend::start().await;
    let more = "set_headers = { X-Api-Key = { env = \"OTHER_SECRET\" }, x-env = \"production\" }";
    let gateway = Gateway::start(&[SOURCE, &route(&backend, more)].concat()).await;
    for (number, wire) in Wire::ALL.into_iter().enumerate() {
        let sent = delivery(&format!("msg_{number}"), "{}").set("x-api-key", "forged").set("x_api_key", "forged");
        assert_eq!(gateway.send(&sent, wire).await.status, StatusCode::OK);
        let seen = backend.has_seen(number + 1).await;
        assert_eq!(seen.header("x-api-key"), Some(OTHER_SECRET), "{wire:?}");
        assert_eq!(seen.header("x-env"), Some("production"), "{wire:?}");
        assert!(!seen.headers.contains_key("x_api_key") && seen.header("countersign-verdict") == Some("verified"));
    }
}
