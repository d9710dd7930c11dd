//! The commands of the admin listener, and who may send them.

use crate::common::{
    Backend, Gateway, InProcess, Reply, Running, SECRET, SOURCE, Wire, command, delivery, free_address, route, soon,
};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;

const WIRE: Wire = Wire::Http1Length;

async fn forget(gateway: &Gateway, path: &str) -> (u16, String) {
    let reply = command(gateway.admin, Method::DELETE, &format!("/-/sources/{path}"), None).await;
    (reply.status.as_u16(), String::from_utf8(reply.body.to_vec()).expect("text"))
}

#[tokio::test]
async fn the_next_delivery_of_a_forgotten_id_is_forwarded_again() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend).await;
    let send = async |id: &str| {
        assert_eq!(gateway.send(&delivery(id, "{}"), WIRE).await.status, StatusCode::OK);
        backend.seen().len()
    };
    assert_eq!((send("msg_1").await, send("msg_2").await, send("msg_1").await), (1, 2, 2));
    for (path, status) in [
        ("other/ids/msg_1", 404),
        ("test/ids/msg_3", 404),
        ("test/ids/%20", 400),
        ("test/ids/a%00b", 400),
        ("test/ids/msg_1/more", 405),
        ("test/ids", 405),
    ] {
        assert_eq!(forget(&gateway, path).await.0, status, "{path}");
    }
    assert_eq!(send("msg_1").await, 2);
    assert_eq!(forget(&gateway, "test/ids/msg%5F1").await, (200, "forgotten\n".to_owned()));
    assert_eq!((send("msg_2").await, send("msg_1").await, send("msg_1").await), (2, 3, 3));
    assert!(gateway.output().contains("forgot a message id"), "{}", gateway.output());
}

#[tokio::test]
async fn a_message_that_is_being_handled_is_not_forgotten() {
    let (backend, tell) = Backend::holding().await;
    let gateway = Gateway::before(&backend).await;
    let address = gateway.address;
    let sending = tokio::spawn(async move { crate::common::send(address, &delivery("msg_1", "{}"), WIRE).await });
    backend.has_seen(1).await;
    assert_eq!(forget(&gateway, "test/ids/msg_1").await.0, 404);
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::CONFLICT);
    tell.send(200).expect("the backend still works on it");
    assert_eq!(soon(sending).await.expect("no panic").status, StatusCode::OK);
    assert_eq!(forget(&gateway, "test/ids/msg_1").await.0, 200);
}

/// The response to `DELETE` for this path, with these headers.
async fn delete(gateway: &InProcess, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = Request::delete(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    gateway.command(request.body(Full::<Bytes>::default()).expect("a request")).await
}

#[tokio::test]
async fn without_a_token_only_a_loopback_address_accepts_commands() {
    let backend = Backend::start().await;
    // Its admin listener is not on loopback.
    let gateway = InProcess::before(&backend);
    gateway.send(&delivery("msg_1", "{}"), WIRE).await;
    let path = "/-/sources/test/ids/msg_1";
    assert_eq!(delete(&gateway, path, &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(gateway.figure("ids_remembered", "test").await, Some(1.0));
    gateway.send(&delivery("msg_1", "{}"), WIRE).await;
    assert_eq!(backend.seen().len(), 1);

    // On loopback, a web page may not.
    let gateway = Gateway::before(&backend).await;
    let request = "POST /-/reload HTTP/1.1\r\nhost: admin\r\norigin: https://example.com\r\ncontent-length: 0\r\n\r\n";
    let mut raw = crate::common::Raw::open(gateway.admin).await;
    raw.write(request).await;
    assert_eq!(raw.answer().await.expect("an answer").status, StatusCode::FORBIDDEN);
    assert_eq!(gateway.reload().await.status, StatusCode::OK);
}

#[tokio::test]
async fn with_a_token_every_command_needs_it() {
    let backend = Backend::start().await;
    let config = [SOURCE, &route(&backend, "")].concat();
    let server = format!("admin = \"{}\"\nadmin_token = {{ file = \"TEST_SECRET\" }}", free_address());
    let gateway = InProcess::start_with(&server, &config);
    gateway.send(&delivery("msg_1", "{}"), WIRE).await;
    let path = "/-/sources/test/ids/msg_1";
    let token = format!("Bearer {SECRET}");
    for headers in [&[][..], &[("authorization", "Bearer wrong")], &[("authorization", SECRET)]] {
        let reply = delete(&gateway, path, headers).await;
        assert_eq!((reply.status, reply.header("www-authenticate")), (StatusCode::UNAUTHORIZED, Some("Bearer")));
    }
    assert_eq!(delete(&gateway, path, &[("authorization", &token)]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_reload_reads_the_token_again() {
    let (folder, backend) = (tempfile::tempdir().expect("a folder"), Backend::start().await);
    let file = folder.path().join("token");
    let (old, new) = ("old-0123456789abcdef", "new-0123456789abcdef");
    std::fs::write(&file, format!("{old}\n")).expect("a file");
    let server = format!("admin_token = {{ file = \"{}\" }}", file.display());
    let gateway = Gateway::start_with(&server, &[SOURCE, &route(&backend, "")].concat(), &[]).await;
    let reload = async |token| command(gateway.admin, Method::POST, "/-/reload", token).await.status;
    assert_eq!(reload(None).await, StatusCode::UNAUTHORIZED);
    std::fs::write(&file, "too short").expect("a file");
    assert_eq!(reload(Some(old)).await, StatusCode::UNPROCESSABLE_ENTITY);
    std::fs::write(&file, new).expect("a file");
    assert_eq!((reload(Some(new)).await, reload(Some(old)).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    assert_eq!((reload(Some(old)).await, reload(Some(new)).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    let output = gateway.output();
    assert!(!output.contains(old) && !output.contains(new) && output.contains("does not hold a token"), "{output}");
}
