//! TLS on the listeners for webhooks.

#![expect(clippy::float_cmp, reason = "counters are whole numbers")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::common::{
    Answer, Authority, Backend, Delivery, Gateway, Running, SOURCE, delivery, finished, noise, route, run, soon, until,
};

const HOST: &str = "hooks.example.com";

/// A gateway with TLS, and what its clients need.
struct Secured {
    gateway: Gateway,
    backend: Backend,
    authority: Authority,
    folder: TempDir,
}

/// Writes a certificate for these names and its key, and returns how the configuration names them.
fn certificate(authority: &Authority, folder: &Path, names: &[&str]) -> String {
    let (chain, key) = authority.issue(names);
    let path = |kind: &str| folder.join(format!("{}.{kind}.pem", names[0]));
    std::fs::write(path("chain"), chain).expect("a file");
    std::fs::write(path("key"), key).expect("a file");
    format!("{{ chain = \"{}\", key = \"{}\" }}", path("chain").display(), path("key").display())
}

impl Secured {
    /// A certificate for [`HOST`], with more keys of the listener and of the server.
    async fn start(more: &str, server: &str) -> Self {
        Self::start_for(&[HOST], "", more, server, Backend::start().await).await
    }

    /// A certificate for each name, with more keys of TLS, of the listener and of the server.
    async fn start_for(names: &[&str], tls: &str, more: &str, server: &str, backend: Backend) -> Self {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().expect("a folder"));
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("a file");
        let certificates: Vec<_> = names.iter().map(|name| certificate(&authority, folder.path(), &[name])).collect();
        let tls = tls.replace("FOLDER", &folder.path().display().to_string());
        let listener = format!("tls = {{ certificates = [{}]{tls} }}{more}", certificates.join(", "));
        let gateway = Gateway::listening(&listener, server, &[SOURCE, &route(&backend, "")].concat()).await;
        Self { gateway, backend, authority, folder }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.authority.pem().as_bytes()) {
            roots.add(certificate.expect("a certificate")).expect("an authority");
        }
        roots
    }

    fn client(&self) -> ClientConfig {
        ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("supported versions")
            .with_root_certificates(self.roots())
            .with_no_client_auth()
    }

    /// A connection whose certificate is valid for this name.
    async fn connect(&self, name: &str, client: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
        handshake(TcpStream::connect(self.gateway.address).await?, name, client).await
    }

    /// Delivers with curl, and returns the version of HTTP and the status.
    async fn curl(&self, delivery: &Delivery, arguments: &[&str]) -> String {
        let file = self.folder.path().join("body");
        std::fs::write(&file, &delivery.body).expect("a file");
        let address = self.gateway.address;
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", "--cacert"]);
        curl.arg(self.folder.path().join("ca.pem"));
        curl.args(["--resolve", &format!("{HOST}:{}:{}", address.port(), address.ip())]);
        for (name, value) in &delivery.headers {
            curl.args(["-H", &format!("{name}: {}", value.to_str().expect("visible ASCII"))]);
        }
        curl.args(arguments).args(["--data-binary", &format!("@{}", file.display())]);
        // The backend runs meanwhile.
        let output = countersign_test::process::run(curl.arg(format!("https://{HOST}:{}/hook", address.port()))).await;
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    async fn assert_works(&self, id: &str) {
        assert_eq!(self.curl(&delivery(id, noise(100)), &["--http1.1"]).await, "1.1 200");
        let name = id.to_owned();
        until("the backend sees it", async || self.backend.seen().iter().any(|seen| seen.id() == name)).await;
    }

    async fn rejected(&self, reason: &str) -> f64 {
        let labels = format!("{{route=\"none\",outcome=\"refused\",reason=\"{reason}\"}}");
        self.gateway.metric(&format!("countersign_requests_total{labels}")).await.unwrap_or(0.0)
    }

    /// A connection is counted a moment after it was closed.
    async fn has_rejected(&self, reason: &str, count: f64) {
        until(reason, async || self.rejected(reason).await == count).await;
    }

    async fn has_closed(&self, reason: &str, count: f64) {
        until(reason, async || self.closed(reason).await == count).await;
    }

    async fn closed(&self, reason: &str) -> f64 {
        let name = format!("countersign_connections_closed_total{{reason=\"{reason}\"}}");
        self.gateway.metric(&name).await.unwrap_or(0.0)
    }
}

async fn handshake(stream: TcpStream, name: &str, client: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    soon(TlsConnector::from(Arc::new(client)).connect(name, stream)).await
}

/// Everything that the gateway sends until it closes the connection.
async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = soon(stream.read_to_end(&mut all)).await;
    all
}

/// Writes these bytes without TLS, and returns what the gateway sends until it closes the connection.
async fn plain(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("the gateway listens");
    stream.write_all(bytes).await.expect("the gateway reads");
    rest(&mut stream).await
}

#[tokio::test]
async fn curl_delivers_over_http1_and_http2_and_the_backend_knows_that_it_was_tls() {
    let secured = Secured::start("", "").await;
    let ways = [
        ("1.1", &["--http1.1"][..]),
        ("1.1", &["--http1.1", "--tls-max", "1.2"]),
        ("1.1", &["--http1.1", "-H", "Transfer-Encoding: chunked"]),
        ("2", &["--http2"]),
        ("2", &["--http2", "--tls-max", "1.2"]),
    ];
    for (n, (version, arguments)) in ways.into_iter().enumerate() {
        for length in [100, 900_000] {
            let sent = delivery(&format!("msg_{n}_{length}"), noise(length));
            assert_eq!(secured.curl(&sent, arguments).await, format!("{version} 200"), "{arguments:?} {length}");
            let seen = secured.backend.seen().pop().expect("a request");
            assert_eq!((seen.id(), &seen.body), (sent.id(), &sent.body));
            assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
            assert_eq!(seen.header("countersign-client"), None);
        }
    }
    assert_eq!(secured.curl(&delivery("msg_old", noise(9)), &["--tls-max", "1.1", "--tlsv1.0"]).await, "0 000");
}

#[tokio::test]
async fn a_rejection_reaches_a_client_that_is_still_sending() {
    let secured = Secured::start("", "").await;
    let large = delivery("msg_large", noise(3_000_000)).without("webhook-id");
    assert_eq!(secured.curl(&large, &["--http1.1", "-H", "Expect:"]).await, "1.1 400");
}

#[tokio::test]
async fn a_connection_is_kept_and_the_protocol_is_negotiated() {
    let secured = Secured::start("", "").await;
    let mut client = secured.client();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut stream = secured.connect(HOST, client).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    stream.write_all(&delivery("msg_1", noise(100)).bytes()).await.expect("it reads");
    stream.write_all(&delivery("msg_2", noise(100)).set("connection", "close").bytes()).await.expect("it reads");
    let replies = String::from_utf8(rest(&mut stream).await).expect("text");
    assert_eq!(replies.matches("HTTP/1.1 200 ").count(), 2, "{replies}");

    for (offered, chosen) in [("h2,http/1.1", "h2"), ("http/1.1,h2", "h2"), ("http/1.1", "http/1.1")] {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-servername", HOST, "-alpn", offered, "-connect"]);
        let openssl = openssl.arg(secured.gateway.address.to_string()).stdin(Stdio::null());
        if let Err(error) = openssl.output() {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
            eprintln!("skipped: openssl is not installed");
            return;
        }
        let output = finished(openssl);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(&format!("ALPN protocol: {chosen}\n")), "{offered}: {text}");
    }
}

#[tokio::test]
async fn the_certificate_is_the_one_of_the_name_or_the_first() {
    let names = ["first.example.com", "*.example.org", "third.example.com"];
    let secured = Secured::start_for(&names, "", "", "", Backend::start().await).await;
    for name in ["first.example.com", "any.example.org", "third.example.com"] {
        secured.connect(name, secured.client()).await.expect("a handshake");
    }
    // A client that checks no other name gets the first one.
    let mut silent = secured.client();
    silent.enable_sni = false;
    secured.connect("first.example.com", silent.clone()).await.expect("a handshake");
    for (name, client) in [("third.example.com", silent), ("other.example.com", secured.client())] {
        let error = secured.connect(name, client).await.expect_err("another certificate").to_string();
        assert!(error.contains("first.example.com"), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_handshake_is_counted_and_harms_no_other_connection() {
    let secured = Secured::start("", "").await;
    let address = secured.gateway.address;
    let mut good = secured.connect(HOST, secured.client()).await.expect("a handshake");
    for bytes in [&delivery("msg_plain", noise(9)).bytes()[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let reply = String::from_utf8(plain(address, bytes).await).expect("text");
        assert!(reply.starts_with("HTTP/1.1 400 ") && reply.contains("\"code\":\"plain_on_tls\""), "{reply}");
    }
    // A record that is no handshake, a version that does not exist, and a handshake that begins with something else.
    for bytes in [&[0; 100][..], &[0x16, 9, 9, 0, 4, 1, 2, 3, 4], &[0x16, 3, 1, 0, 4, 9, 0, 0, 0]] {
        plain(address, bytes).await;
    }
    // One that breaks off.
    let mut stream = TcpStream::connect(address).await.expect("the gateway listens");
    stream.write_all(&[0x16, 3, 1, 0, 4, 1, 0]).await.expect("it reads");
    stream.shutdown().await.expect("it is connected");
    rest(&mut stream).await;
    secured.has_rejected("plain_on_tls", 2.0).await;
    let line = "reason=\"plain_on_tls\" status=400 \
                hint=\"the client speaks plain HTTP: its URL should begin with https\" peer=127.0.0.1";
    assert_eq!(secured.gateway.output().matches(line).count(), 2, "{}", secured.gateway.output());
    secured.has_closed("tls_handshake", 4.0).await;
    good.write_all(&delivery("msg_good", noise(9)).set("connection", "close").bytes()).await.expect("it reads");
    assert!(rest(&mut good).await.starts_with(b"HTTP/1.1 200 "));
    secured.assert_works("msg_after").await;
}

#[tokio::test]
async fn a_handshake_and_the_first_head_have_to_arrive_in_time() {
    let secured = Secured::start("", "head_timeout = \"400ms\"").await;
    let address = secured.gateway.address;
    assert_eq!(plain(address, &[0x16, 3, 1, 2, 0, 1, 0]).await, b"");
    secured.has_closed("tls_handshake_timeout", 1.0).await;
    assert_eq!(plain(address, b"").await, b"");
    let mut silent = secured.connect(HOST, secured.client()).await.expect("a handshake");
    rest(&mut silent).await;
    secured.has_closed("idle_timeout", 2.0).await;
    let mut slow = secured.connect(HOST, secured.client()).await.expect("a handshake");
    slow.write_all(b"POST /hook HTTP/1.1\r\n").await.expect("it reads");
    let reply = String::from_utf8(rest(&mut slow).await).expect("text");
    assert!(reply.starts_with("HTTP/1.1 408 ") && reply.contains("\"code\":\"head_timeout\""), "{reply}");
    secured.has_rejected("head_timeout", 1.0).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_its_response_is_closed() {
    let length = 30_000_000;
    let large = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{}", "a".repeat(length));
    let backend = Backend::answering([Answer::Raw(large)]).await;
    let secured = Secured::start_for(&[HOST], "", "", "write_timeout = \"500ms\"", backend).await;
    let mut stream = secured.connect(HOST, secured.client()).await.expect("a handshake");
    stream.write_all(&delivery("msg_unread", noise(9)).bytes()).await.expect("it reads");
    secured.has_closed("write_timeout", 1.0).await;
    assert!(rest(&mut stream).await.len() < length);
}

#[tokio::test]
async fn with_client_ca_only_clients_with_a_certificate_are_served() {
    let tls = ", client_ca = \"FOLDER/ca.pem\"";
    let secured = Secured::start_for(&[HOST], tls, "", "", Backend::start().await).await;
    let with = |authority: &Authority| {
        let (chain, key) = authority.issue(&["client.example.com"]);
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>();
        ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("supported versions")
            .with_root_certificates(secured.roots())
            .with_client_auth_cert(
                chain.expect("a certificate"),
                PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key"),
            )
            .expect("a certificate")
    };
    for (client, is_served) in
        [(secured.client(), false), (with(&Authority::new()), false), (with(&secured.authority), true)]
    {
        // In TLS 1.3, a client learns only afterwards that its certificate was rejected.
        let reply = match secured.connect(HOST, client).await {
            Ok(mut stream) => {
                let sent = delivery("msg_client", noise(9)).set("connection", "close");
                let sent = sent.set("countersign-client", "forged.example.com");
                let _ = stream.write_all(&sent.bytes()).await;
                rest(&mut stream).await
            }
            Err(_) => Vec::new(),
        };
        assert_eq!(reply.starts_with(b"HTTP/1.1 200 "), is_served, "{:?}", String::from_utf8_lossy(&reply));
    }
    secured.has_closed("tls_handshake", 2.0).await;
    let seen = secured.backend.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].header("countersign-client"), Some("client.example.com"));
}

#[tokio::test]
async fn a_client_without_a_dns_name_is_named_by_its_subject() {
    let tls = ", client_ca = \"FOLDER/ca.pem\"";
    let secured = Secured::start_for(&[HOST], tls, "", "", Backend::start().await).await;
    let (chain, key) = secured.authority.issue_to("Example", "billing");
    let [chain_file, key_file] = ["client.pem", "client.key"].map(|name| secured.folder.path().join(name));
    std::fs::write(&chain_file, chain).expect("a file");
    std::fs::write(&key_file, key).expect("a file");
    let [chain_file, key_file] = [&chain_file, &key_file].map(|file| file.to_str().expect("a path"));
    let arguments = ["--http1.1", "--cert", chain_file, "--key", key_file];
    assert_eq!(secured.curl(&delivery("msg_1", noise(9)), &arguments).await, "1.1 200");
    let seen = secured.backend.seen().pop().expect("a request");
    assert_eq!(seen.header("countersign-client"), Some("CN=billing,O=Example"));
}

#[tokio::test]
async fn the_expiry_of_a_certificate_is_shown_and_warned_of() {
    let secured = Secured::start("", "").await;
    let file = secured.folder.path().join(format!("{HOST}.chain.pem"));
    let metric = format!("countersign_certificate_expiry_timestamp_seconds{{certificate=\"{}\"}}", file.display());
    assert!(secured.gateway.metric(&metric).await.is_some_and(|expires_at| expires_at > 4e9));
    let warning = format!("gateway.toml:2: {} has a certificate that expires in 2 days", file.display());
    assert!(!secured.gateway.output().contains("expires in"), "{}", secured.gateway.output());

    let now = SystemClock.now().as_secs();
    let expires_at = now + 3 * 24 * 60 * 60 - 60;
    let (chain, key) = secured.authority.issue_until(&[HOST], Duration::from_secs(expires_at));
    std::fs::write(&file, chain).expect("a file");
    std::fs::write(secured.folder.path().join(format!("{HOST}.key.pem")), key).expect("a file");
    assert_eq!(secured.gateway.reload().await.status, 200);
    let shown = secured.gateway.metric(&metric).await;
    assert_eq!(shown, Some(f64::from(u32::try_from(expires_at).expect("a time before 2106"))));
    assert!(secured.gateway.output().contains(&warning), "{}", secured.gateway.output());
    secured.assert_works("msg_1").await;
}

#[tokio::test]
async fn tls_begins_after_the_header_of_the_proxy() {
    let secured = Secured::start(", proxy_protocol = true", "").await;
    let connect = async || TcpStream::connect(secured.gateway.address).await.expect("the gateway listens");
    let mut stream = connect().await;
    stream.write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n").await.expect("it reads");
    let mut stream = handshake(stream, HOST, secured.client()).await.expect("a handshake");
    stream.write_all(&delivery("msg_both", noise(9)).set("connection", "close").bytes()).await.expect("it reads");
    assert!(rest(&mut stream).await.starts_with(b"HTTP/1.1 200 "));
    let seen = secured.backend.seen().pop().expect("a request");
    assert_eq!(seen.header("x-forwarded-for"), Some("192.0.2.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert!(handshake(connect().await, HOST, secured.client()).await.is_err());
    secured.has_rejected("malformed_proxy_header", 1.0).await;
}

#[tokio::test]
async fn requests_in_progress_finish_when_the_gateway_stops() {
    let (backend, answer) = Backend::holding().await;
    let mut secured = Secured::start_for(&[HOST], "", "", "", backend).await;
    let _idle = secured.connect(HOST, secured.client()).await.expect("a handshake");
    let mut stream = secured.connect(HOST, secured.client()).await.expect("a handshake");
    stream.write_all(&delivery("msg_held", noise(9)).bytes()).await.expect("it reads");
    secured.backend.has_seen(1).await;
    secured.gateway.signal("TERM");
    tokio::time::sleep(Duration::from_millis(100)).await;
    answer.send(200).expect("the backend waits");
    assert!(rest(&mut stream).await.starts_with(b"HTTP/1.1 200 "));
    until("it ends", async || secured.gateway.ended().is_some()).await;
}

#[test]
fn files_that_do_not_fit_are_refused_with_their_line() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().expect("a folder"));
    for name in ["a", "b"] {
        certificate(&authority, folder.path(), &[name]);
    }
    std::fs::write(folder.path().join("bad.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .expect("a file");
    std::fs::create_dir(folder.path().join("folder.pem")).expect("a folder");
    let good = "{ chain = \"a.chain.pem\",\n key = \"a.key.pem\" }";
    let check = |certificates: &str, more: &str| {
        let config = format!(
            "[server]\nlisten = [{{ address = \"127.0.0.1:18443\", tls = {{ certificates = [\n{certificates}]{more} }} }}]\n\
             {SOURCE}[[routes]]\npath = \"/hook\"\nsource = \"test\"\nupstream = [\"http://127.0.0.1:3000\"]\n"
        );
        let output = run(folder.path(), &config, &["--check"]);
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).expect("text"))
    };
    let (code, text) = check(good, "");
    assert_eq!(code, Some(0), "{text}");
    for (certificates, more, line, words) in [
        (good.replace("a.key", "b.key").as_str(), "", 4, "b.key.pem is not the key of the first certificate in "),
        (&good.replace("a.key", "none"), "", 4, "none.pem cannot be read: "),
        (&good.replace("a.key", "a.chain"), "", 4, "has no private key"),
        (&good.replace("a.chain", "a.key"), "", 3, "has no certificate"),
        (&good.replace("a.chain", "bad"), "", 3, "bad.pem begins with a certificate that cannot be used"),
        (&good.replace("a.chain", "folder"), "", 3, "is a directory"),
        (&format!("{good},\n{}", good.replace("a.key", "b.key")), "", 6, "b.key.pem is not the key"),
        (good, ",\nclient_ca = \"a.key.pem\"", 5, "has no certificate"),
        (good, ",\nclient_ca = \"bad.pem\"", 5, "has a certificate that cannot be used"),
        (good, ",\nclient_cas = \"a\"", 5, "unknown key \"client_cas\""),
        ("", "", 2, "TLS needs a certificate"),
        ("{ chain = \"a.chain.pem\" }", "", 3, "missing key \"key\""),
    ] {
        let (code, text) = check(certificates, more);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(&format!("gateway.toml:{line}: ")) && text.contains(words), "{line} {words}: {text}");
        assert!(!text.contains("PRIVATE KEY-----\n"), "{text}");
    }
}
