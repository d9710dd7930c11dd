use std::net::SocketAddr;
use std::process::{Child, Command};

use tokio::net::TcpStream;

use super::until;

/// A proxy in front of the gateway; it is stopped when this is dropped.
pub(crate) struct Front {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Front {
    /// Starts the proxy. Prints why and returns `None` if it is not installed.
    pub(crate) async fn start(program: &str, arguments: &[&str], address: SocketAddr) -> Option<Self> {
        let null = std::process::Stdio::null;
        // Debian installs servers in a folder that is not in every user's path.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let command = |program: &str| {
            let paths = std::env::split_paths(&path).map(|folder| folder.join(program));
            Command::new(paths.into_iter().find(|path| path.exists()).unwrap_or_else(|| program.into()))
        };
        let Ok(child) = command(program).args(arguments).stdout(null()).stderr(null()).spawn() else {
            eprintln!("skipped: {program} is not installed");
            return None;
        };
        let front = Self { child, address };
        until("the proxy listens", async || TcpStream::connect(address).await.is_ok()).await;
        Some(front)
    }
}
