use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;

use super::*;
use crate::config::{UpstreamScheme, UpstreamSpec};
use crate::upstream::Address;

/// What a lookup finds.
static FOUND: Mutex<Vec<SocketAddr>> = Mutex::new(Vec::new());
static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn spec(names: &[&str]) -> BalancingSpec {
    let upstream = names.iter().map(|name| UpstreamSpec {
        scheme: UpstreamScheme::Http,
        authority: name.parse().unwrap(),
        socket: None,
        path: String::new(),
    });
    BalancingSpec { upstream: upstream.collect(), tls: None, eject: EjectSpec::default(), health_check: None }
}

#[tokio::test(start_paused = true)]
async fn names_are_resolved_regularly_and_at_once_when_a_connection_fails() {
    let lookup: Lookup = |host, port| {
        Box::pin(async move {
            assert_eq!((host.as_str(), port), ("backend", 80));
            LOOKUPS.fetch_add(1, Relaxed);
            match FOUND.lock().unwrap().clone() {
                found if found.is_empty() => Err(io::Error::other("no such host")),
                found => Ok(found),
            }
        })
    };
    let upstreams = Arc::new(Upstreams::with_lookup(&spec(&["backend"]), None, &UpstreamCounts::default(), lookup));
    let running = tokio::spawn({
        let upstreams = Arc::clone(&upstreams);
        async move { upstreams.run().await }
    });
    // Whether the address has this port within some milliseconds. The time of Tokio passes while nothing else happens.
    let becomes = async |port: u16, within: u64| {
        let waiting = async {
            while !upstreams.addresses.load().iter().any(|upstream| upstream.address == Address::Ip(address(port))) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_millis(within), waiting).await.is_ok()
    };
    assert!(!becomes(1, 20_000).await);
    *FOUND.lock().unwrap() = vec![address(1)];
    assert!(becomes(1, 5_000).await);
    // An address stays in use while the name cannot be resolved.
    FOUND.lock().unwrap().clear();
    assert!(!becomes(2, 20_000).await && becomes(1, 1).await);
    *FOUND.lock().unwrap() = vec![address(2)];
    let failed = upstreams.next(b"msg_1", &[]).unwrap();
    upstreams.record(&failed, b"msg_1", UpstreamResult::ConnectFailed);
    assert!(becomes(2, 1_100).await);
    // Failures cause one lookup a second at most.
    let before = LOOKUPS.load(Relaxed);
    for _ in 0..1_000 {
        upstreams.record(&failed, b"msg_1", UpstreamResult::ConnectFailed);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let lookups = LOOKUPS.load(Relaxed) - before;
    assert!((8..=11).contains(&lookups), "{lookups}");
    running.abort();
}

#[test]
fn an_upstream_is_chosen_by_its_health_and_then_in_turn() {
    let upstreams = Upstreams::new(&spec(&["127.0.0.1:1", "127.0.0.1:2", "[::1]:3"]), None, &UpstreamCounts::default());
    let next = |tried: &[Arc<Upstream>]| {
        upstreams.next(b"msg_1", tried).map(|upstream| match upstream.address {
            Address::Ip(address) => address.port(),
            Address::Unix(_) => 0,
        })
    };
    let ports = |count: usize| {
        let mut ports: Vec<_> = (0..count).map(|_| next(&[]).unwrap()).collect();
        ports.sort_unstable();
        ports
    };
    assert_eq!(ports(6), [1, 1, 2, 2, 3, 3]);
    let all = upstreams.addresses.load_full();
    assert_eq!(next(&all), None);
    assert_eq!(next(&all[1..]), Some(1));
    // It failed this message last, so the others are better.
    upstreams.record(&all[0], b"msg_1", UpstreamResult::Timeout);
    assert!(!ports(6).contains(&1));
    // An unhealthy one is the worst choice, after one that is ejected.
    all[1].set_healthy(false);
    assert_eq!((ports(2), next(&all[2..])), (vec![3, 3], Some(1)));
    for _ in 0..2 {
        upstreams.record(&all[0], b"msg_2", UpstreamResult::Closed);
    }
    assert!(all[0].is_ejected());
    assert_eq!((ports(2), next(&all[2..])), (vec![3, 3], Some(1)));
    assert_eq!(next(&[Arc::clone(&all[0]), Arc::clone(&all[2])]), Some(2));
}

#[test]
fn addresses_are_counted_by_name() {
    let upstreams =
        Upstreams::new(&spec(&["127.0.0.1:1", "127.0.0.1:1", "nowhere:1"]), None, &UpstreamCounts::default());
    assert_eq!(upstreams.count(), 1);
    assert_eq!(upstreams.names(), "127.0.0.1:1, 127.0.0.1:1, nowhere:1");
    let census = upstreams.census();
    assert_eq!(census["127.0.0.1:1"], Census { addresses: 1, ejected: 0, unhealthy: 0 });
    assert_eq!(census["nowhere:1"], Census::default());
}
