//! The proxies in front of the gateway, with TLS. Each runs with its configuration in `deploy/front/`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{replaced, text};
use crate::common::{
    Authority, Backend, Delivery, Front, Gateway, SOURCE, Wire, delivery, free_address, route, send, until,
};
use countersign_test::process::run;
use tempfile::TempDir;

const HOST: &str = "hooks.example.com";
const CHAIN: &str = "/etc/ssl/hooks.example.com/chain.pem";
const KEY: &str = "/etc/ssl/hooks.example.com/key.pem";
const BOTH: &str = "/etc/ssl/hooks.example.com/chain-and-key.pem";

/// A gateway that trusts proxies on this host, and the certificate of the proxy in front.
struct Behind {
    gateway: Gateway,
    backend: Backend,
    folder: TempDir,
}

impl Behind {
    async fn start() -> Self {
        let backend = Backend::start().await;
        let server = "trusted_proxies = [\"127.0.0.1\"]\ndrain_delay = \"60s\"";
        let route = route(&backend, &format!("host = \"{HOST}\""));
        let gateway = Gateway::start_with(server, &[SOURCE, &route].concat(), &["--log", "text"]).await;
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::new();
        let (chain, key) = authority.issue(&[HOST]);
        for (name, text) in [
            ("ca.pem", authority.pem()),
            ("chain-and-key.pem", [chain.as_str(), &key].concat()),
            ("chain.pem", chain),
            ("key.pem", key),
        ] {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        Self { gateway, backend, folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Writes a configuration, and returns its path.
    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.folder.path().join(name), text).expect("a file");
        self.path(name)
    }

    /// Delivers with curl through the proxy, and returns the status.
    async fn curl(&self, front: &Front, delivery: &Delivery, version: &str) -> String {
        let address = front.address;
        let mut curl = Command::new("curl");
        curl.args(["-sS", version, "-o", "/dev/null", "-w", "%{http_code}", "--cacert", &self.path("ca.pem")]);
        curl.args(["--resolve", &format!("{HOST}:{}:{}", address.port(), address.ip())]);
        for (name, value) in &delivery.headers {
            curl.args(["-H", &format!("{name}: {}", value.to_str().expect("visible ASCII"))]);
        }
        curl.args(["--data-binary", str::from_utf8(&delivery.body).expect("text")]);
        // The backend runs meanwhile.
        let output = run(curl.arg(format!("https://{HOST}:{}/hook", address.port()))).await;
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The backend learns who the client is from the proxy, and nothing of what the client says about that.
    async fn assert_reports_the_client(&self, front: &Front) {
        for (count, version) in ["--http1.1", "--http2"].into_iter().enumerate() {
            let forged = delivery(&format!("msg_{count}"), "{}")
                .set("x-forwarded-for", "198.51.100.66")
                .set("x-forwarded-host", "forged.example.com")
                .set("x-forwarded-proto", "gopher")
                .set("x-forwarded-port", "66")
                .set("forwarded", "for=198.51.100.66;host=forged.example.com;proto=http");
            assert_eq!(self.curl(front, &forged, version).await, "200", "{version}");
            let seen = self.backend.has_seen(count + 1).await;
            assert_eq!(seen.header("countersign-verdict"), Some("verified"));
            assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"), "{version}");
            assert_eq!(seen.header("x-forwarded-proto"), Some("https"), "{version}");
            let host = seen.header("x-forwarded-host").and_then(|host| host.split(':').next());
            assert_eq!(host, Some(HOST), "{version}");
            let port = seen.header("x-forwarded-port").map(str::to_owned);
            assert!(port.is_none_or(|port| port == front.address.port().to_string()), "{version}");
            assert_eq!(seen.header("forwarded"), None);
        }
        assert!(!self.gateway.output().contains("198.51.100.66"), "{}", self.gateway.output());
    }

    /// Once the gateway is asked to stop, the proxy sends it no more requests, although it would accept them.
    async fn assert_checks_the_health(&self, front: &Front) {
        self.gateway.signal("TERM");
        until("the proxy notices", async || self.curl(front, &delivery("msg_late", "{}"), "--http1.1").await == "503")
            .await;
        let direct = delivery("msg_direct", "{}");
        assert_eq!(send(self.gateway.address, &direct, Wire::Http1Length).await.status, 200);
    }
}

fn port(address: SocketAddr) -> String {
    address.port().to_string()
}

#[tokio::test]
async fn nginx_reports_the_client() {
    let behind = Behind::start().await;
    let address = free_address();
    let gateway = behind.gateway.address.to_string();
    let site = behind.write(
        "site.conf",
        &replaced(
            &text("front/nginx.conf"),
            &[
                ("server 127.0.0.1:8080", &format!("server {gateway}")),
                ("listen 443", &format!("listen {address}")),
                (CHAIN, &behind.path("chain.pem")),
                (KEY, &behind.path("key.pem")),
            ],
        ),
    );
    let own = behind.folder.path().display().to_string();
    let main = behind.write(
        "nginx.conf",
        &format!(
            "daemon off; master_process off; pid {own}/pid; error_log {own}/log;\n\
             events {{ worker_connections 64; }}\n\
             http {{ access_log off; client_body_temp_path {own}/a; proxy_temp_path {own}/b; \
             fastcgi_temp_path {own}/c; uwsgi_temp_path {own}/d; scgi_temp_path {own}/e; include {site}; }}"
        ),
    );
    let Some(front) = Front::start("nginx", &["-c", &main, "-p", &own], address).await else { return };
    behind.assert_reports_the_client(&front).await;
}

#[tokio::test]
async fn haproxy_reports_the_client_and_checks_the_health() {
    let behind = Behind::start().await;
    let address = free_address();
    let config = replaced(
        &text("front/haproxy.cfg"),
        &[
            ("maxconn 10000", "maxconn 64"),
            ("bind :443", &format!("bind {address}")),
            (BOTH, &behind.path("chain-and-key.pem")),
            ("127.0.0.1:8080", &behind.gateway.address.to_string()),
            ("port 9901 inter 2s", &format!("port {} inter 100ms", port(behind.gateway.admin))),
        ],
    );
    let config = behind.write("haproxy.cfg", &config);
    let Some(front) = Front::start("haproxy", &["-f", &config, "-db"], address).await else { return };
    behind.assert_reports_the_client(&front).await;
    behind.assert_checks_the_health(&front).await;
}

#[tokio::test]
async fn caddy_reports_the_client_and_checks_the_health() {
    let behind = Behind::start().await;
    let address = free_address();
    let site = replaced(
        &text("front/Caddyfile"),
        &[
            ("hooks.example.com:443", &format!("hooks.example.com:{}", port(address))),
            (CHAIN, &behind.path("chain.pem")),
            (KEY, &behind.path("key.pem")),
            ("127.0.0.1:8080", &behind.gateway.address.to_string()),
            ("health_port 9901", &format!("health_port {}", port(behind.gateway.admin))),
            ("health_interval 2s", "health_interval 100ms"),
        ],
    );
    let own = behind.folder.path().display().to_string();
    // The test runs beside others: no listener for administration or for the redirect from port 80.
    let globals = format!("{{\n\tadmin off\n\tauto_https disable_redirects\n\tstorage file_system {own}\n}}\n");
    let config = behind.write("Caddyfile", &[globals, site].concat());
    let arguments = ["run", "--config", &config, "--adapter", "caddyfile"];
    let Some(front) = Front::start("caddy", &arguments, address).await else { return };
    behind.assert_reports_the_client(&front).await;
    behind.assert_checks_the_health(&front).await;
}

#[test]
fn the_load_balancer_of_aws_checks_the_health_and_rejects_forged_headers() {
    let template: serde_yaml::Value = serde_yaml::from_str(&text("front/aws-alb.yaml")).expect("YAML");
    let resources = &template["Resources"];
    let gateways = &resources["Gateways"]["Properties"];
    assert_eq!(gateways["HealthCheckPath"], "/readyz");
    assert_eq!(gateways["HealthCheckPort"], "9901");
    assert_eq!(gateways["ProtocolVersion"], "HTTP1");
    assert_eq!(resources["Https"]["Properties"]["Protocol"], "HTTPS");
    for (rule, header) in [("RejectForwardedHost", "X-Forwarded-Host"), ("RejectForwarded", "Forwarded")] {
        let rule = &resources[rule]["Properties"];
        assert_eq!(rule["Conditions"][0]["HttpHeaderConfig"]["HttpHeaderName"], header);
        assert_eq!(rule["Actions"][0]["FixedResponseConfig"]["StatusCode"], "400");
    }
    // Every resource that is named exists.
    let text = text("front/aws-alb.yaml");
    for (_, rest) in text.match_indices("{ Ref: ").map(|(at, found)| text.split_at(at + found.len())) {
        let (name, _) = rest.split_once(" }").expect("its end");
        assert!(!resources[name].is_null() || !template["Parameters"][name].is_null(), "{name}");
    }
}

#[test]
fn the_files_name_the_addresses_of_the_configuration() {
    let config = text("gateway.toml");
    for address in ["127.0.0.1:8080", "127.0.0.1:9901"] {
        assert!(config.contains(&format!("\"{address}\"")), "{address}");
    }
    for file in ["nginx.conf", "haproxy.cfg", "Caddyfile"] {
        let text = text(Path::new("front").join(file).to_str().expect("text"));
        assert!(text.contains("127.0.0.1:8080") && text.contains("trusted_proxies = [\"127.0.0.1\"]"), "{file}");
    }
}
