//! A connection of the load generator, in plain text or with TLS.

use std::error::Error;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// A connection that never blocks. What is written fits into the buffers of its socket.
#[derive(Debug)]
pub struct Channel {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Channel {
    /// Connects, and begins the handshake if there is TLS. What is written before its end follows it.
    pub fn open(
        address: SocketAddr,
        tls: Option<&Arc<ClientConfig>>,
        registry: &Registry,
        token: Token,
    ) -> Result<Self, Box<dyn Error>> {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE)?;
        let connection = |tls: &Arc<ClientConfig>| -> Result<_, Box<dyn Error>> {
            Ok(Box::new(ClientConnection::new(Arc::clone(tls), ServerName::try_from("localhost")?)?))
        };
        let mut channel = Self { stream, tls: tls.map(connection).transpose()? };
        channel.flush()?;
        Ok(channel)
    }

    /// Writes two parts, in one system call if there is no TLS. The send buffer is empty, so it has room for both.
    pub fn write_both(&mut self, first: &[u8], second: &[u8]) -> io::Result<()> {
        if self.tls.is_some() {
            return self.write(&[first, second].concat());
        }
        let written = self.stream.write_vectored(&[IoSlice::new(first), IoSlice::new(second)])?;
        self.stream.write_all(first.get(written..).unwrap_or_default())?;
        self.stream.write_all(&second[written.saturating_sub(first.len())..])
    }

    /// Writes all of it.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return self.stream.write_all(bytes) };
        tls.writer().write_all(bytes)?;
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut self.stream)?;
            }
        }
        Ok(())
    }

    /// Reads what has arrived, as [`Read::read`].
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(tls) = &mut self.tls else { return self.stream.read(buffer) };
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The end of the stream without an announcement.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                outcome => return outcome,
            }
            if tls.read_tls(&mut self.stream)? == 0 {
                return Ok(0);
            }
            tls.process_new_packets().map_err(io::Error::other)?;
            self.flush()?;
        }
    }
}
