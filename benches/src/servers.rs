//! The servers that are compared: what they are, and whether they do what they are measured for.

use std::error::Error;
use std::fmt::Debug;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign::clock::{Clock as _, SystemClock};

use crate::deliveries::Requests;
use crate::process::{Process, SERVER_CORE, free_port};
use crate::traffic::{Protocol, Traffic};
use crate::wire;

/// A server that has not delivered what it accepted after this time never will.
const MOST_LEFT: Duration = Duration::from_mins(1);

/// What tells the servers of one comparison apart.
pub trait Kind: Copy + Ord + Debug + 'static {
    /// As the table calls it.
    fn name(self) -> &'static str;

    /// Whether it must reject forged deliveries.
    fn verifies(self) -> bool;

    /// The cores that it runs on.
    fn cores(self) -> &'static str {
        SERVER_CORE
    }
}

/// One server that takes deliveries.
#[derive(Debug)]
pub struct Server<K> {
    kind: K,
    port: u16,
    /// The ports of other protocols than HTTP/1.1.
    others: Vec<(Protocol, u16)>,
    /// The admin port of a gateway that responds before it delivers.
    queue: Option<u16>,
    /// It may have been started by somebody else.
    process: Option<Process>,
}

impl<K: Kind> Server<K> {
    /// Starts a program on its cores. It is given its port, and says in `folder` what it has to say.
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
            let process = Process::start(kind.cores(), program, &arguments, log)?.ready(port)?;
            Ok(Self { kind, port, others: Vec::new(), queue: None, process: Some(process) })
        };
        start().map_err(|error: Box<dyn Error>| format!("{}: {error}", kind.name()).into())
    }

    /// A server that runs already.
    pub fn running(kind: K, port: u16) -> Self {
        Self { kind, port, others: Vec::new(), queue: None, process: None }
    }

    /// It serves this protocol on another port.
    #[must_use]
    pub fn also(mut self, protocol: Protocol, port: u16) -> Self {
        self.others.push((protocol, port));
        self
    }

    /// It responds before it delivers, and says on this admin port what is left to deliver.
    #[must_use]
    pub fn queueing(mut self, admin: u16) -> Self {
        self.queue = Some(admin);
        self
    }

    /// Whether it responds before it delivers.
    pub(crate) fn queues(&self) -> bool {
        self.queue.is_some()
    }

    /// Waits until all that it has accepted is delivered. Returns how long that took.
    pub(crate) fn delivered(&self) -> Result<Duration, Box<dyn Error>> {
        let start = SystemClock.instant();
        while let Some(admin) = self.queue
            && waiting(admin)? > 0
        {
            if SystemClock.instant().saturating_duration_since(start) > MOST_LEFT {
                return Err("it has not delivered everything in time".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(SystemClock.instant().saturating_duration_since(start))
    }

    /// Which one it is.
    pub fn kind(&self) -> K {
        self.kind
    }

    /// Its resident memory in KiB, now and at its most, if the bench started it. The children of a process do not count.
    pub fn resident_kib(&self) -> Result<Option<(u32, u32)>, Box<dyn Error>> {
        self.process.as_ref().map(Process::resident_kib).transpose()
    }

    /// The port for this protocol.
    pub(crate) fn port(&self, protocol: Protocol) -> u16 {
        self.others.iter().find(|(other, _)| *other == protocol).map_or(self.port, |(_, port)| *port)
    }

    /// The process id of the server, if the bench started it.
    pub(crate) fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Makes sure that the server accepts an authentic delivery, and that it rejects a forged one if it verifies.
    pub(crate) fn check(&self) -> Result<(), Box<dyn Error>> {
        let traffic = |forged| Traffic { forged, body_signature: true, ..Traffic::PLAIN };
        let delivery = |forged| Requests::signed_now(1, &traffic(forged))[0].to_vec();
        for (what, request, is_accepted) in
            [("an authentic", delivery(false), true), ("a forged", delivery(true), !self.kind.verifies())]
        {
            let status = self.ask(&request)?;
            // adnanh/webhook rejects with 500.
            if (200..300).contains(&status) != is_accepted {
                return Err(format!("{}: {status} for {what} delivery", self.kind.name()).into());
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
                0 => return Err(format!("{}: no response", self.kind.name()).into()),
                read => filled += read,
            }
            if let Some(response) = wire::response(&buffer[..filled])? {
                return Ok(response.status);
            }
        }
    }
}

/// How many deliveries the inbox of the gateway with this admin port has to make.
fn waiting(admin: u16) -> Result<u64, Box<dyn Error>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, admin))?;
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let mut counts = text
        .lines()
        .filter(|line| line.starts_with("countersign_inbox_deliveries{") && !line.contains("state=\"dead\""))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .peekable();
    counts.peek().ok_or("the gateway has no inbox")?;
    Ok(counts.sum())
}
