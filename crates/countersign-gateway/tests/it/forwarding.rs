//! Connections to backends stay usable, or are replaced, when requests move between threads and runtimes.

use std::sync::Arc;
use std::time::Duration;

use crate::common::{Peer, SECRET, Upstream, Wire, delivery, soon};
use countersign::{MessageId, Verifier};
use countersign_gateway::config::{BalancingSpec, EjectSpec, RetrySpec, UpstreamScheme, UpstreamSpec};
use countersign_gateway::forward::{Changes, Forward, InFlight, Places, Timeouts};
use countersign_gateway::upstream::{UpstreamCounts, Upstreams};
use countersign_tower::{Verify, VerifyLayer};
use http::StatusCode;
use http_body_util::BodyExt;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use tokio::runtime::{Builder, Runtime};
use tower_layer::Layer;
use tower_service::Service;

/// An upstream that sends each response in two pieces, so that some requests move between threads.
async fn in_pieces() -> Upstream {
    Upstream::start(|_, mut peer: Peer| async move {
        while peer.request().await.is_some() {
            peer.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no").await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            peer.write("k").await;
        }
    })
    .await
}

/// The layer, around a service that forwards to this upstream.
fn forward_to(upstream: &Upstream) -> Verify<Forward> {
    let authority = upstream.address.to_string().parse().expect("an authority");
    let upstream = vec![UpstreamSpec { scheme: UpstreamScheme::Http, authority, socket: None, path: String::new() }];
    let spec = BalancingSpec { upstream, tls: None, eject: EjectSpec::default(), health_check: None };
    let upstreams = Arc::new(Upstreams::new(&spec, None, &UpstreamCounts::default()));
    let (connect, response, idle) = (Duration::from_secs(5), Duration::from_secs(10), Duration::from_mins(1));
    let verifier = Verifier::builder("test").secret(SECRET.parse().expect("a secret")).build();
    VerifyLayer::new(verifier.expect("a verifier")).layer(Forward::new(
        upstreams,
        RetrySpec::default(),
        Timeouts { connect, response, idle },
        Changes::default(),
        Places::new(1000),
        InFlight::new(None, Gauge::default()),
        Histogram::new([1.0]),
    ))
}

async fn request(mut forward: Verify<Forward>) {
    let request = Wire::Http1Length.received(&delivery(&MessageId::random().to_string(), "{}"));
    let response = match soon(forward.call(request)).await {
        Ok(response) => response,
        Err(infallible) => match infallible {},
    };
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(soon(response.into_body().collect()).await.expect("a body").to_bytes(), "ok");
}

#[test]
fn requests_may_move_between_threads() {
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let upstream = in_pieces().await;
        let forward = forward_to(&upstream);
        let senders = (0..16).map(|_| {
            let forward = forward.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    request(forward.clone()).await;
                }
            })
        });
        for sender in senders.collect::<Vec<_>>() {
            sender.await.expect("no panic");
        }
        assert_eq!(upstream.ids().len(), 320);
        assert!(upstream.connections() <= 64, "{}", upstream.connections());
    });
}

#[test]
fn a_connection_of_a_runtime_that_has_ended_is_replaced() {
    let (server, current) = (Runtime::new().expect("a runtime"), || Builder::new_current_thread().enable_all().build());
    let upstream = server.block_on(in_pieces());
    let forward = forward_to(&upstream);
    for _ in 0..3 {
        let runtime = current().expect("a runtime");
        runtime.block_on(async {
            request(forward.clone()).await;
            request(forward.clone()).await;
        });
    }
    assert_eq!((upstream.ids().len(), upstream.connections()), (6, 3));
}
