//! The layer and the extractors in every position where axum accepts a layer.

use crate::common::{Client, Delivery, Framing, Setup, delivery, delivery_for, forgery, noise, serve_axum, setup};
use axum::extract::Path;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use countersign::gemini;
use countersign_tower::detach::DetachedTask;
use countersign_tower::extract::{VerifiedDelivery, Webhook, WebhookRejection};
use countersign_tower::policy::{Observed, OnRejection};
use countersign_tower::{Outcome, VerifyLayer};
use http::StatusCode;
use tower_http::limit::RequestBodyLimitLayer;

const EVENT: &str = r#"{"type":"batch.succeeded","data":{"id":"batch_1"}}"#;

/// Returns everything that the extractors returned.
async fn receive(Webhook(event): Webhook<gemini::Event>, VerifiedDelivery(verified): VerifiedDelivery) -> String {
    let gemini::Event { event_type, data, .. } = event;
    format!("{} {event_type} {}", verified.message_id(), data.id.unwrap_or_default())
}

/// Delivers to a path of a new application.
async fn deliver_to(app: Router, path: &str, delivery: &Delivery) -> (StatusCode, String) {
    let (addr, server) = serve_axum(app).await;
    let reply = Client::connect(addr).await.deliver_to(path, delivery, Framing::Length).await;
    server.abort();
    (reply.status, String::from_utf8(reply.body.to_vec()).expect("text"))
}

fn event(id: &str) -> Delivery {
    delivery(id, EVENT)
}

/// An authentic delivery reaches the handler with its event, and a forged one does not.
async fn protects(place: &str, path: &str, app: impl Fn(&Setup) -> Router) {
    let setup = setup();
    let genuine = deliver_to(app(&setup), path, &event("msg_1")).await;
    assert_eq!(genuine, (StatusCode::OK, "msg_1 batch.succeeded batch_1".to_owned()), "{place}");
    let (status, _) = deliver_to(app(&setup), path, &forgery("msg_2", EVENT)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{place}");
    // In every position, a second delivery is a duplicate.
    let (status, body) = deliver_to(app(&setup), path, &event("msg_1")).await;
    assert_eq!((status, &*body), (StatusCode::OK, ""), "{place}: a duplicate");
}

#[tokio::test]
async fn the_limit_of_an_outer_layer_is_named_in_either_framing() {
    for on_rejection in [OnRejection::Reject, OnRejection::DangerHandOver] {
        let setup = setup();
        let layer = setup.layer.clone().on_rejection(on_rejection);
        let handler = async |observed: Option<Extension<Observed>>| match observed {
            Some(Extension(Observed::Stopped(Outcome::Rejected(rejection)))) => rejection.status(),
            _ => StatusCode::OK,
        };
        let limit = RequestBodyLimitLayer::new(1000);
        let (addr, server) = serve_axum(Router::new().fallback(post(handler)).layer(layer).layer(limit)).await;
        for (size, status) in [(1000, 200), (1001, 413), (5000, 413)] {
            let delivery = delivery(&format!("msg_{size}"), noise(size));
            let mut client = Client::connect(addr).await;
            client.send_head(&delivery, Framing::Chunked(400)).await;
            client.send_chunks(&delivery.body, 400).await;
            client.send("0\r\n\r\n").await;
            let reply = client.reply().await.expect("a response");
            assert_eq!(reply.status.as_u16(), status, "{size} {on_rejection:?}");
        }
        server.abort();
    }
}

#[tokio::test]
async fn a_layer_protects_in_every_position() {
    let layer = |setup: &Setup| setup.layer.clone();
    protects("Router::layer", "/hook", |setup| Router::new().route("/hook", post(receive)).layer(layer(setup))).await;
    protects("Router::route_layer", "/hook", |setup| {
        Router::new().route("/hook", post(receive)).route_layer(layer(setup))
    })
    .await;
    protects("MethodRouter::layer", "/hook", |setup| Router::new().route("/hook", post(receive).layer(layer(setup))))
        .await;
    protects("inside nest", "/in/hook", |setup| {
        Router::new().nest("/in", Router::new().route("/hook", post(receive)).layer(layer(setup)))
    })
    .await;
    protects("around nest", "/in/hook", |setup| {
        Router::new().nest("/in", Router::new().route("/hook", post(receive))).layer(layer(setup))
    })
    .await;
    protects("nest_service", "/in/hook", |setup| {
        let inner = Router::new().route("/hook", post(receive)).layer(layer(setup));
        Router::new().nest_service("/in", inner)
    })
    .await;
    protects("detached", "/hook", |setup| {
        let spawn = |rest: DetachedTask| drop(tokio::spawn(rest));
        Router::new().route("/hook", post(receive)).layer(layer(setup).detach(spawn))
    })
    .await;
    protects("a fallback", "/anywhere", |setup| Router::new().fallback(receive).layer(layer(setup))).await;
}

#[tokio::test]
async fn routes_outside_the_layer_are_not_verified() {
    let setup = setup();
    let app = || {
        Router::new()
            .route("/hook", post(receive))
            .route_layer(setup.layer.clone())
            .route("/health", get(|| async { "well" }))
            .route("/open", post(|body: Bytes| async { body }))
    };
    let (status, body) = deliver_to(app(), "/open", &forgery("msg_1", "anything")).await;
    assert_eq!((status, &*body), (StatusCode::OK, "anything"));
    // `route_layer` does not apply to unknown paths: nothing is claimed for them.
    let (status, _) = deliver_to(app(), "/nowhere", &event("msg_1")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(setup.store.is_empty());
}

#[tokio::test]
async fn each_route_has_its_source() {
    let (gemini, billing) = (crate::common::verifier_for("gemini", 1), crate::common::verifier_for("billing", 2));
    let source = |VerifiedDelivery(verified): VerifiedDelivery, Path(name): Path<String>| async move {
        format!("{} at {name}", verified.source())
    };
    let clock = setup().clock;
    let layer = |verifier| VerifyLayer::new(verifier).clock(clock.clone());
    let app = || {
        Router::new()
            .route("/a/{name}", post(source).layer(layer(gemini.clone())))
            .route("/b/{name}", post(source).layer(layer(billing.clone())))
    };
    for (path, secret, expected) in [
        ("/a/x", 1, (StatusCode::OK, "gemini at x")),
        ("/b/y", 2, (StatusCode::OK, "billing at y")),
        ("/a/x", 2, (StatusCode::UNAUTHORIZED, "")),
        ("/b/y", 1, (StatusCode::UNAUTHORIZED, "")),
    ] {
        let (status, body) = deliver_to(app(), path, &delivery_for(secret, "msg_1", "body")).await;
        let body = if status == StatusCode::OK { &*body } else { "" };
        assert_eq!((status, body), expected, "{path} with {secret}");
    }
}

#[tokio::test]
async fn a_payload_is_an_event_or_json_or_bytes() {
    #[derive(serde::Deserialize)]
    struct Invoice {
        number: String,
    }
    async fn invoice(Webhook(Json(invoice)): Webhook<Json<Invoice>>) -> String {
        invoice.number
    }
    async fn bytes(Webhook(bytes): Webhook<Bytes>) -> Bytes {
        bytes
    }
    let setup = setup();
    let app = || {
        Router::new()
            .route("/invoice", post(invoice))
            .route("/bytes", post(bytes))
            .route("/event", post(receive))
            .layer(setup.layer.clone())
    };
    let (status, body) = deliver_to(app(), "/invoice", &delivery("msg_1", r#"{"number":"7"}"#)).await;
    assert_eq!((status, &*body), (StatusCode::OK, "7"));
    let (status, body) = deliver_to(app(), "/bytes", &delivery("msg_2", "no JSON")).await;
    assert_eq!((status, &*body), (StatusCode::OK, "no JSON"));

    // The sender sees that an authentic payload is unexpected, and may retry it.
    for (path, body) in [("/invoice", r#"{"number":7}"#), ("/event", "no JSON"), ("/event", "{}")] {
        let (status, answer) = deliver_to(app(), path, &delivery("msg_3", body)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path} {body}");
        assert!(answer.contains(r#""code":"unexpected_payload""#), "{answer}");
        assert_eq!(setup.store.in_flight(), 0);
    }
    let (status, body) = deliver_to(app(), "/bytes", &delivery("msg_3", "{}")).await;
    assert_eq!((status, &*body), (StatusCode::OK, "{}"), "so another attempt may be handled");
}

#[tokio::test]
async fn a_handler_may_acknowledge_a_payload_that_it_cannot_parse() {
    async fn lenient(webhook: Result<Webhook<gemini::Event>, WebhookRejection>) -> StatusCode {
        match webhook {
            Err(WebhookRejection::UnexpectedPayload(_)) => StatusCode::ACCEPTED,
            other => panic!("{other:?}"),
        }
    }
    let setup = setup();
    let app = || Router::new().route("/hook", post(lenient)).layer(setup.layer.clone());
    assert_eq!(deliver_to(app(), "/hook", &delivery("msg_1", "no event")).await.0, StatusCode::ACCEPTED);
    assert_eq!(deliver_to(app(), "/hook", &delivery("msg_1", "no event")).await.0, StatusCode::OK, "a duplicate");
}

#[tokio::test]
async fn without_a_layer_nothing_is_extracted_and_the_response_names_the_mistake() {
    for app in [
        Router::new().route("/hook", post(receive)),
        Router::new().route("/hook", post(|_: VerifiedDelivery| async {})),
        // Routes that are added after a layer are outside of it.
        Router::new().layer(setup().layer).route("/hook", post(receive)),
    ] {
        let (status, body) = deliver_to(app, "/hook", &event("msg_1")).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(body.contains(r#""code":"layer_missing""#) && body.contains("VerifyLayer::new"), "{body}");
    }
}

#[tokio::test]
async fn the_extractors_reject_a_forgery_while_the_layer_observes() {
    let setup = setup();
    let app = || {
        Router::new().route("/hook", post(receive)).layer(setup.layer.clone().on_rejection(OnRejection::DangerHandOver))
    };
    let (status, body) = deliver_to(app(), "/hook", &event("msg_1")).await;
    assert_eq!((status, &*body), (StatusCode::OK, "msg_1 batch.succeeded batch_1"));
    let (status, body) = deliver_to(app(), "/hook", &event("msg_1")).await;
    assert_eq!(
        (status, &*body),
        (StatusCode::OK, "msg_1 batch.succeeded batch_1"),
        "it is authentic, so it is extracted"
    );
    let (status, body) = deliver_to(app(), "/hook", &forgery("msg_2", EVENT)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(body.contains(r#""code":"signature_mismatch""#), "{body}");
}

#[tokio::test]
async fn a_rejection_is_a_problem_document_with_its_headers() {
    let rejected = WebhookRejection::Rejected(countersign_tower::Rejection::InFlight).into_response();
    assert_eq!(rejected.status(), StatusCode::CONFLICT);
    assert!(rejected.headers().contains_key("retry-after"));
    let missing = WebhookRejection::LayerMissing.into_response();
    assert_eq!(missing.headers()["content-type"], "application/problem+json");
}
