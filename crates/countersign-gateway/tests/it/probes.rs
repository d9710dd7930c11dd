//! Probes get a response without a backend, and the log names what a request without a route asked for.

use crate::common::{Backend, Gateway, InProcess, Running, SECRET, Wire, delivery, get, read, secret_of};
use http::{Method, StatusCode};

#[tokio::test]
async fn a_route_with_probes_responds_to_them_without_a_backend() {
    let backend = Backend::start().await;
    let gateway = InProcess::before_with(&backend, "probe = \"204\"");
    for (method, status, allow) in [
        (Method::GET, StatusCode::NO_CONTENT, None),
        (Method::HEAD, StatusCode::NO_CONTENT, None),
        (Method::OPTIONS, StatusCode::NO_CONTENT, Some("GET, HEAD, OPTIONS, POST")),
        (Method::PUT, StatusCode::METHOD_NOT_ALLOWED, Some("POST")),
    ] {
        let mut request = Wire::Http1Length.received(&delivery("msg_1", "{}"));
        *request.method_mut() = method.clone();
        let reply = read(gateway.call(request).await).await.expect("a whole response");
        assert_eq!((reply.status, reply.header("allow")), (status, allow), "{method}");
    }
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("{route=\"/hook\",outcome=\"probed\",reason=\"\"} 3"), "{metrics}");
    assert!(metrics.contains("reason=\"method_not_allowed\"} 1"), "{metrics}");
    assert_eq!(backend.connections(), 0);
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), Wire::Http1Length).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_probe_over_a_socket_gets_204() {
    let backend = Backend::start().await;
    let gateway = Gateway::before_with(&backend, "probe = \"204\"").await;
    for _ in 0..2 {
        let reply = get(gateway.address, "/hook").await.expect("a response");
        assert_eq!((reply.status, reply.body.len()), (StatusCode::NO_CONTENT, 0));
    }
    assert_eq!(get(gateway.address, "/other").await.expect("a response").status, StatusCode::NOT_FOUND);
    assert_eq!(backend.connections(), 0);
}

#[tokio::test]
async fn the_line_of_a_request_without_a_route_says_what_it_asked_for() {
    let backend = Backend::start().await;
    let gateway = InProcess::before(&backend);
    let long = "/hook".repeat(2000);
    for (path, words) in [
        (
            "/Hook?q=1",
            &["method=\"POST\" host=\"hooks.example.com\" path=\"/Hook\"", "only the letter case differs"][..],
        ),
        ("/hook/", &["path=\"/hook/\"", "only a slash differs from the route /hook"]),
        ("//HOOK", &["path=\"//HOOK\"", "a slash and the letter case differs from the route /hook"]),
        ("/other", &["path=\"/other\""]),
        (&long, &["/hook/hook…\""]),
        (&format!("/{}", secret_of(SECRET)), &["path=\"[hidden]\""]),
    ] {
        let before = gateway.output().len();
        let reply = gateway.send(&delivery("msg_1", "{}").to(path), Wire::Http1Length).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
        let line = gateway.output()[before..].to_owned();
        for word in words {
            assert!(line.contains(word), "no {word:?} in: {line}");
        }
        assert_eq!(line.contains("hint="), words.len() == 2, "{line}");
        assert!(line.contains("peer=127.0.0.1") && line.len() < 1000 && line.lines().count() == 1, "{line}");
    }
    // A request with a route has its name.
    let before = gateway.output().len();
    gateway.send(&delivery("msg_1", "{}"), Wire::Http1Length).await;
    assert!(!gateway.output()[before..].contains("path="));
}
