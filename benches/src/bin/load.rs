//! `load PORT CONNECTIONS MILLISECONDS [awake]`: sends signed deliveries to a server on this machine, each
//! once, over connections that stay open, the next when the last was answered. `awake`, it does not sleep while it waits: a core of its own
//! is what that takes, and then no server pays for waking it.
//!
//! Prints a [`Measurement`] as JSON; fails if any answer is not a 2xx.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use countersign::{Clock, SystemClock};
use countersign_benches::deliveries::{GATEWAY_BODY_LEN, Requests};
use countersign_benches::measurement::Measurement;
use countersign_benches::spread::nearest_rank;
use countersign_benches::wire;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// More than a service on one core answers; a faster server ends the run early.
const PREPARED_A_SECOND: u64 = 200_000;
/// A server that does not answer within this time has lost the request.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let awake = arguments.pop_if(|last| last == "awake").is_some();
    let numbers: Vec<u64> = arguments.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    let [port, connections, millis] = numbers[..] else {
        return Err("usage: load PORT CONNECTIONS MILLISECONDS [awake]".into());
    };
    let requests = Requests::signed_now(PREPARED_A_SECOND * millis / 1000, GATEWAY_BODY_LEN);
    let measurement =
        Load::connect(u16::try_from(port)?, connections, &requests)?.run(Duration::from_millis(millis), awake)?;
    println!("{}", serde_json::to_string(&measurement)?);
    if measurement.all_succeeded() { Ok(()) } else { Err("not every answer was a 2xx".into()) }
}

/// The connections, and what is sent over them.
struct Load<'r> {
    poll: Poll,
    connections: Vec<Connection>,
    requests: std::slice::Iter<'r, Box<[u8]>>,
    in_flight: usize,
    statuses: BTreeMap<u16, u64>,
    latencies: Vec<Duration>,
}

struct Connection {
    stream: TcpStream,
    sent: Instant,
    buffer: Vec<u8>,
    filled: usize,
}

impl<'r> Load<'r> {
    fn connect(port: u16, connections: u64, requests: &'r Requests) -> Result<Self, Box<dyn Error>> {
        let poll = Poll::new()?;
        let mut open = Vec::new();
        for number in 0..connections {
            let stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(usize::try_from(number)?), Interest::READABLE)?;
            open.push(Connection { stream, sent: SystemClock.instant(), buffer: vec![0; 16 * 1024], filled: 0 });
        }
        Ok(Self {
            poll,
            connections: open,
            requests: requests.iter(),
            in_flight: 0,
            statuses: BTreeMap::new(),
            latencies: Vec::with_capacity(requests.len()),
        })
    }

    fn run(mut self, time: Duration, awake: bool) -> Result<Measurement, Box<dyn Error>> {
        let start = SystemClock.instant();
        for number in 0..self.connections.len() {
            self.send(number, start)?;
        }
        let mut events = Events::with_capacity(512);
        let mut now = start;
        while self.in_flight > 0 {
            self.poll.poll(&mut events, Some(if awake { Duration::ZERO } else { PATIENCE }))?;
            if events.is_empty() {
                if awake && SystemClock.instant() - now < PATIENCE {
                    continue;
                }
                return Err(format!("{} requests were not answered", self.in_flight).into());
            }
            for event in &events {
                let number = event.token().0;
                let Some(status) = self.connections[number].receive()? else { continue };
                now = SystemClock.instant();
                self.in_flight -= 1;
                *self.statuses.entry(status).or_default() += 1;
                self.latencies.push(now - self.connections[number].sent);
                if now - start < time {
                    self.send(number, now)?;
                }
            }
        }
        Ok(self.measurement(now - start))
    }

    fn send(&mut self, number: usize, now: Instant) -> Result<(), Box<dyn Error>> {
        let Some(request) = self.requests.next() else { return Ok(()) };
        let connection = &mut self.connections[number];
        connection.sent = now;
        // It has been answered, so its send buffer is empty and takes a small request whole.
        connection.stream.write_all(request)?;
        self.in_flight += 1;
        Ok(())
    }

    fn measurement(mut self, taken: Duration) -> Measurement {
        self.latencies.sort_unstable();
        let micros = |percent| nearest_rank(&self.latencies, percent).as_secs_f64() * 1e6;
        let answers = f64::from(u32::try_from(self.latencies.len()).unwrap_or(u32::MAX));
        Measurement {
            requests_per_second: answers / taken.as_secs_f64(),
            p50_micros: micros(50),
            p99_micros: micros(99),
            statuses: self.statuses,
        }
    }
}

impl Connection {
    /// Reads what is there, and returns the answer's status once it is complete.
    fn receive(&mut self) -> Result<Option<u16>, Box<dyn Error>> {
        loop {
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            if let Some(answer) = wire::response(&self.buffer[..self.filled])? {
                if answer.len != self.filled {
                    return Err("more bytes came than the answer has".into());
                }
                self.filled = 0;
                return Ok(Some(answer.status));
            }
        }
    }
}
