//! Several Redis servers: a cluster, and sentinels that watch one.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::{Process, free_address};
use crate::redis_server::RedisServer;
use crate::wait::until;

/// The first and the last slot of each node.
const SLOTS: [[&str; 2]; 3] = [["0", "5460"], ["5461", "10922"], ["10923", "16383"]];

/// A cluster of three nodes without replicas.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts the nodes with their files in `folder`, with these options of the command line.
    pub async fn start(folder: &Path, options: &[&str]) -> Self {
        let (mut nodes, mut buses) = (Vec::new(), Vec::new());
        for number in 0..SLOTS.len() {
            let folder = folder.join(number.to_string());
            fs::create_dir(&folder).expect("a folder");
            // By default it is the other port and 10000, which not every port has.
            let bus = free_address().port().to_string();
            let cluster = ["--cluster-enabled", "yes", "--cluster-port", &bus];
            nodes.push(RedisServer::start(&folder, &[&cluster, options].concat()).await);
            buses.push(bus);
        }
        for (node, [first, last]) in nodes.iter().zip(SLOTS) {
            node.run(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
            for (other, bus) in nodes.iter().zip(&buses) {
                node.run(&["CLUSTER", "MEET", "127.0.0.1", &other.address().port().to_string(), bus]);
            }
        }
        let is_up = |node: &RedisServer| node.run(&["CLUSTER", "INFO"]).contains("cluster_state:ok");
        until("the cluster is up", async || nodes.iter().all(is_up)).await;
        Self { nodes }
    }

    /// Its nodes.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// How many keys each node has.
    pub fn sizes(&self) -> Vec<usize> {
        self.nodes.iter().map(|node| node.run(&["DBSIZE"]).parse().expect("a number")).collect()
    }
}

/// A sentinel that replaces a server on its own decision, half a second after it stopped responding.
#[derive(Debug)]
pub struct RedisSentinel {
    address: SocketAddr,
    _process: Process,
}

impl RedisSentinel {
    /// Watches this server under this name.
    pub fn start(folder: &Path, name: &str, master: SocketAddr) -> Self {
        let (address, file) = (free_address(), folder.join("sentinel.conf"));
        let text = format!(
            "port {}\nbind 127.0.0.1\nsentinel monitor {name} 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds {name} 500\nsentinel failover-timeout {name} 3000\n",
            address.port(),
            master.port()
        );
        fs::write(&file, text).expect("a file");
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel").stdin(Stdio::null()).stdout(Stdio::null());
        Self { address, _process: Process::spawn(&mut command) }
    }

    /// Its address for clients.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Whether it knows this server as a replica of the one with this name.
    pub fn knows(&self, name: &str, replica: SocketAddr) -> bool {
        let port = self.address.port().to_string();
        let output =
            Command::new("redis-cli").args(["-p", &port, "SENTINEL", "REPLICAS", name]).output().expect("redis-cli");
        String::from_utf8_lossy(&output.stdout).contains(&replica.port().to_string())
    }
}
