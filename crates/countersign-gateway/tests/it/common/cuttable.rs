use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

/// A wire to a server, which can be cut: all its connections end then, and new ones are possible.
pub(crate) struct Cuttable {
    address: SocketAddr,
    cut: Arc<Notify>,
    accepting: JoinHandle<()>,
}

impl Cuttable {
    /// A wire to this server.
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (address, cut) = (listener.local_addr().expect("a bound listener"), Arc::new(Notify::new()));
        let cutting = Arc::clone(&cut);
        let accepting = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let cut = Arc::clone(&cutting);
                open.spawn(async move {
                    let Ok(mut server) = TcpStream::connect(server).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        () = cut.notified() => {}
                    }
                });
            }
        });
        Self { address, cut, accepting }
    }

    /// Where it begins.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all connections.
    pub(crate) fn cut(&self) {
        self.cut.notify_waiters();
    }
}

impl Drop for Cuttable {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
