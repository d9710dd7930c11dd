//! `load PORT PLAN`: sends signed deliveries to a server on this machine, each once. `PLAN` is a [`Plan`] as JSON.
//!
//! Prints a [`Measurement`] as JSON. Fails if a response has an unexpected status.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::clock::{Clock, SystemClock};
use countersign_benches::channel::Channel;
use countersign_benches::deliveries::{Request, Requests};
use countersign_benches::measurement::Measurement;
use countersign_benches::traffic::{Connections, Plan, Writes};
use countersign_benches::{tls, wire};
use mio::{Events, Poll, Registry, Token, Waker};
use rustls::ClientConfig;

/// A server that does not respond within this time has lost the request.
const PATIENCE: Duration = Duration::from_secs(5);
const DUE: Token = Token(usize::MAX);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, plan] = &arguments[..] else { return Err("usage: load PORT PLAN".into()) };
    let plan: Plan = serde_json::from_str(plan)?;
    let count = u64::from(plan.traffic.prepared_per_second) * u64::from(plan.millis) / 1000;
    let requests = Requests::signed_now(u32::try_from(count)?, &plan.traffic);
    let measurement = Load::connect(port.parse()?, plan, &requests)?.run()?;
    println!("{}", serde_json::to_string(&measurement)?);
    if measurement.responses() > 0 && measurement.statuses.keys().all(|&status| plan.traffic.expects(status)) {
        Ok(())
    } else {
        Err("a response has an unexpected status".into())
    }
}

/// The connections, and the requests that are sent on them.
struct Load<'r> {
    plan: Plan,
    poll: Poll,
    connections: Vec<Connection>,
    idle: Vec<usize>,
    requests: std::slice::Iter<'r, Request>,
    /// Connections that still have to send a body.
    bodies: Vec<(usize, &'r Request)>,
    in_flight: usize,
    statuses: BTreeMap<u16, u64>,
    latencies: Vec<Duration>,
}

/// When requests are sent.
struct Schedule {
    end: Instant,
    /// With a fixed rate, the next request and the time between two.
    fixed: Option<(Instant, Duration)>,
}

struct Connection {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    token: Token,
    stream: Option<Channel>,
    /// The start of the latency of the request in flight, if there is one.
    since: Option<Instant>,
    buffer: Vec<u8>,
    filled: usize,
}

impl<'r> Load<'r> {
    fn connect(port: u16, plan: Plan, requests: &'r Requests) -> Result<Self, Box<dyn Error>> {
        let poll = Poll::new()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let tls = plan.traffic.protocol.is_tls().then(|| tls::client(&[b"http/1.1"])).transpose()?;
        let connection = |number| Connection {
            address,
            tls: tls.clone(),
            token: Token(number),
            stream: None,
            since: None,
            buffer: vec![0; 16 * 1024],
            filled: 0,
        };
        let mut connections: Vec<_> = (0..usize::try_from(plan.connections)?).map(connection).collect();
        if plan.traffic.connections == Connections::KeptAlive {
            connections.iter_mut().try_for_each(|connection| connection.open(poll.registry()).map(drop))?;
        }
        Ok(Self {
            plan,
            poll,
            idle: (0..connections.len()).rev().collect(),
            connections,
            requests: requests.iter(),
            bodies: Vec::new(),
            in_flight: 0,
            statuses: BTreeMap::new(),
            latencies: Vec::with_capacity(requests.len()),
        })
    }

    fn run(mut self) -> Result<Measurement, Box<dyn Error>> {
        let start = SystemClock.instant();
        let end = start + Duration::from_millis(self.plan.millis.into());
        let interval = self.plan.traffic.rate.map(|rate| Duration::from_secs(1) / rate);
        let mut schedule = Schedule { end, fixed: interval.map(|interval| (start, interval)) };
        // Dropping a waker may take its last event away, so this one lasts as long as the poll.
        let waker = Arc::new(Waker::new(self.poll.registry(), DUE)?);
        if let Some(interval) = interval {
            wake_each(interval, start, end, Arc::clone(&waker));
        }
        let mut events = Events::with_capacity(512);
        let mut responded = start;
        self.send_due(&mut schedule, start)?;
        self.send_bodies()?;
        while self.in_flight > 0 || schedule.continues(SystemClock.instant(), self.requests.len()) {
            self.poll.poll(&mut events, Some(if self.plan.awake { Duration::ZERO } else { PATIENCE }))?;
            if events.is_empty() && (!self.plan.awake || SystemClock.instant() - responded >= PATIENCE) {
                return Err(format!("{} requests got no response", self.in_flight).into());
            }
            for event in &events {
                if event.token() != DUE {
                    let number = event.token().0;
                    let keep = self.plan.traffic.connections == Connections::KeptAlive;
                    let Some(status) = self.connections[number].receive(keep)? else { continue };
                    responded = SystemClock.instant();
                    self.finish(number, status, responded);
                }
                self.send_due(&mut schedule, SystemClock.instant())?;
            }
            self.send_bodies()?;
        }
        drop(waker);
        Ok(Measurement::new(self.statuses, self.latencies, responded - start))
    }

    fn finish(&mut self, number: usize, status: u16, now: Instant) {
        self.in_flight -= 1;
        *self.statuses.entry(status).or_default() += 1;
        self.latencies.extend(self.connections[number].since.take().map(|since| now - since));
        self.idle.push(number);
    }

    /// Sends what is due, as long as a connection is idle.
    fn send_due(&mut self, schedule: &mut Schedule, now: Instant) -> Result<(), Box<dyn Error>> {
        while let Some(&number) = self.idle.last()
            && self.requests.len() > 0
            && let Some(due) = schedule.due(now)
            && let Some(request) = self.requests.next()
        {
            self.idle.pop();
            self.in_flight += 1;
            let connection = &mut self.connections[number];
            connection.since = Some(due);
            let stream = connection.open(self.poll.registry())?;
            match self.plan.traffic.writes {
                Writes::Together => stream.write_both(&request.head, &request.body)?,
                Writes::HeadThenBody => {
                    stream.write(&request.head)?;
                    self.bodies.push((number, request));
                }
            }
        }
        Ok(())
    }

    fn send_bodies(&mut self) -> Result<(), Box<dyn Error>> {
        for (number, request) in self.bodies.drain(..) {
            let stream = self.connections[number].stream.as_mut();
            stream.ok_or("the server closed a connection before the body")?.write(&request.body)?;
        }
        Ok(())
    }
}

impl Schedule {
    /// When the next request was due, if it is.
    fn due(&mut self, now: Instant) -> Option<Instant> {
        match &mut self.fixed {
            _ if now >= self.end => None,
            None => Some(now),
            Some((next, interval)) => (*next <= now).then(|| std::mem::replace(next, *next + *interval)),
        }
    }

    /// Whether requests are still to be sent although none is in flight.
    fn continues(&self, now: Instant, left: usize) -> bool {
        self.fixed.is_some() && now < self.end && left > 0
    }
}

impl Connection {
    /// The open connection, which is opened first if necessary.
    fn open(&mut self, registry: &Registry) -> Result<&mut Channel, Box<dyn Error>> {
        let stream = match self.stream.take() {
            Some(stream) => stream,
            None => Channel::open(self.address, self.tls.as_ref(), registry, self.token)?,
        };
        Ok(self.stream.insert(stream))
    }

    /// Reads what has arrived, and returns the status once the response is complete.
    fn receive(&mut self, keep: bool) -> Result<Option<u16>, Box<dyn Error>> {
        loop {
            let Some(stream) = &mut self.stream else { return Ok(None) };
            match stream.read(&mut self.buffer[self.filled..]) {
                // The server may close an idle connection; the next request opens another.
                Ok(0) if self.since.is_none() => self.stream = None,
                Ok(0) => return Err("the server closed a connection without a response".into()),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            if let Some(response) = wire::response(&self.buffer[..self.filled])? {
                if response.len != self.filled {
                    return Err("more bytes arrived than the response has".into());
                }
                self.filled = 0;
                if response.closes || !keep {
                    self.stream = None;
                }
                return Ok(Some(response.status));
            }
        }
    }
}

/// Wakes the poll whenever a request is due: a poll itself waits for whole milliseconds.
fn wake_each(interval: Duration, start: Instant, end: Instant, waker: Arc<Waker>) {
    // Otherwise the kernel may add 50 µs to each sleep. Where this fails, latencies are that much longer.
    let _ = std::fs::write("/proc/self/timerslack_ns", "1");
    std::thread::spawn(move || {
        let mut next = start;
        while next < end {
            next += interval;
            std::thread::sleep(next.saturating_duration_since(SystemClock.instant()));
            if waker.wake().is_err() {
                return;
            }
        }
    });
}
