//! pingora-proxy passing everything through: what the gateway's requests a second are held against.

use std::env::args;
use std::error::Error;

use async_trait::async_trait;
use pingora_core::server::Server;
use pingora_core::server::configuration::{Opt, ServerConf};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

struct PassThrough {
    backend: u16,
}

#[async_trait]
impl ProxyHttp for PassThrough {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> pingora_core::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(("127.0.0.1", self.backend), false, String::new())))
    }
}

/// Serves on one thread, on the port that is the first argument, for the backend that is the second.
pub fn run(conf: ServerConf) -> Result<(), Box<dyn Error>> {
    let ports: Vec<u16> = args().skip(1).map(|text| text.parse()).collect::<Result<_, _>>()?;
    let [port, backend] = ports[..] else { return Err("two arguments: PORT BACKEND_PORT".into()) };
    let conf = ServerConf { threads: 1, upstream_keepalive_pool_size: 512, ..conf };
    let mut server = Server::new_with_opt_and_conf(None::<Opt>, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, PassThrough { backend });
    service.add_tcp(&format!("127.0.0.1:{port}"));
    server.add_service(service);
    server.run_forever();
}
