//! `bare_proxy PORT BACKEND_PORT`: pingora-proxy as it comes, on one thread. It verifies nothing: it is
//! the reference.

use std::error::Error;

use countersign_benches::pass_through;
use pingora_core::server::configuration::ServerConf;

fn main() -> Result<(), Box<dyn Error>> {
    pass_through::run(ServerConf::default())
}
