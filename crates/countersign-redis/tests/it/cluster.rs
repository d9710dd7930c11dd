//! A cluster, and a server that sentinels watch.

use std::time::Duration;

use countersign::replay::Claim;
use countersign_redis::{RedisStore, Weakness};
use countersign_test::redis_fleet::{RedisCluster, RedisSentinel};
use countersign_test::wait::{eventually, until};

use crate::support::{claim, handle, server};

#[tokio::test]
async fn ids_are_spread_over_a_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = RedisCluster::start(folder.path(), &["--appendfsync", "everysec"]).await;
    let store = RedisStore::cluster([cluster.nodes()[0].url()]).timeout(Duration::from_secs(10)).build().unwrap();
    for number in 0..100 {
        handle(&store, &format!("msg_{number}")).await;
    }
    for number in 0..100 {
        assert_eq!(claim(&store, &format!("msg_{number}")).await, Ok(Claim::Done));
    }
    let sizes = cluster.sizes();
    assert_eq!(sizes.iter().sum::<usize>(), 100);
    assert!(sizes.iter().all(|size| *size > 0), "each node has some of the ids: {sizes:?}");
    assert_eq!(store.check().await, Ok(vec![Weakness::LateSync("everysec".to_owned())]));
    let stats = store.stats();
    assert!(stats.ids == Some(100) && stats.memory > Some(1 << 20), "the sums over all nodes: {stats:?}");
}

#[tokio::test]
async fn the_store_follows_a_failover() {
    let (mut master, _files) = server(&[]).await;
    let (replica, _more_files) = server(&["--replicaof", "127.0.0.1", &master.address().port().to_string()]).await;
    let folder = tempfile::tempdir().unwrap();
    let sentinel = RedisSentinel::start(folder.path(), "main", master.address());
    let store = RedisStore::sentinels("main", [sentinel.url()]).build().unwrap();
    eventually("the sentinel knows the master", async || claim(&store, "msg_0").await.ok()).await;
    handle(&store, "msg_1").await;
    until("the replica has the id", async || replica.run(&["DBSIZE"]) == "2").await;
    until("the sentinel knows the replica", async || sentinel.knows("main", replica.address())).await;
    master.kill();
    let found = eventually("the replica is the new master", async || claim(&store, "msg_1").await.ok()).await;
    assert_eq!(found, Claim::Done);
    handle(&store, "msg_2").await;
}
