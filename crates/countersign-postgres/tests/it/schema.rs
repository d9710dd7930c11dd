//! The tables, and what the store reports about a server.

use std::error::Error;

use countersign::replay::Claim;
use countersign_postgres::{PostgresStore, Weakness, schema};
use countersign_test::postgres_server::PostgresServer;

use crate::support::{claim, handle, server, store};

fn cause(error: &dyn Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

#[tokio::test]
async fn tables_are_created_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = PostgresServer::start(folder.path(), &[]).await;
    let stores = [store(&server), store(&server)];
    let missing = stores[0].check().await.unwrap_err();
    assert!(cause(&missing).contains("no tables"), "{}", cause(&missing));
    let (one, other) = tokio::join!(stores[0].migrate(), stores[1].migrate());
    assert_eq!((one, other), (Ok(()), Ok(())));
    assert_eq!(stores[0].check().await, Ok(vec![]));
    handle(&stores[0], "msg_1").await;
    stores[0].migrate().await.unwrap();
    assert_eq!(server.run("SELECT key FROM countersign_claim WHERE done"), "source msg_1");

    server.run("UPDATE countersign_schema SET version = version + 1");
    stores[0].migrate().await.unwrap();
    let newer = stores[0].check().await.unwrap_err();
    assert!(cause(&newer).contains("update the program"), "{}", cause(&newer));
}

/// The tables as version 0.1 created them, with a claim.
#[tokio::test]
async fn tables_of_version_1_are_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let server = PostgresServer::start(folder.path(), &[]).await;
    server.run(include_str!("version_1.sql"));
    let store = store(&server);
    let older = store.check().await.unwrap_err();
    assert!(cause(&older).contains("have version 1, and this program needs version 2"), "{}", cause(&older));
    assert_eq!(claim(&store, "msg_1").await, Ok(Claim::Done), "claims work before the migration");
    store.migrate().await.unwrap();
    assert_eq!(store.check().await, Ok(vec![]));
    assert_eq!(claim(&store, "msg_1").await, Ok(Claim::Done));
    let tables = "SELECT string_agg(format('%s %s %s %s', table_name, column_name, data_type, is_nullable), E'\\n' \
                  ORDER BY table_name, column_name) FROM information_schema.columns WHERE table_schema = '{}'";
    server.run(&format!("CREATE SCHEMA printed; SET search_path = printed; {}", schema()));
    let found = |namespace: &str| server.run(&tables.replace("{}", namespace));
    assert_eq!(found("public"), found("printed"));
    assert_eq!(found("public").lines().count(), 27);
}

#[tokio::test]
async fn settings_that_lose_ids_are_reported() {
    let (server, _folder) = server(&["synchronous_commit=off", "fsync=off"]).await;
    let found = store(&server).check().await;
    assert_eq!(found, Ok(vec![Weakness::AsynchronousCommit, Weakness::NoSync]));
}

#[test]
fn settings_are_checked_when_the_store_is_built() {
    let build = |url: &str, ca: &str| PostgresStore::builder(url).ca(ca).build();
    assert!(build("http://127.0.0.1", "").is_err());
    assert!(build("postgres://127.0.0.1", "no certificate").is_err());
    assert!(!format!("{:?}", PostgresStore::builder("postgres://u:secret@127.0.0.1")).contains("secret"));
}
