//! TCP sockets that listen. The kernel spreads connections over the sockets of one address by a hash (`SO_REUSEPORT`).

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use super::BACKLOG;

/// Binds this many sockets that listen on one address together.
///
/// The first is bound alone, so that an address in use is an error even if the other process allows sharing.
pub(super) fn bind(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    let first = bind_one(address, false)?;
    first.set_reuse_port(true)?;
    let first = TcpListener::from(first);
    let address = first.local_addr()?;
    let rest = (1..count).map(|_| bind_one(address, true).map(TcpListener::from));
    std::iter::once(Ok(first)).chain(rest).collect()
}

fn bind_one(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shared_within_the_process_and_with_nobody_else() {
        let any = "127.0.0.1:0".parse().unwrap();
        let ours = bind(any, 3).unwrap();
        let address = ours[0].local_addr().unwrap();
        assert!(ours.iter().all(|socket| socket.local_addr().unwrap() == address));
        for count in [1, 2] {
            let error = bind(address, count).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        }
        drop(ours);
        assert_eq!(bind(address, 2).unwrap().len(), 2);
    }
}
