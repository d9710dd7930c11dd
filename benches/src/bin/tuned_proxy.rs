//! `tuned_proxy PORT BACKEND_PORT`: pingora-proxy with the gateway's allocator and runtime, so that
//! what these are worth can be told apart from the rest.

use std::error::Error;

use countersign_benches::pass_through;
use mimalloc::MiMalloc;
use pingora_core::server::configuration::ServerConf;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    pass_through::run(ServerConf { work_stealing: false, ..ServerConf::default() })
}
