//! The process: Pingora's listeners and runtimes, hyper on each stream, and the way out.

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_tower::{BodyBudget, FinishAnyway};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::Stream;
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{ExecutionPhase, RunArgs, Server, ShutdownSignal, ShutdownSignalWatch, ShutdownWatch};
use pingora_core::services::background::background_service;
use pingora_core::services::listening::Service;
use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::task::TaskTracker;

use crate::admin::Admin;
use crate::config::{self, Config};
use crate::delivery::{self, Gateway};
use crate::finish::in_tasks;
use crate::forward::Peer;
use crate::keys::{Awaited, Refresh};
use crate::log::Log;
use crate::metrics::Metrics;
use crate::upstream::{self, Watch};

/// The most bytes that the head of a request may have.
const MAX_HEAD: u32 = 64 * 1024;
/// How long a head may take to arrive, and a connection may idle between requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How many requests one HTTP/2 connection may have open.
const MAX_STREAMS: u32 = 128;

/// Answers requests, whatever connection they came on.
pub trait Handle: Send + Sync + 'static {
    /// The body of an answer.
    type Body: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static;

    /// Answers one request.
    fn handle(
        &self,
        request: Request<Incoming>,
        peer: Option<Peer>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

impl Handle for Gateway {
    type Body = delivery::Body;

    async fn handle(&self, request: Request<Incoming>, peer: Option<Peer>) -> Response<delivery::Body> {
        Self::handle(self, request, peer).await
    }
}

/// Runs the gateway until it is told to stop by SIGTERM or SIGINT, and what is in flight has finished.
///
/// How much of it is logged, and left out, is shown of this log.
pub fn run(config: Config, log: &Log) -> Result<(), ServerError> {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    // Pingora would panic in a thread of its own, or let two services share an address: this says
    // which address it is.
    let addresses = config.server.listen.iter().chain(&config.server.admin);
    let bind = |address: &SocketAddr| {
        TcpListener::bind(address).map_err(|error| ServerError::Bind { address: *address, error })
    };
    drop(addresses.map(bind).collect::<Result<Vec<_>, _>>()?);
    let timeout = config.server.shutdown_timeout;
    let tasks = TaskTracker::new();
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(ServerError::Thread)?;
    let server = build(config, &tasks, &runtime, log);
    let phases = server.watch_execution_phase();
    let pingora = std::thread::Builder::new().name("pingora".into());
    pingora.spawn(|| server.run(RunArgs { shutdown_signal: Box::new(Signals) })).map_err(ServerError::Thread)?;
    // Pingora would sleep through its whole grace period: the process ends once all is done, before it.
    runtime.spawn(log.clone().report_regularly());
    runtime.block_on(async {
        listeners_closed(phases).await?;
        finish(&tasks, timeout).await;
        log.report_suppressed();
        Ok(())
    })
}

fn build(config: Config, tasks: &TaskTracker, runtime: &Runtime, log: &Log) -> Server {
    let config::Server { listen, admin, threads, body_budget, shutdown_timeout } = config.server;
    let mut server = Server::new_with_opt_and_conf(
        None,
        ServerConf {
            threads,
            work_stealing: false,
            grace_period_seconds: Some(shutdown_timeout.as_secs() + 60),
            ..ServerConf::default()
        },
    );
    let budget = BodyBudget::new(body_budget);
    let mut metrics = Metrics::new(&config.sources, budget.clone());
    metrics.show_log(log);
    let metrics = Arc::new(metrics);
    let awaited = config.sources.iter().filter(|(_, source)| source.depends_on_remote);
    let awaited = awaited.filter_map(|(name, source)| Some(Awaited::new(name, source.keys.remote_set()?)));
    let awaited = awaited.collect();
    let (gateway, upstreams) = Gateway::new(config.routes, &budget, &metrics, log);
    // Before anything listens: who is told that the gateway is ready may send at once.
    runtime.block_on(upstream::resolve(&upstreams));

    let mut webhooks = Service::new("webhooks".into(), Connections::new(gateway, tasks));
    for address in &listen {
        webhooks.add_tcp(&address.to_string());
        tracing::info!(%address, "listening for webhooks");
    }
    server.add_service(webhooks);
    if let Some(address) = admin {
        let mut service = Service::new("admin".into(), Connections::new(Admin::new(metrics, listen, awaited), tasks));
        service.threads = Some(1);
        service.add_tcp(&address.to_string());
        tracing::info!(%address, "listening for health checks and scrapes");
        server.add_service(service);
    }
    let mut watch = background_service("upstreams", Watch(upstreams));
    watch.threads = Some(1);
    server.add_service(watch);
    let mut refresh = background_service("key sets", Refresh(config.remote_sets));
    refresh.threads = Some(1);
    server.add_service(refresh);
    server.bootstrap();
    server
}

/// Serves HTTP/1.1 and HTTP/2 on the streams of a listener.
struct Connections<H> {
    handler: Arc<H>,
    http: auto::Builder<TokioExecutor>,
    tasks: TaskTracker,
}

impl<H: Handle> Connections<H> {
    fn new(handler: H, tasks: &TaskTracker) -> Self {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD as usize);
        http.http2()
            .timer(TokioTimer::new())
            .max_header_list_size(MAX_HEAD)
            .max_concurrent_streams(MAX_STREAMS)
            .keep_alive_interval(HEAD_TIMEOUT);
        Self { handler: Arc::new(handler), http, tasks: tasks.clone() }
    }
}

#[async_trait]
impl<H: Handle> ServerApp for Connections<H> {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let digest = stream.get_socket_digest();
        let peer = digest.and_then(|digest| Peer::new(digest.peer_addr()?.as_inet()?.ip()));
        let spoken = AtomicBool::new(false);
        let service = service_fn(|request| {
            spoken.store(true, Ordering::Relaxed);
            let (handler, peer) = (Arc::clone(&self.handler), peer.clone());
            let answer = async move { Ok::<_, Infallible>(handler.handle(request, peer).await) };
            FinishAnyway::new(answer, in_tasks(self.tasks.clone()))
        });
        let mut shutdown = shutdown.clone();
        let connection = self.tasks.track_future(async {
            let mut connection = pin!(self.http.serve_connection(TokioIo::new(stream), service));
            tokio::select! {
                ended = connection.as_mut() => return ended,
                () = silence(&spoken) => return Ok(()),
                _ = shutdown.wait_for(|stopping| *stopping) => {}
            }
            // Half a head is not worth waiting for.
            if !spoken.load(Ordering::Relaxed) {
                return Ok(());
            }
            connection.as_mut().graceful_shutdown();
            connection.await
        });
        if let Err(error) = connection.await {
            tracing::debug!(
                peer = peer.as_ref().map(tracing::field::display),
                error = &*error,
                "the connection ended early"
            );
        }
        None
    }
}

/// Comes if the first request has not. hyper's own time limit begins only once it knows the version.
async fn silence(spoken: &AtomicBool) {
    let mut limit = pin!(tokio::time::sleep(HEAD_TIMEOUT));
    // Polled with every request of a connection, so what has spoken is not asked the time.
    poll_fn(|cx| if spoken.load(Ordering::Relaxed) { Poll::Pending } else { limit.as_mut().poll(cx) }).await;
}

/// Waits until Pingora was told to stop and has told its listeners.
async fn listeners_closed(mut phases: broadcast::Receiver<ExecutionPhase>) -> Result<(), ServerError> {
    loop {
        match phases.recv().await {
            Ok(ExecutionPhase::GracefulTerminate) => return Ok(()),
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return Err(ServerError::Ended),
        }
    }
}

/// Waits for connections and requests to finish, for at most `timeout`, or until a second signal.
async fn finish(tasks: &TaskTracker, timeout: Duration) {
    tracing::info!(open = tasks.len(), "stopping");
    tasks.close();
    tokio::select! {
        () = tasks.wait() => tracing::info!("stopped"),
        () = tokio::time::sleep(timeout) => tracing::warn!(?timeout, "stopped before all requests had finished"),
        () = asked_to_stop() => tracing::warn!("stopped at once, as asked"),
    }
}

/// What stops the gateway, in place of Pingora's own choice.
struct Signals;

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        asked_to_stop().await;
        ShutdownSignal::GracefulTerminate
    }
}

async fn asked_to_stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Why the gateway did not run.
#[derive(Debug)]
pub enum ServerError {
    /// An address could not be listened on.
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
    /// A thread or a runtime could not be started.
    Thread(std::io::Error),
    /// The server ended without having been asked to.
    Ended,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { address, error } => write!(f, "cannot listen on {address}: {error}"),
            Self::Thread(error) => write!(f, "cannot start a thread: {error}"),
            Self::Ended => f.write_str("the server ended unexpectedly; the log says more"),
        }
    }
}

impl std::error::Error for ServerError {}
