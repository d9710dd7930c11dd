//! Other clients: deliveries over TLS, and early rejections, which also reach proxies in front of the gateway.

use std::io::Write;
use std::process::Command;

use countersign_test::process::run;
use http::StatusCode;

use crate::common::{
    Authority, Backend, Front, Gateway, SOURCE, Wire, delivery, finished, free_address, noise, route, send,
};

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

/// Reads the request as JSON from its arguments, and prints the status of the response.
const PYTHON_TLS: &str = "
import http.client, json, ssl, sys
port, ca, headers = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
c = http.client.HTTPSConnection('localhost', port, timeout=10, context=ssl.create_default_context(cafile=ca))
c.request('POST', '/hook', b'{}', headers)
print(c.getresponse().status)
";
const NODE_TLS: &str = "
const [port, ca, headers] = process.argv.slice(1);
const options = { ca: require('fs').readFileSync(ca), headers: JSON.parse(headers), method: 'POST', timeout: 10000 };
const request = require('https').request(`https://localhost:${port}/hook`, options, r => { console.log(r.statusCode); r.resume(); });
request.end('{}');
";
const NODE_HTTP2: &str = "
const [port, ca, headers] = process.argv.slice(1);
const client = require('http2').connect(`https://localhost:${port}`, { ca: require('fs').readFileSync(ca) });
const request = client.request({ ':method': 'POST', ':path': '/hook', ...JSON.parse(headers) });
request.on('response', r => { console.log(r[':status']); client.close(); });
request.end('{}');
";

#[tokio::test]
async fn python_and_node_deliver_over_tls() {
    let (backend, authority) = (Backend::start().await, Authority::new());
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (chain, key) = authority.issue(&["localhost"]);
    for (name, text) in [("ca.pem", authority.pem()), ("chain.pem", chain), ("key.pem", key)] {
        std::fs::write(path(name), text).expect("a file");
    }
    let tls =
        format!("tls = {{ certificates = [{{ chain = \"{}\", key = \"{}\" }}] }}", path("chain.pem"), path("key.pem"));
    let gateway = Gateway::listening(&tls, "", &[SOURCE, &route(&backend, "")].concat()).await;
    for (n, (program, flag, text)) in
        [("python3", "-c", PYTHON_TLS), ("node", "-e", NODE_TLS), ("node", "-e", NODE_HTTP2)].into_iter().enumerate()
    {
        let sent = delivery(&format!("msg_{n}"), "{}");
        let headers: serde_json::Map<_, _> = sent
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().expect("visible ASCII").into()))
            .collect();
        let mut command = Command::new(program);
        command.args([flag, text, &gateway.address.port().to_string(), &path("ca.pem")]);
        // The backend runs meanwhile.
        let output = run(command.arg(serde_json::Value::Object(headers).to_string())).await;
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "200", "{program}: {output:?}");
        assert_eq!(backend.has_seen(n + 1).await.header("x-forwarded-proto"), Some("https"));
    }
}

async fn assert_rejections_pass(front: &Front) {
    for n in 0..3 {
        let large = delivery(&format!("msg_{n}"), noise(LONG));
        for (sent, status) in [(large.clone(), 413), (large.without("webhook-id"), 400)] {
            let reply = send(front.address, &sent, Wire::Http1Length).await;
            assert_eq!(reply.status.as_u16(), status, "{n}: {:?}", reply.body);
        }
    }
    let good = delivery("msg_good", noise(1000));
    assert_eq!(send(front.address, &good, Wire::Http1Length).await.status, StatusCode::OK);
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
