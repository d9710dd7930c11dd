//! Serves a receiver.

use std::convert::Infallible;
use std::sync::Arc;

use countersign_emulator::listener;
use http_body_util::Full;
use hyper::service::service_fn;
use tokio::net::TcpListener;

use super::receiver::Receiver;
use crate::output::complain;

/// The maximum number of connections at a time. More of them wait.
const MAX_CONNECTIONS: usize = 64;

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, receiver: Receiver) {
    let receiver = Arc::new(receiver);
    let service = service_fn(move |request| {
        let receiver = Arc::clone(&receiver);
        async move { Ok::<_, Infallible>(receiver.receive(request).await.map(Full::new)) }
    });
    let warn = |error: &std::io::Error| complain(&format_args!("a connection could not be accepted: {error}"));
    listener::serve(listener, MAX_CONNECTIONS, service, warn).await;
}
