//! The gateway, with a source and a route for each sender.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;

use axum::body::Body;
use countersign_gateway::{config::Config, log::Log, process};
use countersign_test::process::free_address;
use countersign_test::wait::until;
use http::Request;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::receiver::{Received, send};

pub(crate) struct Gateway {
    address: SocketAddr,
}

impl Gateway {
    /// It runs until the test's process ends.
    pub(crate) async fn start(sent: &BTreeMap<&str, (String, Received)>, backend: &str) -> Self {
        let (folder, address) = (TempDir::new().expect("a folder"), free_address());
        let mut text = format!("[server]\nlisten = [\"{address}\"]\n");
        for (name, (secret, _)) in sent {
            let file = folder.path().join(name);
            fs::write(&file, secret).expect("a file can be written");
            let _ = write!(
                text,
                "\n[sources.{name}]\npreset = \"{name}\"\nsecrets = [{{ file = \"{}\" }}]\n\
                 \n[[routes]]\npath = \"/in/{name}\"\nsource = \"{name}\"\nupstream = [\"{backend}\"]\n",
                file.display()
            );
        }
        let config = folder.path().join("gateway.toml");
        fs::write(&config, text).expect("a file can be written");
        let config = Config::load(&config).expect("a valid configuration");
        std::thread::spawn(move || process::run(&config, &Log::default()).expect("the gateway runs"));
        until("the gateway listens", async || TcpStream::connect(address).await.is_ok()).await;
        Self { address }
    }

    /// Sends what was received, and returns the status.
    pub(crate) async fn deliver(&self, path: &str, received: &Received) -> u16 {
        let mut request = Request::post(format!("http://{}{path}", self.address));
        for (name, value) in &received.headers {
            if name.starts_with("webhook-") || name.starts_with("svix-") {
                request = request.header(name, value);
            }
        }
        send(request.body(Body::from(received.body.clone())).expect("a request")).await
    }
}
