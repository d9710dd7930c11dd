//! `VerifyLayer` accepts the signatures of `SignLayer`.

use std::sync::Arc;

use bytes::Bytes;
use countersign::clock::ManualClock;
use countersign::{MessageId, UnixTime, Verified};
use countersign_test::delivery::signer;
use countersign_tower::{DeliveryBody, SignLayer, body::BodyError};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};

use crate::common::{NOW, SECRET, setup};

#[tokio::test]
async fn each_request_is_signed_with_a_random_id_or_its_own() {
    let echo = service_fn(|request: Request<DeliveryBody>| async move {
        let verified = request.extensions().get::<Verified>().expect("it is verified");
        let id = verified.message_id().as_str().to_owned();
        Ok::<_, BodyError>(Response::new(Full::<Bytes>::from(id)))
    });
    let clock = Arc::new(ManualClock::new(UnixTime::from_secs(NOW)));
    let layer = SignLayer::new(signer([SECRET])).clock(Arc::clone(&clock));
    let client = layer.layer(setup().layer.layer(echo));
    let mut ids = Vec::new();
    for id in [None, None, Some("msg_1"), Some("msg_1")] {
        let mut request = Request::post("/hook").body(Full::<Bytes>::from("body")).expect("a request");
        if let Some(id) = id {
            request.extensions_mut().insert(MessageId::parse(id).expect("an id"));
        }
        let response = client.clone().oneshot(request).await.expect("no failure");
        assert_eq!(response.status(), StatusCode::OK);
        let outcome = response.headers().get("countersign-outcome").map(|value| value.as_bytes().to_vec());
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        ids.push((String::from_utf8_lossy(&body).into_owned(), outcome.is_some()));
    }
    assert_ne!(ids[0], ids[1]);
    assert!(ids[0].0.starts_with("msg_") && !ids[0].1 && !ids[1].1, "{ids:?}");
    assert_eq!(ids[2], ("msg_1".to_owned(), false));
    assert!(ids[3].1, "the same id again is a duplicate");

    // The timestamp is the time of the layer's clock.
    clock.set(UnixTime::from_secs(NOW - 301));
    let request = Request::post("/hook").body(Full::<Bytes>::from("body")).expect("a request");
    let response = client.clone().oneshot(request).await.expect("no failure");
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}
