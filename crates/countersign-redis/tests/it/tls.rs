//! Servers that require TLS.

use std::fs;

use countersign::replay::Claim;
use countersign_redis::RedisStore;
use countersign_test::process::free_address;
use countersign_test::redis_server::RedisServer;
use countersign_test::tls::Authority;
use countersign_test::wait::until;

use crate::support::{claim, handle};

#[tokio::test]
async fn a_store_trusts_only_its_certificate_authority() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (chain, private) = authority.issue(&["localhost"]);
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (chain, private, ca) = (file("chain", &chain), file("key", &private), file("ca", &authority.pem()));
    let port = free_address().port().to_string();
    let tls = ["--tls-cert-file", &chain, "--tls-key-file", &private, "--tls-ca-cert-file", &ca];
    let options = [&["--tls-port", &port, "--tls-auth-clients", "no"], &tls[..]].concat();
    let _server = RedisServer::start(folder.path(), &options).await;

    let url = format!("rediss://localhost:{port}");
    let store = RedisStore::builder(&url).ca(authority.pem()).build().unwrap();
    until("the server responds", async || store.check().await.is_ok()).await;
    handle(&store, "msg_1").await;
    assert_eq!(claim(&store, "msg_1").await, Ok(Claim::Done));

    let stranger = RedisStore::builder(&url).ca(Authority::new().pem()).build().unwrap();
    assert!(claim(&stranger, "msg_2").await.is_err());
}
