//! `backend PORT`: answers every request with the same 200, on one thread, as cheaply as it can.

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use countersign_benches::wire;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok";
/// Larger than the largest request, so that a request fits whole.
const BUFFER: usize = 32 * 1024;
const LISTENER: Token = Token(usize::MAX);

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).ok_or("usage: backend PORT")?.parse()?;
    let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(512);
    // A closed connection leaves its place empty, which is a few bytes.
    let mut connections: Vec<Option<Connection>> = Vec::new();
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                accept_all(&listener, &poll, &mut connections)?;
                continue;
            }
            let place = &mut connections[event.token().0];
            let open = place.as_mut().is_some_and(|connection| {
                connection.serve().inspect_err(|error| eprintln!("backend: {error}")).unwrap_or(false)
            });
            if !open {
                *place = None;
            }
        }
    }
}

fn accept_all(
    listener: &TcpListener,
    poll: &Poll,
    connections: &mut Vec<Option<Connection>>,
) -> Result<(), Box<dyn Error>> {
    loop {
        let mut stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        stream.set_nodelay(true)?;
        poll.registry().register(&mut stream, Token(connections.len()), Interest::READABLE)?;
        connections.push(Some(Connection { stream, buffer: vec![0; BUFFER], filled: 0 }));
    }
}

impl Connection {
    /// Answers what has come in. Returns whether more may come.
    fn serve(&mut self) -> Result<bool, Box<dyn Error>> {
        loop {
            let room = self.buffer.len() - self.filled;
            let read = match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Ok(false),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error.into()),
            };
            self.filled += read;
            while let Some(len) = wire::request_len(&self.buffer[..self.filled])? {
                self.stream.write_all(ANSWER)?;
                self.buffer.copy_within(len..self.filled, 0);
                self.filled -= len;
            }
            // Less than there was room for is all there was: the next bytes make an event of their own.
            if read < room {
                return Ok(true);
            }
        }
    }
}
