//! `bare_proxy PORT BACKEND_PORT`: pingora-proxy passing everything through, on one thread. It
//! verifies nothing: it is what the gateway's requests a second are held against.

use std::env::args;
use std::error::Error;

use async_trait::async_trait;
use mimalloc::MiMalloc;
use pingora_core::server::Server;
use pingora_core::server::configuration::{Opt, ServerConf};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

/// The gateway's allocator, so that the difference is not the allocator's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

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

fn main() -> Result<(), Box<dyn Error>> {
    let ports: Vec<u16> = args().skip(1).map(|text| text.parse()).collect::<Result<_, _>>()?;
    let [port, backend] = ports[..] else { return Err("usage: bare_proxy PORT BACKEND_PORT".into()) };
    let conf =
        ServerConf { threads: 1, work_stealing: false, upstream_keepalive_pool_size: 512, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None::<Opt>, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, PassThrough { backend });
    service.add_tcp(&format!("127.0.0.1:{port}"));
    server.add_service(service);
    server.run_forever();
}
