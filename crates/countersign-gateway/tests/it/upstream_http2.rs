//! Backends that refuse requests over HTTP/2, and backends that speak another protocol than the configured one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use crate::common::{
    Authority, Http2Backend, InProcess, Peer, SOURCE, Upstream, Wire, delivery, in_front_of, noise, route_to,
};

const WIRE: Wire = Wire::Http1Length;

/// Types of frames.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
/// Codes of errors.
const NO_ERROR: u32 = 0;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;

/// A route to these URLs.
fn to(urls: &[&str]) -> String {
    let urls: Vec<_> = urls.iter().map(|url| format!("\"{url}\"")).collect();
    let route = route_to(&[], "").replace("upstream = []", &format!("upstream = [{}]", urls.join(", ")));
    [SOURCE, &route].concat()
}

/// What a backend does with a request over HTTP/2.
#[derive(Clone, Copy, Debug)]
enum Act {
    Respond,
    /// Resets the stream with this code.
    Reset(u32),
    /// Ends the connection after this number of the last handled stream less than that of the request.
    GoAway(u32),
}

/// A backend that does these things in turn, on whichever connection, and then responds with 200.
struct Script {
    url: String,
    requests: Arc<AtomicUsize>,
    _accepting: AbortOnDropHandle<()>,
}

impl Script {
    async fn start(acts: &'static [Act]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("h2c://{}", listener.local_addr().expect("a bound listener"));
        let requests = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&requests);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, acts, Arc::clone(&counted)));
            }
        });
        Self { url, requests, _accepting: AbortOnDropHandle::new(accepting) }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

async fn serve(mut stream: TcpStream, acts: &'static [Act], counted: Arc<AtomicUsize>) -> Option<()> {
    stream.read_exact(&mut [0; 24]).await.ok()?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.ok()?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let (length, [kind, flags]) = (u32::from_be_bytes([0, head[0], head[1], head[2]]), [head[3], head[4]]);
        let number = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; usize::try_from(length).expect("a length")];
        stream.read_exact(&mut payload).await.ok()?;
        match (kind, flags & 1) {
            (SETTINGS, 0) => stream.write_all(&frame(SETTINGS, 1, 0, &[])).await.ok()?,
            // The end of a request.
            (HEADERS | DATA, 1) => {
                let request = counted.fetch_add(1, Ordering::SeqCst);
                match acts.get(request).copied().unwrap_or(Act::Respond) {
                    // `:status: 200` is number 8 of the static table.
                    Act::Respond => stream.write_all(&frame(HEADERS, 5, number, &[0x88])).await.ok()?,
                    Act::Reset(code) => {
                        stream.write_all(&frame(RST_STREAM, 0, number, &code.to_be_bytes())).await.ok()?;
                    }
                    Act::GoAway(before) => {
                        let payload = [(number - before).to_be_bytes(), NO_ERROR.to_be_bytes()].concat();
                        stream.write_all(&frame(GOAWAY, 0, 0, &payload)).await.ok()?;
                        return stream.shutdown().await.ok();
                    }
                }
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_request_that_an_upstream_has_refused_is_sent_again_and_no_other_one() {
    const REFUSE: Act = Act::Reset(REFUSED_STREAM);
    for (acts, statuses, requests) in [
        (&[REFUSE][..], [200, 200], 3),
        (&[Act::GoAway(1)], [200, 200], 3),
        // On a connection that was used before.
        (&[Act::Respond, REFUSE], [200, 200], 3),
        (&[Act::Respond, Act::GoAway(1)], [200, 200], 3),
        (&[Act::Respond, REFUSE, REFUSE], [200, 200], 4),
        // Not for ever: twice on new connections, of which the last one is kept for the next request.
        (&[REFUSE; 9], [502, 502], 5),
        // The backend may have handled it.
        (&[Act::Reset(CANCEL)], [502, 200], 2),
        (&[Act::GoAway(0)], [502, 200], 2),
        (&[Act::Respond, Act::Reset(CANCEL)], [200, 502], 2),
    ] {
        let upstream = Script::start(acts).await;
        let gateway = InProcess::start(&to(&[&upstream.url]));
        for (n, status) in statuses.into_iter().enumerate() {
            let reply = gateway.send(&delivery(&format!("msg_{n}"), noise(2000)), WIRE).await;
            assert_eq!(reply.status.as_u16(), status, "{acts:?}: {}", gateway.output());
            assert!(status == 200 || reply.code() == "upstream_unreachable", "{acts:?}: {}", reply.code());
        }
        assert_eq!(upstream.requests(), requests, "{acts:?}: {}", gateway.output());
    }
}

#[tokio::test]
async fn a_refused_request_goes_to_another_upstream() {
    let refusing = Script::start(&[Act::Reset(REFUSED_STREAM); 99]).await;
    let backend = Http2Backend::start(None).await;
    let gateway = InProcess::start(&to(&[&refusing.url, &format!("h2c://{}", backend.address)]));
    for n in 0..4 {
        let reply = gateway.send(&delivery(&format!("msg_{n}"), "{}"), WIRE).await;
        assert_eq!(reply.status.as_u16(), 200, "{}", gateway.output());
    }
    assert!(refusing.requests() > 0);
    assert_eq!(backend.seen().len(), 4);
}

#[tokio::test]
async fn an_upstream_with_another_protocol_is_named_in_the_log_with_the_scheme_to_write() {
    let http2 = Http2Backend::start(None).await;
    let http1 = Upstream::start(|_, mut peer: Peer| async move {
        peer.write("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        peer.hold().await;
    })
    .await;
    let frames = frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]);
    let talking = Upstream::start(move |_, mut peer: Peer| {
        let frames = frames.clone();
        async move {
            peer.write(frames).await;
            peer.hold().await;
        }
    })
    .await;
    let (secured, _front) = in_front_of(http1.address, Authority::new().server("localhost", false)).await;
    for (url, hint) in [
        (format!("http://{}", http2.address), "write h2c:// in `upstream`"),
        (format!("http://{}", talking.address), "write h2c:// in `upstream`"),
        (format!("http://{secured}"), "write https:// in `upstream`"),
        (format!("h2c://{}", http1.address), "for HTTP/1.1, write http:// or https:// in `upstream`"),
    ] {
        let gateway = InProcess::start(&to(&[&url]));
        let reply = gateway.send(&delivery("msg_1", "{}"), WIRE).await;
        assert_eq!((reply.status.as_u16(), &*reply.code()), (502, "upstream_malformed"), "{}", gateway.output());
        assert!(gateway.output().contains(hint), "{url}: {}", gateway.output());
    }
}
