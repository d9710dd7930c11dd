//! Servers with TLS.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use countersign::replay::Claim;
use countersign_postgres::{PostgresStore, schema};
use countersign_test::postgres_server::PostgresServer;
use countersign_test::tls::Authority;

use crate::support::{PATIENCE, claim, handle};

#[tokio::test]
async fn a_store_trusts_only_its_certificate_authority() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let server = PostgresServer::start(folder.path(), &[]).await;
    server.run(&schema());
    let (chain, private) = authority.issue(&["localhost"]);
    for (name, text) in [("server.crt", &chain), ("server.key", &private)] {
        let path = folder.path().join("data").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let owner = fs::metadata(folder.path().join("data")).map(|data| std::os::unix::fs::MetadataExt::uid(&data));
        chown(&path, owner.ok(), None).unwrap();
    }
    server.run("ALTER SYSTEM SET ssl = on");
    let server = server.restart().await;

    let url = format!("postgres://postgres@localhost:{}/postgres?sslmode=require", server.address().port());
    let store = PostgresStore::builder(&url).ca(authority.pem()).timeout(PATIENCE).build().unwrap();
    handle(&store, "msg_1").await;
    assert_eq!(claim(&store, "msg_1").await, Ok(Claim::Done));
    let query = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                 WHERE application_name = 'countersign'";
    assert_eq!(server.run(query), "t");

    let stranger = PostgresStore::builder(&url).ca(Authority::new().pem()).build().unwrap();
    assert!(claim(&stranger, "msg_2").await.is_err());
}
