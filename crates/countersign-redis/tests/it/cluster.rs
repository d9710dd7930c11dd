//! A cluster, and a server that sentinels watch.

use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use countersign::replay::Claim;
use countersign_redis::{RedisStore, Weakness};
use countersign_test::process::{Process, free_address};
use countersign_test::wait::{eventually, until};

use crate::support::{claim, handle, server};

#[tokio::test]
async fn ids_are_spread_over_a_cluster() {
    let options = ["--cluster-enabled", "yes", "--appendfsync", "everysec"];
    let nodes = [server(&options).await, server(&options).await, server(&options).await];
    let slots = ["0", "5460", "5461", "10922", "10923", "16383"];
    for ((node, _), range) in nodes.iter().zip(slots.chunks(2)) {
        node.run(&["CLUSTER", "ADDSLOTSRANGE", range[0], range[1]]);
        for (other, _) in &nodes {
            node.run(&["CLUSTER", "MEET", "127.0.0.1", &other.address().port().to_string()]);
        }
    }
    until("the cluster is up", async || {
        nodes.iter().all(|(node, _)| node.run(&["CLUSTER", "INFO"]).contains("cluster_state:ok"))
    })
    .await;

    let store = RedisStore::cluster([nodes[0].0.url()]).timeout(Duration::from_secs(10)).build().unwrap();
    for number in 0..100 {
        handle(&store, &format!("msg_{number}")).await;
    }
    for number in 0..100 {
        assert_eq!(claim(&store, &format!("msg_{number}")).await, Ok(Claim::Done));
    }
    let sizes: Vec<usize> = nodes.iter().map(|(node, _)| node.run(&["DBSIZE"]).parse().unwrap()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 100);
    assert!(sizes.iter().all(|size| *size > 0), "each node has some of the ids: {sizes:?}");
    assert_eq!(store.check().await, Ok(vec![Weakness::LateSync("everysec".to_owned())]));
}

fn sentinel(address: SocketAddr, file: &std::path::Path, master: SocketAddr) -> Process {
    let (port, master) = (address.port(), master.port());
    let text = format!(
        "port {port}\nsentinel monitor main 127.0.0.1 {master} 1\nsentinel down-after-milliseconds main 500\n\
         sentinel failover-timeout main 3000\n"
    );
    fs::write(file, text).unwrap();
    Process::spawn(Command::new("redis-server").arg(file).arg("--sentinel").stdin(Stdio::null()).stdout(Stdio::null()))
}

#[tokio::test]
async fn the_store_follows_a_failover() {
    let (mut master, _files) = server(&[]).await;
    let (replica, _more_files) = server(&["--replicaof", "127.0.0.1", &master.address().port().to_string()]).await;
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let _sentinel = sentinel(address, &folder.path().join("sentinel"), master.address());
    let store = RedisStore::sentinels("main", [format!("redis://{address}")]).build().unwrap();
    eventually("the sentinel knows the master", async || claim(&store, "msg_0").await.ok()).await;
    handle(&store, "msg_1").await;
    until("the replica has the id", async || replica.run(&["DBSIZE"]) == "2").await;
    until("the sentinel knows the replica", async || {
        let port = address.port().to_string();
        let output = Command::new("redis-cli").args(["-p", &port, "SENTINEL", "REPLICAS", "main"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).contains(&replica.address().port().to_string())
    })
    .await;
    master.kill();
    let found = eventually("the replica is the new master", async || claim(&store, "msg_1").await.ok()).await;
    assert_eq!(found, Claim::Done);
    handle(&store, "msg_2").await;
}
