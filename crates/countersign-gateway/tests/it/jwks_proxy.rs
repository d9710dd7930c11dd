//! Key sets that are fetched through a proxy, or not.

use crate::common::{
    Authority, Backend, ConnectProxy, Gateway, Publisher, Running, Wire, free_address, keys, signed_by, source,
};
use http::StatusCode;
use tempfile::TempDir;

const WIRE: Wire = Wire::Http1Length;
const PASSWORD: &str = "pa%3Ass-of-the-proxy";

/// A publisher with TLS, and a folder with the certificate of its authority.
struct Scene {
    backend: Backend,
    publisher: Publisher,
    proxy: ConnectProxy,
    folder: TempDir,
}

impl Scene {
    async fn new() -> Self {
        let authority = Authority::new();
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("a file");
        Self {
            backend: Backend::start().await,
            publisher: Publisher::with_tls(keys(&[1]), &authority).await,
            proxy: ConnectProxy::start().await,
            folder,
        }
    }

    /// Starts a gateway in this environment, whose key set has more keys in its table.
    async fn start(&self, environment: &[(&str, &str)], more: &str) -> Gateway {
        let ca = self.folder.path().join("ca.pem");
        let entry = self.publisher.entry(&format!(", ca = \"{}\"{more}", ca.display()));
        Gateway::start_in(environment, &source("remote", &entry, &self.backend)).await
    }

    async fn is_verified_by(&self, gateway: &Gateway) {
        let reply = gateway.send(&signed_by(1, "msg_1").to("/remote"), WIRE).await;
        assert_eq!((reply.status, reply.outcome()), (StatusCode::OK, None));
    }
}

#[tokio::test]
async fn a_key_set_is_fetched_through_its_proxy() {
    let scene = Scene::new().await;
    let proxy = scene.proxy.address;
    let gateway = scene.start(&[], &format!(", proxy = \"http://{proxy}\"")).await;
    scene.is_verified_by(&gateway).await;
    let heads = scene.proxy.heads();
    let target = format!("connect localhost:{} http/1.1\r\n", scene.publisher.port());
    assert!(heads.len() == 1 && heads[0].starts_with(&target), "{heads:?}");
    assert!(!heads[0].contains("proxy-authorization"), "{heads:?}");
}

#[tokio::test]
async fn the_password_of_a_proxy_is_sent_to_it_and_shown_nowhere() {
    let scene = Scene::new().await;
    let url = format!("http://user:{PASSWORD}@{}", scene.proxy.address);
    let gateway = scene.start(&[("PROXY_URL", &url)], ", proxy = { env = \"PROXY_URL\" }").await;
    scene.is_verified_by(&gateway).await;
    let heads = scene.proxy.heads();
    // `user:pa:ss-of-the-proxy`
    assert!(heads[0].contains("proxy-authorization: basic dxnlcjpwytpzcy1vzi10agutchjvehk="), "{heads:?}");

    // An unusable proxy, and one that is down.
    gateway.edit(&[("PROXY_URL", "NO_SUCH_PROXY")]);
    let reply = gateway.reload().await;
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(reply.status == 422 && text.contains("NO_SUCH_PROXY is not set"), "{text}");
    std::fs::write(scene.folder.path().join("proxy"), format!("http://user:{PASSWORD}@{}\n", free_address()))
        .expect("a file");
    let file = format!("{{ file = \"{}\" }}", scene.folder.path().join("proxy").display());
    gateway.edit(&[("{ env = \"NO_SUCH_PROXY\" }", &file)]);
    assert_eq!(gateway.reload().await.status, StatusCode::OK);
    let reply = gateway.send(&signed_by(1, "msg_2").to("/remote"), WIRE).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (503, "keys_unavailable"));
    assert_eq!((scene.publisher.requests(), scene.proxy.heads().len()), (1, 1), "no connection past the proxy");
    let output = gateway.output();
    assert!(!output.contains("of-the-proxy") && output.contains("kind=\"proxy\""), "{output}");
}

#[tokio::test]
async fn the_environment_sets_the_proxy_only_if_the_key_set_says_so() {
    let scene = Scene::new().await;
    let url = format!("http://{}", scene.proxy.address);
    let port = scene.publisher.port();
    for (environment, more, expected) in [
        (&[("HTTPS_PROXY", &*url)][..], "", 0),
        (&[("HTTPS_PROXY", &*url)], ", proxy = \"environment\"", 1),
        (&[("HTTPS_PROXY", &*url), ("NO_PROXY", "localhost")], ", proxy = \"environment\"", 0),
        (&[], ", proxy = \"environment\"", 0),
    ] {
        let before = scene.proxy.heads().len();
        let gateway = scene.start(environment, more).await;
        scene.is_verified_by(&gateway).await;
        assert_eq!(scene.proxy.heads().len() - before, expected, "{environment:?} {more} {port}");
    }
}
