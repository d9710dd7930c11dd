//! `load_http2 PORT PLAN`: as `load`, over HTTP/2. The connections of the plan are streams, 16 on each connection.
//!
//! `h2load` cannot take part: it sends the same request again and again, and each delivery has to be new.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::error::Error;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign::clock::{Clock, SystemClock};
use countersign_benches::deliveries::{self, Requests};
use countersign_benches::measurement::Measurement;
use countersign_benches::tls;
use countersign_benches::traffic::Plan;
use http::{HeaderName, HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::task::LocalSet;
use tokio_rustls::TlsConnector;
use tokio_util::either::Either;

const STREAMS: u32 = 16;

type Sender = SendRequest<Full<Bytes>>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, plan] = &arguments[..] else { return Err("usage: load_http2 PORT PLAN".into()) };
    let (port, plan): (u16, Plan) = (port.parse()?, serde_json::from_str(plan)?);
    let count = u64::from(plan.traffic.prepared_per_second) * u64::from(plan.millis) / 1000;
    let requests = Requests::signed_now(u32::try_from(count)?, &plan.traffic);
    let requests = requests.iter().rev().map(to_http2).collect::<Result<Vec<_>, _>>()?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let measurement = LocalSet::new().block_on(&runtime, measure(port, plan, requests))?;
    println!("{}", serde_json::to_string(&measurement)?);
    if measurement.responses() > 0 && measurement.statuses.keys().all(|&status| plan.traffic.expects(status)) {
        Ok(())
    } else {
        Err("a response has an unexpected status".into())
    }
}

/// The same request for HTTP/2.
fn to_http2(request: &deliveries::Request) -> Result<Request<Full<Bytes>>, Box<dyn Error>> {
    let mut parsed =
        Request::post(Uri::from_static("http://127.0.0.1/webhook")).body(Full::new(request.body.clone()))?;
    let mut lines = str::from_utf8(&request.head)?.lines().skip(1);
    while let Some((name, value)) = lines.next().and_then(|line| line.split_once(": ")) {
        if name != "host" {
            parsed.headers_mut().append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        }
    }
    Ok(parsed)
}

/// What all streams share.
struct Shared {
    /// The next request is the last one here.
    requests: RefCell<Vec<Request<Full<Bytes>>>>,
    end: Cell<Option<Instant>>,
    latencies: RefCell<Vec<(u16, Duration)>>,
}

async fn measure(port: u16, plan: Plan, requests: Vec<Request<Full<Bytes>>>) -> Result<Measurement, Box<dyn Error>> {
    let latencies = RefCell::new(Vec::with_capacity(requests.len()));
    let shared = Rc::new(Shared { requests: RefCell::new(requests), end: Cell::default(), latencies });
    let mut senders = Vec::new();
    for number in 0..plan.connections {
        match senders.last() {
            Some(sender) if number % STREAMS != 0 => senders.push(Sender::clone(sender)),
            _ => senders.push(connect(port, plan.traffic.protocol.is_tls()).await?),
        }
    }
    let start = SystemClock.instant();
    shared.end.set(Some(start + Duration::from_millis(plan.millis.into())));
    let streams: Vec<_> =
        senders.into_iter().map(|sender| tokio::task::spawn_local(send_all(sender, Rc::clone(&shared)))).collect();
    for stream in streams {
        stream.await??;
    }
    let taken = SystemClock.instant() - start;
    let mut statuses = BTreeMap::<u16, u64>::new();
    let recorded = shared.latencies.take();
    for (status, _) in &recorded {
        *statuses.entry(*status).or_default() += 1;
    }
    let latencies = recorded.into_iter().map(|(_, latency)| latency).collect();
    Ok(Measurement::new(statuses, latencies, taken))
}

async fn connect(port: u16, is_tls: bool) -> Result<Sender, Box<dyn Error>> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    let stream = if is_tls {
        let connector = TlsConnector::from(Arc::clone(&tls::client(&[b"h2"])?));
        let stream = connector.connect(ServerName::try_from("localhost")?, stream).await?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err("the server does not offer HTTP/2".into());
        }
        Either::Left(Box::new(stream))
    } else {
        Either::Right(stream)
    };
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    // Its error is also that of the requests.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// Sends one request after another, until the time has passed or none is left.
async fn send_all(mut sender: Sender, shared: Rc<Shared>) -> Result<(), hyper::Error> {
    while shared.end.get().is_some_and(|end| SystemClock.instant() < end) {
        let Some(request) = shared.requests.borrow_mut().pop() else { break };
        sender.ready().await?;
        let since = SystemClock.instant();
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        response.into_body().collect().await?;
        shared.latencies.borrow_mut().push((status, SystemClock.instant() - since));
    }
    Ok(())
}
