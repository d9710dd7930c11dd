//! The process: Pingora's runtimes, listeners on them, and the end. Nothing else names Pingora.

mod balancer;
mod files;
mod key_sets;
mod listener;
mod signals;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign::clock::SystemClock;
use countersign_tower::BodyBudget;
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{ExecutionPhase, RunArgs, Server as PingoraServer, ShutdownSignal, ShutdownSignalWatch};
use pingora_core::services::background::background_service;
use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::task::TaskTracker;

use crate::config::{self, Config, ConfigError, ListenSpec, UpstreamSpec};
use crate::log::Log;
use crate::serve::{MAX_HEAD, Preamble, Server, Slots};
use crate::services::{Environment, Services};
use crate::starting::Starting;
use crate::state::{State, Surroundings};
use crate::upstream::Upstreams;
use balancer::{Balancer, Watch};
use files::Allowed;
use key_sets::Refresh;
use listener::{Acceptor, Listener};

pub use signals::survive_file_size_limit;

/// Runs the gateway until it is told to stop by SIGTERM or SIGINT, and what is in flight has finished.
///
/// `/metrics` shows how many lines of `log` were dropped and suppressed.
pub fn run(config: &Config, log: &Log) -> Result<(), ServerError> {
    let limit = files::raise_limit();
    let allowed = files::connections(config.server.max_connections, limit, config.server.threads())?;
    let slots = Slots::new(allowed.max_connections);
    let mut balancers: Vec<Arc<Balancer>> = Vec::new();
    let balance = &mut |upstreams: &[UpstreamSpec]| {
        let balancer = Balancer::new(upstreams.iter().map(|upstream| upstream.authority.clone()));
        balancers.push(Arc::clone(&balancer));
        balancer as Arc<dyn Upstreams>
    };
    let surroundings = Surroundings { slots: &slots, log, balance };
    let state = State::build(config, None, surroundings).map_err(ServerError::Config)?;
    for warning in config.warnings.iter().chain(&state.warnings) {
        tracing::warn!("{warning}");
    }
    if let Some(warning) = &allowed.warning {
        tracing::warn!("{warning}");
    }
    let timeout = config.server.shutdown_timeout;
    let tasks = TaskTracker::new();
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(ServerError::Thread)?;
    let server = build(&config.server, Parts { state, balancers, slots, allowed }, &tasks, &runtime, log)?;
    let phases = server.watch_execution_phase();
    let pingora = std::thread::Builder::new().name("pingora".into());
    pingora.spawn(|| server.run(RunArgs { shutdown_signal: Box::new(Signals) })).map_err(ServerError::Thread)?;
    runtime.spawn(log.clone().report_regularly());
    // Pingora would sleep through its whole grace period: the process ends once all is done, before it.
    runtime.block_on(async {
        listeners_closed(phases).await?;
        finish(&tasks, timeout).await;
        log.report_suppressed();
        Ok(())
    })
}

/// What is built before the process.
struct Parts {
    state: State,
    balancers: Vec<Arc<Balancer>>,
    slots: Arc<Slots>,
    allowed: Allowed,
}

fn build(
    config: &config::Server,
    parts: Parts,
    tasks: &TaskTracker,
    runtime: &Runtime,
    log: &Log,
) -> Result<PingoraServer, ServerError> {
    let Parts { state, balancers, slots, allowed } = parts;
    let (threads, timeouts) = (config.threads(), config.timeouts());
    let mut server = PingoraServer::new_with_opt_and_conf(
        None,
        ServerConf {
            threads,
            work_stealing: false,
            grace_period_seconds: Some(config.shutdown_timeout.as_secs() + 60),
            ..ServerConf::default()
        },
    );
    let starting = Starting::default();
    let environment = Environment {
        log,
        clock: Arc::new(SystemClock),
        starting: &starting,
        upstream_connections: allowed.upstream_connections,
    };
    let Services { gateway, admin: admin_service, ledger } = Services::build(&state, environment);
    let State { key_sets, budget, metrics, tls, .. } = state;

    // Bound before anything starts: an address in use ends the process, and no connection is lost while
    // some threads listen and others do not yet.
    let mut sockets: Vec<_> = (0..threads).map(|_| Vec::new()).collect();
    for (ListenSpec { address, proxy_protocol, .. }, tls) in config.listen.iter().zip(tls) {
        let bound = listener::bind(*address, threads)?;
        let preamble = Preamble { proxy_header: *proxy_protocol, tls };
        sockets.iter_mut().zip(bound).for_each(|(sockets, socket)| sockets.push((socket, preamble.clone())));
    }
    let admin = config.admin.map(|spec| Ok((spec.address, listener::bind(spec.address, 1)?))).transpose()?;
    // Before anything listens: who is told that the gateway is ready may send at once.
    runtime.block_on(balancer::resolve(&balancers));

    let mut webhooks = Server::new(gateway, move |ending| ledger.record_ending(ending), timeouts, &budget, tasks);
    if config.accelerate {
        webhooks = webhooks.accelerate(metrics.accelerated());
    }
    let acceptor = Acceptor {
        server: Arc::new(webhooks),
        slots,
        tasks: tasks.clone(),
        metrics: Arc::clone(&metrics),
        spare: None,
    };
    for (thread, sockets) in sockets.into_iter().enumerate() {
        server.add_service(Listener::new(format!("webhooks-{thread}"), sockets, acceptor.clone(), &starting));
    }
    for ListenSpec { address, .. } in &config.listen {
        tracing::info!(%address, max_connections = allowed.max_connections, "listening for webhooks");
    }
    if let Some((address, sockets)) = admin {
        // A budget of its own, so that it responds while webhooks have used up theirs.
        let budget = BodyBudget::new(files::ADMIN_CONNECTIONS * 2 * MAX_HEAD);
        let acceptor = Acceptor {
            server: Arc::new(Server::new(admin_service, |_| {}, timeouts, &budget, tasks)),
            slots: Slots::new(files::ADMIN_CONNECTIONS),
            tasks: tasks.clone(),
            metrics,
            spare: Some(Arc::default()),
        };
        let sockets = sockets.into_iter().map(|socket| (socket, Preamble::default())).collect();
        server.add_service(Listener::new("admin".into(), sockets, acceptor, &starting));
        tracing::info!(%address, "listening for health checks and scrapes");
    }
    let mut watch = background_service("upstreams", Watch(balancers));
    watch.threads = Some(1);
    server.add_service(watch);
    let mut refresh = background_service("key sets", Refresh(key_sets));
    refresh.threads = Some(1);
    server.add_service(refresh);
    server.bootstrap();
    Ok(server)
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
    /// A secret, certificate or key of the configuration cannot be used.
    Config(ConfigError),
    /// An address could not be listened on.
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
    /// The limit on open files does not allow the configured number of connections.
    Files {
        /// The configured number.
        max_connections: usize,
        /// The most files that the process may open.
        limit: usize,
        /// How many of them are reserved for other uses.
        reserved: usize,
    },
    /// A thread or a runtime could not be started.
    Thread(std::io::Error),
    /// The server ended without having been asked to.
    Ended,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => write!(f, "{error}"),
            Self::Bind { address, error } => write!(f, "cannot listen on {address}: {error}"),
            Self::Files { max_connections, limit, reserved } => write!(
                f,
                "max_connections is {max_connections}, but the process may open {limit} files and needs {reserved} \
                 for other uses: raise the limit (ulimit -n, LimitNOFILE) or lower max_connections"
            ),
            Self::Thread(error) => write!(f, "cannot start a thread: {error}"),
            Self::Ended => f.write_str("the server ended unexpectedly; the log says more"),
        }
    }
}

impl std::error::Error for ServerError {}
