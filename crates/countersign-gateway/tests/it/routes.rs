//! Which backend gets a delivery, and that sources are separate.

use crate::common::{
    Backend, Delivery, Gateway, InProcess, OTHER_SECRET, Raw, Running, SECRET, SOURCE, Wire, delivery, raw_answers,
};
use http::StatusCode;

const WIRE: Wire = Wire::Http1Length;

fn route_to(backend: &Backend, path: &str, host: Option<&str>, source: &str) -> String {
    let host = host.map_or(String::new(), |host| format!("host = \"{host}\"\n"));
    let upstream = backend.address();
    format!("[[routes]]\npath = \"{path}\"\nsource = \"{source}\"\nupstream = [\"http://{upstream}\"]\n{host}")
}

#[tokio::test]
async fn the_most_specific_route_wins_whatever_their_order() {
    let backends = [Backend::start().await, Backend::start().await, Backend::start().await, Backend::start().await];
    let [any, below, exact, hosted] = &backends;
    let routes = [
        route_to(any, "/*", None, "test"),
        route_to(below, "/x/*", None, "test"),
        route_to(exact, "/x/y", None, "test"),
        route_to(hosted, "/x/*", Some("Hooks.Example.com"), "test"),
    ];
    let gateway = InProcess::start(&format!("{SOURCE}{}", routes.concat()));
    for (n, (host, path, backend)) in [
        ("other", "/", any),
        ("other", "/x", any),
        ("other", "/xy/z", any),
        ("other", "/x/", below),
        ("other", "/x/yz", below),
        ("other", "/x/a/y", below),
        ("other", "/x/y", exact),
        ("other", "/x/y?z", exact),
        ("hooks.example.com", "/x/y", hosted),
        ("HOOKS.example.COM.:8080", "/x/z", hosted),
        ("hooks.example.com", "/y", any),
        ("a.hooks.example.com", "/x/z", below),
    ]
    .into_iter()
    .enumerate()
    {
        for wire in [Wire::Http1Length, Wire::Http2Length] {
            let sent = delivery(&format!("msg_{n}_{wire:?}"), "{}").to(path).host(host);
            let before = backend.seen().len();
            assert_eq!(gateway.send(&sent, wire).await.status, StatusCode::OK, "{host} {path} {wire:?}");
            assert_eq!(backend.seen().len(), before + 1, "{host} {path} {wire:?}");
        }
    }
    assert_eq!(backends.iter().map(|backend| backend.seen().len()).sum::<usize>(), 24);
}

#[tokio::test]
async fn what_no_route_is_for_is_404() {
    let backend = Backend::start().await;
    let routes = [
        route_to(&backend, "/x", Some("hooks.example.com"), "test"),
        route_to(&backend, "/y/*", Some("hooks.example.com"), "test"),
    ];
    let gateway = InProcess::start(&format!("{SOURCE}{}", routes.concat()));
    for (host, path) in [
        ("hooks.example.com", "/"),
        ("hooks.example.com", "/x/"),
        ("hooks.example.com", "/X"),
        ("hooks.example.com", "/%78"),
        ("hooks.example.com", "//x"),
        ("hooks.example.com", "/y"),
        ("hooks.example.com", "/y/../x"),
        ("hooks.example.com", "/y/./z"),
        ("hooks.example.com", "/y/%2e%2e/x"),
        ("hooks.example.com", "/y/.%2E;a/x"),
        ("hooks.example.com", "/y/a%2fb"),
        ("hooks.example.com", "/y/a%5Cb"),
        ("evil.example.com", "/x"),
        ("hooks.example.com.evil.com", "/x"),
    ] {
        for wire in [Wire::Http1Length, Wire::Http2Length] {
            let reply = gateway.send(&delivery("msg_1", "{}").to(path).host(host), wire).await;
            assert_eq!((reply.status, reply.code().as_str()), (StatusCode::NOT_FOUND, "no_route"), "{host} {path}");
        }
    }
    assert_eq!(backend.connections(), 0);
    assert_eq!(
        gateway.metric("countersign_requests_total{route=\"none\",outcome=\"refused\",reason=\"no_route\"}").await,
        Some(28.0)
    );
}

#[tokio::test]
async fn a_request_that_names_its_host_twice_or_not_at_all_matches_no_route_of_a_host() {
    let backend = Backend::start().await;
    let text = route_to(&backend, "/hook", Some("hooks.example.com"), "test");
    let gateway = Gateway::start(&format!("{SOURCE}{text}")).await;
    let request = |hosts: &str| {
        let sent = delivery("msg_1", "{}");
        let head = sent.head().replacen("host: hooks.example.com\r\n", hosts, 1);
        format!("{head}content-length: 2\r\n\r\n{{}}")
    };
    let twice = "host: hooks.example.com\r\nhost: hooks.example.com\r\n";
    for hosts in [twice, "", "host:\r\n", "host: evil.example.com\r\nhost: hooks.example.com\r\n"] {
        let answers = raw_answers(gateway.address, request(hosts)).await;
        assert!(matches!(answers[..], [404 | 400]), "{hosts:?}: {answers:?}");
    }
    assert_eq!(backend.connections(), 0);
    assert_eq!(raw_answers(gateway.address, request("host: hooks.example.com\r\n")).await, [200]);
}

#[tokio::test]
async fn the_authority_of_an_absolute_target_is_routed_and_agrees_with_the_host_header() {
    let (backend, other) = (Backend::start().await, Backend::start().await);
    let routes = [
        route_to(&backend, "/hook", Some("hooks.example.com"), "test"),
        route_to(&other, "/hook", Some("other.example.com"), "test"),
    ];
    let gateway = Gateway::start(&format!("{SOURCE}{}", routes.concat())).await;
    let mut raw = Raw::open(gateway.address).await;
    let sent = delivery("msg_1", "{}");
    for (host, status) in [("hooks.example.com", StatusCode::BAD_REQUEST), ("other.example.com", StatusCode::OK)] {
        let head = sent.clone().host(host).head().replacen("/hook", "http://other.example.com:80/hook", 1);
        raw.write(format!("{head}content-length: 2\r\n\r\n{{}}")).await;
        assert_eq!(raw.answer().await.expect("a response").status, status, "{host}");
    }
    let seen = other.has_seen(1).await;
    assert_eq!((seen.request_line.as_str(), backend.connections()), ("POST /hook HTTP/1.1", 0));
    assert_eq!(seen.header("x-forwarded-host"), Some("other.example.com:80"));
    assert_eq!(seen.header("host"), Some(other.address().to_string().as_str()));
}

#[tokio::test]
async fn two_sources_do_not_mix() {
    let (one, other) = (Backend::start().await, Backend::start().await);
    let sources = format!("{SOURCE}[sources.other]\nsecrets = [{{ env = \"OTHER_SECRET\" }}]\n");
    let routes = [route_to(&one, "/one", None, "test"), route_to(&other, "/other", None, "other")];
    let gateway = InProcess::start(&format!("{sources}{}", routes.concat()));
    let signed = |secret, path: &str| Delivery::signed([secret], 0, "msg_1", "{}").to(path);

    for (secret, path) in [(SECRET, "/other"), (OTHER_SECRET, "/one")] {
        assert_eq!(gateway.send(&signed(secret, path), WIRE).await.code(), "signature_mismatch");
    }
    assert_eq!(one.connections() + other.connections(), 0);
    // The same id from two sources is two messages.
    assert_eq!(gateway.send(&signed(SECRET, "/one"), WIRE).await.outcome(), None);
    assert_eq!(gateway.send(&signed(OTHER_SECRET, "/other"), WIRE).await.outcome(), None);
    assert_eq!(one.has_seen(1).await.header("countersign-source"), Some("test"));
    assert_eq!(other.has_seen(1).await.header("countersign-source"), Some("other"));
    for name in ["test", "other"] {
        let remembered = gateway.metric(&format!("countersign_ids_remembered{{source=\"{name}\"}}")).await;
        assert_eq!(remembered, Some(1.0), "{name}");
    }
}

#[tokio::test]
async fn one_delivery_is_forwarded_once_whichever_routes_of_its_source_it_comes_by() {
    let (one, other) = (Backend::start().await, Backend::start().await);
    let routes = [route_to(&one, "/one", None, "test"), route_to(&other, "/other", None, "test")];
    let gateway = InProcess::start(&format!("{SOURCE}{}", routes.concat()));
    assert_eq!(gateway.send(&delivery("msg_1", "{}").to("/one"), WIRE).await.outcome(), None);
    let reply = gateway.send(&delivery("msg_1", "{}").to("/other"), WIRE).await;
    assert_eq!((reply.outcome(), other.connections()), (Some("duplicate"), 0));
}

#[tokio::test]
async fn events_that_nobody_asked_for_are_acknowledged_and_not_forwarded() {
    let backend = Backend::start().await;
    let gateway = InProcess::before_with(&backend, "events = [\"batch.*\", \"video.generated\"]");
    let typed = |n: usize, name: &str| delivery(&format!("msg_{n}"), format!("{{\"type\":\"{name}\"}}"));
    for (n, name) in
        ["interaction.completed", "batchx", "batch", "video.generated.x", "x", "b.x"].into_iter().enumerate()
    {
        let reply = gateway.send(&typed(n, name), WIRE).await;
        assert_eq!((reply.status, reply.outcome()), (StatusCode::NO_CONTENT, Some("filtered")), "{name}");
    }
    // The filter applies after verification, so a forged request does not get 204.
    let forged = typed(0, "interaction.completed").set("webhook-id", "msg_forged");
    assert_eq!(gateway.send(&forged, WIRE).await.code(), "signature_mismatch");
    assert_eq!(backend.connections(), 0);
    for (n, name) in ["batch.succeeded", "batch.x.y", "video.generated"].into_iter().enumerate() {
        assert_eq!(gateway.send(&typed(n + 100, name), WIRE).await.outcome(), None, "{name}");
    }
    assert_eq!(backend.seen().len(), 3);
    assert_eq!(gateway.count("filtered", "").await.to_string(), "6");
}

#[tokio::test]
async fn each_route_has_its_own_limit() {
    let backend = Backend::start().await;
    let routes = [
        route_to(&backend, "/small", None, "test") + "body_limit = \"10B\"\n",
        route_to(&backend, "/large", None, "test"),
    ];
    let gateway = InProcess::start(&format!("{SOURCE}{}", routes.concat()));
    let sent = delivery("msg_1", "01234567890");
    assert_eq!(gateway.send(&sent.clone().to("/small"), WIRE).await.code(), "body_too_large");
    assert_eq!(gateway.send(&sent.to("/large"), WIRE).await.status, StatusCode::OK);
}

/// Bodies whose event type cannot be read, and headers to go with them.
fn untyped() -> Vec<Delivery> {
    let utf16: Vec<u8> = "{\"type\":\"other\"}".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let form = delivery("msg_form", "type=other").set("content-type", "application/x-www-form-urlencoded");
    let gzip = delivery("msg_gzip", &b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xabV*\xa9"[..]).set("content-encoding", "gzip");
    vec![
        form,
        gzip,
        delivery("msg_bom", "\u{feff}{\"type\":\"other\"}"),
        delivery("msg_utf16", utf16),
        delivery("msg_array", r#"[{"type":"other"}]"#),
        delivery("msg_empty", ""),
        delivery("msg_two", r#"{"type":"other","type":"other"}"#),
        delivery("msg_none", r#"{"event_type":"other"}"#),
        delivery("msg_number", r#"{"type":7}"#),
        delivery("msg_text", "not JSON"),
        delivery("msg_header", "{}").add("ce-type", "a").add("ce-type", "b"),
    ]
}

#[tokio::test]
async fn a_delivery_without_a_readable_type_is_forwarded_and_counted() {
    let backend = Backend::start().await;
    let gateway = InProcess::before_with(&backend, "events = [\"batch.*\"]");
    for (n, sent) in untyped().into_iter().enumerate() {
        let reply = gateway.send(&sent, WIRE).await;
        assert_eq!((reply.status, reply.outcome()), (StatusCode::OK, None), "{sent:?}");
        let seen = backend.has_seen(n + 1).await;
        assert_eq!((seen.id(), &seen.body), (sent.id(), &sent.body));
        assert!(!seen.headers.contains_key("countersign-event-type"), "{seen:?}");
    }
    let all = untyped().len();
    assert_eq!(gateway.count("confirmed", "no_type").await.to_string(), all.to_string());
    assert_eq!(gateway.send(&untyped()[0], WIRE).await.outcome(), Some("duplicate"));
    assert_eq!(gateway.count("duplicate", "no_type").await.to_string(), "1");
    assert_eq!(gateway.output().matches("no_type").count(), all + 1, "{}", gateway.output());

    // The type in the header counts only if the body has none.
    for (id, body, ce_type, forwarded) in [
        ("msg_1", r#"{"a":1}"#, "batch.succeeded", true),
        ("msg_2", r#"{"a":1}"#, "other", false),
        ("msg_3", r#"{"type":"batch.failed"}"#, "other", true),
        ("msg_4", r#"{"type":"other"}"#, "batch.failed", false),
    ] {
        let before = backend.seen().len();
        let reply = gateway.send(&delivery(id, body).set("ce-type", ce_type), WIRE).await;
        assert_eq!(reply.outcome(), (!forwarded).then_some("filtered"), "{id}");
        assert_eq!(backend.seen().len() - before, usize::from(forwarded), "{id}");
    }
    assert_eq!(gateway.count("confirmed", "").await.to_string(), "2");
    assert_eq!(gateway.count("filtered", "").await.to_string(), "2");
    // The backend gets the type from the body only, because the header is not signed.
    assert_eq!(backend.seen().iter().filter(|seen| seen.headers.contains_key("countersign-event-type")).count(), 1);
    // A filtered copy claims no id, so the original is still forwarded.
    assert_eq!(gateway.send(&delivery("msg_2", r#"{"a":1}"#), WIRE).await.outcome(), None);
}

#[tokio::test]
async fn a_route_can_reject_what_has_no_readable_type() {
    let backend = Backend::start().await;
    let gateway = InProcess::before_with(&backend, "events = [\"batch.*\"]\nuntyped = \"reject\"");
    for wire in [Wire::Http1Length, Wire::Http2Length] {
        for sent in untyped() {
            let reply = gateway.send(&sent, wire).await;
            assert_eq!((reply.status.as_u16(), reply.code().as_str()), (422, "no_type"), "{sent:?}");
        }
    }
    assert_eq!(backend.connections(), 0);
    assert_eq!(gateway.count("refused", "no_type").await.to_string(), (untyped().len() * 2).to_string());
    assert_eq!(gateway.figure("ids_remembered", "test").await, Some(0.0));
    let typed = delivery("msg_empty", r#"{"type":"batch.failed"}"#);
    assert_eq!(gateway.send(&typed, WIRE).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_path_that_a_backend_could_read_as_another_is_below_no_prefix() {
    let (backend, other) = (Backend::start().await, Backend::start().await);
    let sources = format!("{SOURCE}[sources.other]\nsecrets = [{{ env = \"OTHER_SECRET\" }}]\n");
    let routes = [route_to(&backend, "/x/*", None, "test"), route_to(&other, "/x/own", None, "other")];
    let gateway = InProcess::start(&format!("{sources}{}", routes.concat()));
    for path in [
        "/x/%25",
        "/x/%252e%252e/y",
        "/x/%00",
        "/x/%0a",
        "/x/%1f",
        "/x/%7f",
        "/x/%3b",
        "/x/..%3b/y",
        "/x/%ff",
        "/x/%c0%af",
        "/x/%c0%ae%c0%ae/y",
        "/x/%c1%9c",
        "/x/%ed%a0%80",
        "/x/%",
        "/x/%zz",
        "/x/%2",
        "/x/%u002f",
        "/x/..;/y",
        "/x/.;a/y",
        "/x/%2e%2e/y",
        "/x/a%2fb",
        "/x/a%5cb",
        "/x/%e2%80%a5/y",
        "/x/%ef%bc%8f",
        "/x/%6fwn",
        "/x//own",
        "/x/own;a=b",
        "/x/own/",
        "/x/OWN",
        "/x/own.",
        "/x/own.json",
        "/x/own::$DATA",
        "/x/own:80",
        "/x/caf%C3%A9",
        "/x/%C2%AAown",
        "/x/.%E3%85%A4./own",
        "/x/%EF%BD%8Fwn",
        "/x/%3Cown",
    ] {
        for wire in [Wire::Http1Length, Wire::Http2Length] {
            let status = gateway.send(&delivery("msg_1", "{}").to(path), wire).await.status;
            assert!([400, 404].contains(&status.as_u16()), "{path}: {status}");
        }
    }
    assert_eq!(backend.connections() + other.connections(), 0);
    for (n, path) in ["/x/a/own", "/x/a%20b", "/x/a//b;c", "/x/", "/x/owner"].into_iter().enumerate() {
        let sent = delivery(&format!("msg_{n}"), "{}").to(path);
        assert_eq!(gateway.send(&sent, WIRE).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_path_that_is_no_uri_is_below_no_prefix() {
    let backend = Backend::start().await;
    let text = route_to(&backend, "/x/*", None, "test");
    let gateway = Gateway::start(&format!("{SOURCE}{text}")).await;
    for path in [&b"/x/\xc3\xa9"[..], b"/x/\xff", b"/x/\\", b"/x/..\\y"] {
        let sent = delivery("msg_1", "{}").bytes();
        let rest = sent.strip_prefix(b"POST /hook").expect("a request line");
        let answers = raw_answers(gateway.address, [b"POST ", path, rest].concat()).await;
        assert!(matches!(answers[..], [400 | 404]), "{path:?}: {answers:?}");
    }
    assert_eq!(backend.connections(), 0);
}
