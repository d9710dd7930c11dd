//! The listener: HTTP/1.1, with limits on heads, time and connections.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::receiver::Receiver;
use crate::output::complain;

/// The maximum size of a request head, in bytes.
const MAX_HEAD: usize = 64 << 10;
/// How long a request head may take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The maximum number of connections at a time. More of them wait.
const MAX_CONNECTIONS: usize = 64;

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, receiver: Receiver) {
    let (permits, receiver) = (Arc::new(Semaphore::new(MAX_CONNECTIONS)), Arc::new(receiver));
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                complain(&format_args!("a connection could not be accepted: {error}"));
                // Probably out of file descriptors: wait until connections end.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let receiver = Arc::clone(&receiver);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let receiver = Arc::clone(&receiver);
                async move { Ok::<_, Infallible>(receiver.receive(request).await.map(Full::new)) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(MAX_HEAD)
                .serve_connection(TokioIo::new(stream), service);
            // A client that hangs up harms nobody.
            let _ = connection.await;
            drop(permit);
        });
    }
}
