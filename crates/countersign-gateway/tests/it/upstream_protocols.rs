//! Backends behind TLS, on Unix sockets and with HTTP/2, and the spelling of header names.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use http::{StatusCode, Version};
use http_body_util::BodyExt;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpStream, UnixListener};
use tokio_util::task::AbortOnDropHandle;

use crate::common::{
    Answer, Authority, Backend, Gateway, Http2Backend, InProcess, Peer, Running, SOURCE, Upstream, Wire, binary,
    delivery, finished, free_address, in_front_of, noise, route_to, until,
};

const WIRE: Wire = Wire::Http1Length;
const NAME: &str = "backend.internal";

/// A route to this URL, with more keys if need be.
fn to(url: &str, more: &str) -> String {
    let address = free_address();
    let text = route_to(&[address], more).replace(&format!("http://{address}"), url);
    [SOURCE, &text].concat()
}

/// TLS settings that trust this authority.
fn trusting(authority: &Authority, folder: &Path, more: &str) -> String {
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, authority.pem()).expect("a file");
    format!("upstream_tls = {{ ca = \"{}\"{more} }}\n", ca.display())
}

#[tokio::test]
async fn an_upstream_behind_tls_is_verified() {
    let (authority, folder, backend) =
        (Authority::new(), tempfile::tempdir().expect("a folder"), Backend::start().await);
    let folder = folder.path();
    let (named, _named) = in_front_of(backend.address(), authority.server(NAME, false)).await;
    let (local, _local) = in_front_of(backend.address(), authority.server("localhost", false)).await;
    let (expired, _expired) = in_front_of(backend.address(), authority.server("localhost", true)).await;
    let closing = Upstream::start(|_, peer: Peer| async move { drop(peer) }).await;
    let at = |address: SocketAddr| format!("https://localhost:{}", address.port());
    let by_ip = |address: SocketAddr| format!("https://{address}");
    let server_name = format!(", server_name = \"{NAME}\"");
    for (url, tls, cause) in [
        (by_ip(named), trusting(&authority, folder, &server_name), None),
        (by_ip(local), trusting(&authority, folder, ", server_name = \"localhost\""), None),
        (by_ip(local), trusting(&authority, folder, ""), Some("certificate")),
        (by_ip(named), trusting(&authority, folder, ", server_name = \"other.internal\""), Some("other.internal")),
        (by_ip(local), "upstream_tls = { server_name = \"localhost\" }".to_owned(), Some("UnknownIssuer")),
        (by_ip(expired), trusting(&authority, folder, ", server_name = \"localhost\""), Some("expired")),
        (by_ip(closing.address), trusting(&authority, folder, ""), Some("TLS handshake failed")),
    ] {
        let gateway = InProcess::start(&to(&url, &["connect_timeout = \"5s\"\n", &tls].concat()));
        let before = backend.seen().len();
        let reply = gateway.send(&delivery("msg_1", noise(300_000)), WIRE).await;
        match cause {
            None => {
                assert_eq!(reply.status, StatusCode::OK, "{url}: {}", gateway.output());
                let seen = &backend.seen()[before];
                assert_eq!(seen.header("host"), url.strip_prefix("https://"));
                assert_eq!(seen.body.len(), 300_000);
                assert_eq!(gateway.send(&delivery("msg_2", "{}"), WIRE).await.status, StatusCode::OK);
            }
            Some(cause) => {
                assert_eq!((reply.status.as_u16(), reply.code().as_str()), (502, "upstream_unreachable"), "{url}");
                assert!(gateway.output().contains(cause), "{cause}: {}", gateway.output());
                assert_eq!(backend.seen().len(), before);
            }
        }
    }
    // The list of this machine, and one without authorities.
    let of_system = to(&at(local), "upstream_tls = { ca = \"system\" }");
    let list = folder.join("ca.pem").display().to_string();
    let gateway = Gateway::start_in(&[("SSL_CERT_FILE", &list)], &of_system).await;
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::OK);
    let file = folder.join("gateway.toml");
    std::fs::write(&file, ["[server]\nlisten = [\"127.0.0.1:1\"]\n", &of_system].concat()).expect("a file");
    let mut command = binary(&file);
    command.arg("--check").env("SSL_CERT_FILE", folder.join("none.pem")).env("SSL_CERT_DIR", folder.join("none"));
    let output = String::from_utf8_lossy(&finished(&mut command).stderr).into_owned();
    assert!(output.contains("gateway.toml:") && output.contains("no certificate authorities"), "{output}");
    // The name in the URL is the one that is verified and sent.
    let gateway = Gateway::start(&to(&at(local), &trusting(&authority, folder, ""))).await;
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::OK);
}

#[tokio::test]
async fn connections_with_tls_are_used_again() {
    let (authority, folder, backend) =
        (Authority::new(), tempfile::tempdir().expect("a folder"), Backend::start().await);
    let (address, _front) = in_front_of(backend.address(), authority.server(NAME, false)).await;
    let more = trusting(&authority, folder.path(), &format!(", server_name = \"{NAME}\""));
    let gateway =
        InProcess::start(&to(&format!("https://{address}"), &[&more, "upstream_idle_timeout = \"1m\""].concat()));
    for n in 0..5 {
        assert_eq!(gateway.send(&delivery(&format!("msg_{n}"), "{}"), WIRE).await.status, StatusCode::OK);
    }
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn the_gateway_presents_its_certificate() {
    let (authority, folder, backend) =
        (Authority::new(), tempfile::tempdir().expect("a folder"), Backend::start().await);
    let (chain, key) = authority.issue(&[NAME]);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("PEM")).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("supported versions")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(chain.as_bytes()).expect("PEM")],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM"),
        );
    let (address, _front) = in_front_of(backend.address(), config.expect("a matching key")).await;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (client_chain, client_key) = authority.issue(&["gateway.internal"]);
    std::fs::write(path("chain.pem"), client_chain).expect("a file");
    std::fs::write(path("key.pem"), client_key).expect("a file");
    let certificate = format!(", certificate = {{ chain = \"{}\", key = \"{}\" }}", path("chain.pem"), path("key.pem"));
    let name = format!(", server_name = \"{NAME}\"");
    for (more, status) in [([name.as_str(), &certificate].concat(), 200), (name.clone(), 502)] {
        let gateway = InProcess::start(&to(&format!("https://{address}"), &trusting(&authority, folder.path(), &more)));
        let reply = gateway.send(&delivery("msg_1", "{}"), WIRE).await;
        assert_eq!(reply.status.as_u16(), status, "{}", gateway.output());
    }
    assert_eq!(backend.seen().len(), 1);
}

#[tokio::test]
async fn an_upstream_may_be_a_unix_socket() {
    let (folder, backend) = (tempfile::tempdir().expect("a folder"), Backend::start().await);
    let path = folder.path().join("app.sock");
    let (listener, address) = (UnixListener::bind(&path).expect("a socket"), backend.address());
    let _accepting = AbortOnDropHandle::new(tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut backend = TcpStream::connect(address).await.ok()?;
                copy_bidirectional(&mut stream, &mut backend).await.ok()
            });
        }
    }));
    let url = format!("unix:{}", path.display());
    let gateway = InProcess::start(&to(&url, ""));
    for n in 0..3 {
        assert_eq!(gateway.send(&delivery(&format!("msg_{n}"), noise(100_000)), WIRE).await.status, StatusCode::OK);
    }
    let seen = backend.has_seen(3).await;
    assert_eq!((seen.header("host"), seen.body.len()), (Some("localhost"), 100_000));
    let count = format!("countersign_upstream_requests_total{{upstream=\"{url}\",result=\"2xx\"}}");
    assert_eq!(gateway.metric(&count).await, Some(3.0));

    let gone = InProcess::start(&to("unix:/nowhere/app.sock", ""));
    assert_eq!(gone.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::BAD_GATEWAY);
    assert!(gone.output().contains("address=unix:/nowhere/app.sock"), "{}", gone.output());
}

#[tokio::test]
async fn an_upstream_may_speak_http2_with_or_without_tls() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().expect("a folder"));
    let tls = trusting(&authority, folder.path(), ", server_name = \"localhost\"");
    for (server, scheme, more) in
        [(None, "h2c", String::new()), (Some(authority.server("localhost", false)), "h2", tls.clone())]
    {
        let backend = Http2Backend::start(server).await;
        let url = format!("{scheme}://{}/api", backend.address);
        let gateway = InProcess::start(&to(&url, &[&more, "upstream_idle_timeout = \"1m\"\n"].concat()));
        for wire in Wire::ALL {
            let sent = delivery(&format!("msg_{wire:?}"), noise(200_000)).set("content-type", "application/grpc");
            let response = gateway.call(wire.received(&sent)).await;
            assert_eq!(response.status(), StatusCode::OK, "{scheme}: {}", gateway.output());
            assert_eq!(response.headers().get("content-type").expect("a type"), "application/grpc");
            assert!(!response.headers().contains_key("countersign-verdict"));
            let body = response.into_body().collect().await.expect("a whole body");
            let trailers = body.trailers().cloned().expect("trailers");
            assert_eq!(trailers.get("grpc-status").expect("a status"), "0");
            assert!(!trailers.contains_key("countersign-outcome"));
            assert_eq!(body.to_bytes(), "over HTTP/2");
        }
        let seen = backend.seen();
        assert_eq!((seen.len(), backend.connections()), (4, 1), "{scheme}");
        let (head, body) = &seen[0];
        assert_eq!((head.version, head.uri.path(), body.len()), (Version::HTTP_2, "/api/hook", 200_000));
        assert_eq!(head.uri.authority().expect("an authority").as_str(), backend.address.to_string());
        assert_eq!(head.headers["countersign-verdict"], "verified");
        assert_eq!(
            (&head.headers["te"], &head.headers["content-length"]),
            (&"trailers".parse().expect("a value"), &"200000".parse().expect("a value"))
        );
        assert!(!head.headers.contains_key("host") && !head.headers.contains_key("connection"));
    }
    // Its server offers HTTP/1.1 only.
    let backend = Backend::start().await;
    let (address, _front) = in_front_of(backend.address(), authority.server("localhost", false)).await;
    let gateway = InProcess::start(&to(&format!("h2://{address}"), &tls));
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.code(), "upstream_unreachable");
    assert!(gateway.output().contains("does not offer HTTP/2"), "{}", gateway.output());
}

#[tokio::test]
async fn an_http2_upstream_that_closes_or_hangs_is_a_failure() {
    // Reads the beginning of the connection, and closes it or waits.
    let closing = Upstream::start(|_, mut peer: Peer| async move { drop(peer.head().await) }).await;
    let hung = Upstream::start(|_, peer: Peer| peer.hold()).await;
    for (upstream, status, code) in [(&closing, 502, "upstream_unreachable"), (&hung, 504, "upstream_timeout")] {
        let more = "upstream_timeout = \"500ms\"";
        let gateway = InProcess::start(&to(&format!("h2c://{}", upstream.address), more));
        let reply = gateway.send(&delivery("msg_1", "{}"), WIRE).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (status, code), "{}", gateway.output());
    }
}

#[tokio::test]
async fn an_http2_upstream_is_checked_over_http2() {
    let (well, down) = (Http2Backend::start(None).await, Backend::scripted(|_| Answer::Status(200)).await);
    let more = "health_check = { path = \"/healthz\", every = \"500ms\", timeout = \"500ms\" }";
    let gateway = Gateway::start(&to(&format!("h2c://{}", well.address), more)).await;
    until("it is checked", async || !well.seen().is_empty()).await;
    let (head, _) = &well.seen()[0];
    assert_eq!((head.method.as_str(), head.uri.path(), head.version), ("GET", "/healthz", Version::HTTP_2));
    let unhealthy = format!("countersign_upstream_unhealthy{{upstream=\"{}\"}}", well.address);
    assert_eq!(gateway.metric(&unhealthy).await, Some(0.0));
    // It speaks another protocol.
    let gateway = Gateway::start(&to(&format!("h2c://{}", down.address()), more)).await;
    let unhealthy = format!("countersign_upstream_unhealthy{{upstream=\"{}\"}}", down.address());
    until("it is unhealthy", async || gateway.metric(&unhealthy).await == Some(1.0)).await;
}

#[tokio::test]
async fn header_names_may_be_in_title_case() {
    for (more, names) in [
        (
            "title_case_headers = true\n",
            ["\r\nHost: ", "\r\nWebhook-Id: ", "\r\nX-Stage: ", "\r\nContent-Length: 2\r\n"],
        ),
        ("", ["\r\nhost: ", "\r\nwebhook-id: ", "\r\nx-stage: ", "\r\ncontent-length: 2\r\n"]),
    ] {
        let (heads, mut received) = tokio::sync::mpsc::unbounded_channel();
        let upstream = Upstream::start(move |_, mut peer: Peer| {
            let heads = heads.clone();
            async move {
                heads.send(peer.head().await.expect("a head")).expect("the test waits");
                peer.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
                peer.hold().await;
            }
        })
        .await;
        let more = [more, "set_headers = { x-stage = \"A-b\" }\n"].concat();
        let gateway = InProcess::start(&to(&format!("http://{}", upstream.address), &more));
        assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::OK);
        let head = received.recv().await.expect("a head");
        assert!(names.iter().all(|name| head.contains(name)) && head.contains(": A-b\r\n"), "{head}");
    }
}
