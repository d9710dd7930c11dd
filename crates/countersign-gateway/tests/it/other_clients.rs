//! Early rejections reach other clients: curl, Python, and proxies in front of the gateway.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Child, Command};

use crate::common::{Backend, Gateway, Wire, delivery, finished, free_address, noise, send, until};
use http::StatusCode;
use tokio::net::TcpStream;

/// More bytes than fit into the buffers of two sockets, and fewer than the gateway discards.
const LONG: usize = 3_000_000;

async fn limited() -> (Gateway, Backend) {
    let backend = Backend::start().await;
    let gateway = Gateway::before_with(&backend, "body_limit = \"1MiB\"\nbody_timeout = \"2s\"").await;
    (gateway, backend)
}

#[tokio::test]
async fn curl_and_python_see_the_rejection_of_what_they_are_still_sending() {
    let (gateway, _backend) = limited().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("body");
    std::fs::File::create(&file).and_then(|mut file| file.write_all(&noise(LONG))).expect("a file");
    let url = format!("http://{}/hook", gateway.address);
    for more in [&[][..], &["-H", "Expect:"], &["-H", "Expect:", "-H", "Transfer-Encoding: chunked"]] {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", "webhook-id: a", "--data-binary"]);
        let output = finished(curl.arg(format!("@{}", file.display())).args(more).arg(&url));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "400", "{more:?}: {output:?}");
    }
    let program = "import http.client, sys\n\
                   for _ in range(5):\n\
                   \x20   c = http.client.HTTPConnection(sys.argv[1], timeout=10)\n\
                   \x20   c.request('POST', '/hook', open(sys.argv[2], 'rb').read(), {'webhook-id': 'a'})\n\
                   \x20   print(c.getresponse().status)\n";
    let mut python = Command::new("python3");
    let output = finished(python.args(["-c", program, &gateway.address.to_string()]).arg(&file));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>(),
        ["400"; 5],
        "{output:?}"
    );
}

/// A proxy in front of the gateway; it is stopped when this is dropped.
struct Front(Child, SocketAddr);

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Front {
    /// Starts the proxy. Prints why and returns `None` if it is not installed.
    async fn start(program: &str, arguments: &[&str], address: SocketAddr) -> Option<Self> {
        let null = std::process::Stdio::null;
        // Debian installs servers in a folder that is not in every user's path.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let command = |program: &str| {
            let paths = std::env::split_paths(&path).map(|folder| folder.join(program));
            Command::new(paths.into_iter().find(|path| path.exists()).unwrap_or_else(|| program.into()))
        };
        let Ok(child) = command(program).args(arguments).stdout(null()).stderr(null()).spawn() else {
            eprintln!("skipped: {program} is not installed");
            return None;
        };
        let front = Self(child, address);
        until("the proxy listens", async || TcpStream::connect(address).await.is_ok()).await;
        Some(front)
    }
}

async fn assert_rejections_pass(front: &Front) {
    for n in 0..3 {
        let large = delivery(&format!("msg_{n}"), noise(LONG));
        for (sent, status) in [(large.clone(), 413), (large.without("webhook-id"), 400)] {
            let reply = send(front.1, &sent, Wire::Http1Length).await;
            assert_eq!(reply.status.as_u16(), status, "{n}: {:?}", reply.body);
        }
    }
    let good = delivery("msg_good", noise(1000));
    assert_eq!(send(front.1, &good, Wire::Http1Length).await.status, StatusCode::OK);
}

#[tokio::test]
async fn behind_nginx_the_sender_sees_the_rejection() {
    for more in ["", "proxy_http_version 1.1; proxy_set_header Connection ''; proxy_request_buffering off;"] {
        let (gateway, _backend) = limited().await;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().display();
        let address = free_address();
        let text = format!(
            "daemon off; master_process off; pid {path}/pid; error_log {path}/log;\n\
             events {{ worker_connections 64; }}\n\
             http {{ access_log off; client_body_temp_path {path}/a; proxy_temp_path {path}/b; \
             fastcgi_temp_path {path}/c; uwsgi_temp_path {path}/d; scgi_temp_path {path}/e; client_max_body_size 10m;\n\
             upstream gateway {{ server {}; keepalive 4; }}\n\
             server {{ listen {address}; location / {{ proxy_pass http://gateway; {more} }} }} }}",
            gateway.address
        );
        let config = folder.path().join("nginx.conf");
        std::fs::write(&config, text).expect("a file");
        let config = config.display().to_string();
        let prefix = path.to_string();
        let Some(front) = Front::start("nginx", &["-c", &config, "-p", &prefix], address).await else { return };
        assert_rejections_pass(&front).await;
    }
}

#[tokio::test]
async fn behind_haproxy_the_sender_sees_the_rejection() {
    let (gateway, _backend) = limited().await;
    let folder = tempfile::tempdir().expect("a folder");
    let address = free_address();
    let text = format!(
        "global\n maxconn 64\ndefaults\n mode http\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n\
         frontend front\n bind {address}\n default_backend gateway\nbackend gateway\n server one {}\n",
        gateway.address
    );
    let config = folder.path().join("haproxy.cfg");
    std::fs::write(&config, text).expect("a file");
    let config = config.display().to_string();
    let Some(front) = Front::start("haproxy", &["-f", &config, "-db"], address).await else { return };
    assert_rejections_pass(&front).await;
}
