//! What the store reports about a server's settings.

use countersign::replay::StoreErrorKind;
use countersign_redis::{RedisStore, Weakness};

use crate::support::server;

async fn weaknesses(options: &[&str]) -> Vec<Weakness> {
    let (server, _folder) = server(options).await;
    RedisStore::builder(server.url()).build().unwrap().check().await.unwrap()
}

#[tokio::test]
async fn a_server_that_keeps_ids_has_none() {
    assert_eq!(weaknesses(&["--maxmemory", "64mb", "--maxmemory-policy", "noeviction"]).await, []);
}

#[tokio::test]
async fn settings_that_lose_ids_are_reported() {
    let found = weaknesses(&["--appendfsync", "everysec"]).await;
    assert_eq!(found, [Weakness::LateSync("everysec".to_owned())]);
    assert!(found[0].to_string().contains("set `appendfsync always`"));
    let found = weaknesses(&["--appendonly", "no", "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"]).await;
    assert_eq!(found, [Weakness::NotPersistent, Weakness::Evicts("allkeys-lru".to_owned())]);
}

/// Without a memory limit, a server evicts nothing.
#[tokio::test]
async fn an_eviction_policy_without_a_limit_is_not_reported() {
    assert_eq!(weaknesses(&["--maxmemory", "0", "--maxmemory-policy", "allkeys-lru"]).await, []);
}

#[tokio::test]
async fn settings_that_may_not_be_read_are_reported() {
    let (server, _folder) = server(&[]).await;
    server.run(&["ACL", "SETUSER", "gateway", "on", ">secret", "~*", "+@all", "-config"]);
    let url = format!("redis://gateway:secret@{}", server.address());
    let found = RedisStore::builder(url).build().unwrap().check().await.unwrap();
    assert!(matches!(&found[..], [Weakness::Unknown(_)]), "{found:?}");
}

#[tokio::test]
async fn a_wrong_password_is_an_error() {
    let (server, _folder) = server(&["--requirepass", "secret", "--protected-mode", "no"]).await;
    let store = RedisStore::builder(format!("redis://:wrong@{}", server.address())).build().unwrap();
    assert_eq!(store.check().await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    let store = RedisStore::builder(format!("redis://:secret@{}", server.address())).build().unwrap();
    assert_eq!(store.check().await.unwrap(), []);
}

#[test]
fn addresses_are_checked_when_the_store_is_built() {
    assert!(RedisStore::builder("http://127.0.0.1").build().is_err());
    assert!(RedisStore::sentinels("main", Vec::<String>::new()).build().is_err());
    assert!(!format!("{:?}", RedisStore::builder("redis://:secret@127.0.0.1")).contains("secret"));
}
