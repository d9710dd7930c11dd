//! The number of allocations for a forwarded delivery.
//!
//! A binary of its own: `allocation-counter` replaces the global allocator of the program that links it, and the other
//! tests should run with the allocator of the gateway.

#![expect(clippy::expect_used, reason = "a test that cannot set up its case has to fail")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use countersign::clock::{Clock, SystemClock};
use countersign_gateway::config::Config;
use countersign_gateway::connection::Address;
use countersign_gateway::lifecycle::Lifecycle;
use countersign_gateway::log::Log;
use countersign_gateway::serve::{Preamble, Server, Slots, Socket};
use countersign_gateway::services::{Environment, Services};
use countersign_gateway::state::{State, Surroundings};
use countersign_test::delivery::Delivery;
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::TaskTracker;

const SECRET: &str = "whsec_ZWRLvP0xlU2qvMeLqzFlN4QGHbsOADai";
/// The maximum number of allocations for each forwarded delivery.
const LIMIT: u64 = 12;

/// On the path of a delivery, these allocate: the header map of the request (2) and of the response (2); the extensions
/// of the request, with its connection (3) and the verified request (1); the future that outlives the sender (1); the
/// future that forwards (1); the report to the ledger (1); and the id that the store holds (1). Buffers are used again.
#[test]
fn a_forwarded_delivery_needs_few_allocations() {
    let gateway = Gateway::before(backend());
    // The first deliveries open connections, and make tables and buffers grow.
    gateway.allocations_of(2000);
    let few = gateway.allocations_of(200);
    let many = gateway.allocations_of(1200);
    // Now and then the store allocates a piece of memory for many ids.
    let each = (many - few).div_euclid(1000);
    assert!(each <= LIMIT, "{few} allocations for 200 deliveries, {many} for 1200");
}

/// A backend that responds to each request with 200, on a thread of its own.
fn backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut stream = stream.expect("a connection");
                let mut read = [0; 4096];
                while stream.read(&mut read).is_ok_and(|length| length > 0) {
                    let response = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok";
                    stream.write_all(response).expect("it reads");
                }
            });
        }
    });
    address
}

/// The gateway, on the thread of the test.
struct Gateway {
    runtime: Runtime,
    server: Arc<Server<countersign_gateway::gateway::Gateway>>,
    slots: Arc<Slots>,
}

impl Gateway {
    fn before(backend: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("secret"), SECRET).expect("a file");
        let text = format!(
            "[server]\nlisten = [\"127.0.0.1:1\"]\n[sources.test]\nsecrets = [{{ file = \"secret\" }}]\n\
             [[routes]]\npath = \"/hook\"\nsource = \"test\"\nupstream = [\"http://{backend}\"]\n"
        );
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, text).expect("a file");
        let config = Config::load(&file).expect("a valid configuration");
        let slots = Slots::new(10);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let surroundings = Surroundings { slots: &slots, log: &Log::default(), clock: &clock };
        let state = State::build(&config, None, surroundings);
        let state = state.expect("usable secrets");
        let environment = Environment {
            log: &Log::default(),
            clock: Arc::new(SystemClock),
            lifecycle: &Lifecycle::default(),
            upstream_connections: 10,
            reload: countersign_gateway::reload::channel().0,
            is_admin_local: false,
        };
        let Services { gateway, .. } = Services::build(&config, &state, environment);
        let tasks = TaskTracker::new();
        let server = Server::new(gateway, |_, _| {}, config.server.timeouts(), &state.budget, &tasks);
        let server = Arc::new(server.accelerate(state.metrics.counts().accelerated()));
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, server, slots }
    }

    /// Serves a connection with this many deliveries.
    fn allocations_of(&self, deliveries: usize) -> u64 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = listener.local_addr().expect("an address");
        let sender = thread::spawn(move || send(address, deliveries));
        let (stream, peer) = listener.accept().expect("a connection");
        let counted = allocation_counter::measure(|| {
            self.runtime.block_on(async {
                stream.set_nonblocking(true).expect("a socket");
                let stream = tokio::net::TcpStream::from_std(stream).expect("a socket");
                let slot = self.slots.take().expect("a slot");
                Arc::clone(&self.server)
                    .serve(Socket::Tcp(stream), Address::Ip(peer.ip()), Preamble::default(), slot)
                    .await;
            });
        });
        sender.join().expect("every delivery was forwarded");
        counted.count_total
    }
}

/// Sends deliveries one after the other. Each must be forwarded.
fn send(address: SocketAddr, deliveries: usize) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    for number in 0..deliveries {
        let delivery = Delivery::signed([SECRET], 0, &format!("msg_{deliveries}_{number}"), r#"{"type":"a.b"}"#);
        stream.write_all(&delivery.bytes()).expect("it reads");
        let mut read = [0; 4096];
        let length = stream.read(&mut read).expect("a response");
        let response = String::from_utf8_lossy(&read[..length]);
        assert!(response.starts_with("HTTP/1.1 200 OK") && response.ends_with("\r\n\r\nok"), "{response}");
    }
}
