//! The servers that are compared: what they are, and whether they do what they are measured for.

use std::error::Error;
use std::fmt::Debug;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::deliveries::{GATEWAY_BODY_LEN, Requests};
use crate::process::{Process, SERVER_CORE, free_port};
use crate::wire;

/// What tells the servers of one comparison apart.
pub trait Kind: Copy + Ord + Debug {
    /// As the table calls it.
    fn name(self) -> &'static str;

    /// Whether it has to refuse what is forged.
    fn verifies(self) -> bool;
}

/// One server that takes deliveries.
#[derive(Debug)]
pub struct Server<K> {
    kind: K,
    port: u16,
    /// It may have been started by somebody else.
    _process: Option<Process>,
}

impl<K: Kind> Server<K> {
    /// Starts a program on the server's core. It is given its port, and says in `folder` what it has to say.
    pub fn start(
        kind: K,
        program: &Path,
        folder: &Path,
        arguments: impl FnOnce(u16) -> Result<Vec<String>, Box<dyn Error>>,
    ) -> Result<Self, Box<dyn Error>> {
        let start = || {
            let port = free_port()?;
            let arguments = arguments(port)?;
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let log: PathBuf = folder.join(format!("{kind:?}.log"));
            let process = Process::start(SERVER_CORE, program, &arguments, log)?.ready(port)?;
            Ok(Self { kind, port, _process: Some(process) })
        };
        start().map_err(|error: Box<dyn Error>| format!("{}: {error}", kind.name()).into())
    }

    /// A server that runs already.
    pub fn running(kind: K, port: u16) -> Self {
        Self { kind, port, _process: None }
    }

    /// Which one it is.
    pub fn kind(&self) -> K {
        self.kind
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Makes sure that it does what it is measured for: takes what is genuine, and refuses what is
    /// forged if it is one of those that verify.
    pub(crate) fn check(&self) -> Result<(), Box<dyn Error>> {
        let genuine = Requests::signed_now(1, GATEWAY_BODY_LEN)[0].to_vec();
        let mut forged = Requests::signed_now(1, GATEWAY_BODY_LEN)[0].to_vec();
        // Within the padding, so that the body is an event still.
        let at = forged.len() - 10;
        forged[at] ^= 1;
        let refused = if self.kind.verifies() { 401 } else { 200 };
        for (what, request, expected) in [("genuine", genuine, 200), ("forged", forged, refused)] {
            let status = self.ask(&request)?;
            if status != expected {
                return Err(format!("{}: {status} for a {what} delivery, not {expected}", self.kind.name()).into());
            }
        }
        Ok(())
    }

    fn ask(&self, request: &[u8]) -> Result<u16, Box<dyn Error>> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(request)?;
        let (mut buffer, mut filled) = ([0; 16 * 1024], 0);
        loop {
            match stream.read(&mut buffer[filled..])? {
                0 => return Err(format!("{}: no answer", self.kind.name()).into()),
                read => filled += read,
            }
            if let Some(answer) = wire::response(&buffer[..filled])? {
                return Ok(answer.status);
            }
        }
    }
}
