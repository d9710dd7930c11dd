//! The process: Pingora's runtimes, the listeners that run on them, and the shutdown. Only this module uses Pingora.

mod files;
mod follow;
mod inbox;
mod key_sets;
mod listener;
mod listeners;
pub(crate) mod probe;
mod reconcile;
mod reloader;
mod service_manager;
mod signals;
mod sockets;
mod stop;
mod upgrade;
mod upstreams;
mod watched_files;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{RunArgs, Server as PingoraServer};
use pingora_core::services::background::{BackgroundService, background_service};
use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, ConfigError, ListenAddress, ListenSpec};
use crate::lifecycle::Lifecycle;
use crate::log::Log;
use crate::reload::{self, Reload};
use crate::serve::{Preamble, Server, Slots};
use crate::services::{Environment, Services};
use crate::state::{State, Surroundings};
use crate::telemetry::Exporter;
use crate::upstream;
use files::Allowed;
use inbox::{Deliver, Deliveries};
use key_sets::Refresh;
use listener::{Acceptor, Listener};
use listeners::{as_configured, bind_error, on_ending, open_pull, open_webhooks};
use reconcile::Reconcile;
use reloader::Reloader;
use service_manager::ServiceManager;
use sockets::{Opened, Opener, Passed};
use stop::{AdminEnd, Stop};
use upgrade::{Predecessor, Upgrader};
use upstreams::Watch;
use watched_files::WatchedFiles;

pub use signals::survive_file_size_limit;

/// How long the last traces may take to be sent.
const LAST_EXPORT: Duration = Duration::from_secs(1);

/// Runs the gateway until SIGTERM, SIGINT or SIGQUIT stops it, and the requests in flight have finished.
///
/// `/metrics` shows how many lines of `log` were dropped and suppressed.
pub fn run(config: &Config, log: &Log) -> Result<(), ServerError> {
    let watched = config.server.reload_on_change.then(|| WatchedFiles::new(config.files()));
    let limit = files::raise_limit();
    let allowed = files::connections(config.server.max_connections, limit, config.server.threads())?;
    let slots = Slots::new(allowed.max_connections);
    let (predecessor, passed) = match Predecessor::from_env().map_err(ServerError::TakeOver)? {
        Some((predecessor, sockets)) => (Some(predecessor), Passed::from_process(sockets)),
        None => (None, Passed::from_env()),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let surroundings = Surroundings { slots: &slots, log, clock: &clock };
    let state = State::build(config, None, surroundings).map_err(ServerError::Config)?;
    if let Some(warning) = &allowed.warning {
        tracing::warn!("{warning}");
    }
    let (lifecycle, tasks) = (Lifecycle::default(), TaskTracker::new());
    let manager = ServiceManager::from_env();
    let stop = Stop::new(&config.server, lifecycle.clone(), manager.clone());
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(ServerError::Thread)?;
    // Before anything starts: without a handler, the signal would end the process.
    let listen = |kind| runtime.block_on(async { signal(kind) }).map_err(ServerError::Thread);
    let (hangups, upgrades) = (listen(SignalKind::hangup())?, listen(SignalKind::user_defined2())?);
    let (reload, requests) = reload::channel();
    runtime.block_on(async { signals::ignore_user_signal() }).map_err(ServerError::Thread)?;
    let parts = Parts {
        state,
        watched,
        slots,
        allowed,
        reload,
        lifecycle: lifecycle.clone(),
        admin: stop.admin.clone(),
        deliveries: stop.deliveries.clone(),
        handed_over: stop.handed_over.clone(),
        manager: manager.clone(),
        passed,
        clock,
        takes_over: predecessor.is_some(),
    };
    let Built { server, mut reloader, mut opened, exporter } = build(config, parts, &tasks, &runtime, log)?;
    let phases = server.watch_execution_phase();
    let signals = stop.signals(&tasks);
    let unused = opened.take_unused();
    let mut handover = Upgrader::new(opened, manager.clone(), stop.handed_over.clone());
    let pingora = std::thread::Builder::new().name("pingora".into());
    pingora.spawn(|| server.run(RunArgs { shutdown_signal: Box::new(signals) })).map_err(ServerError::Thread)?;
    runtime.spawn(log.clone().report_regularly());
    runtime.spawn(manager.clone().ping_regularly());
    let last_export = CancellationToken::new();
    let exporting = exporter.map(|exporter| runtime.spawn(exporter.run(last_export.clone())));
    runtime.spawn(async move {
        lifecycle.started().await;
        if let Some(predecessor) = predecessor {
            predecessor.tell_ready();
            unused.remove();
        }
        manager.ready();
    });
    // Pingora would wait for its whole grace period. The process exits earlier, as soon as all work is done.
    runtime.block_on(async {
        tokio::select! {
            closed = stop::listeners_closed(phases) => closed?,
            () = reloader.serve(hangups, requests) => {}
            () = handover.serve(upgrades) => {}
        }
        // Nothing listens any more.
        drop(handover);
        stop.finish(&tasks).await;
        last_export.cancel();
        if let Some(exporting) = exporting {
            // A collector that is away does not delay the stop for long.
            let _ = timeout(LAST_EXPORT, exporting).await;
        }
        log.report_suppressed();
        Ok(())
    })
}

/// The parts that are built before the process starts.
struct Parts {
    state: State,
    watched: Option<WatchedFiles>,
    slots: Arc<Slots>,
    allowed: Allowed,
    reload: Reload,
    lifecycle: Lifecycle,
    admin: AdminEnd,
    deliveries: Deliveries,
    handed_over: CancellationToken,
    manager: ServiceManager,
    passed: Passed,
    clock: Arc<dyn Clock>,
    /// Whether another process accepts connections until this one is ready.
    takes_over: bool,
}

/// What is ready to run.
struct Built {
    server: PingoraServer,
    reloader: Reloader,
    opened: Opened,
    exporter: Option<Exporter>,
}

fn build(
    config: &Config,
    parts: Parts,
    tasks: &TaskTracker,
    runtime: &Runtime,
    log: &Log,
) -> Result<Built, ServerError> {
    let Parts {
        state,
        watched,
        slots,
        allowed,
        reload,
        lifecycle,
        admin: admin_end,
        deliveries,
        handed_over,
        manager,
        passed,
        clock,
        takes_over,
    } = parts;
    let started = config;
    let config = &started.server;
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
    let environment = Environment {
        log,
        clock: Arc::clone(&clock),
        lifecycle: &lifecycle,
        upstream_connections: allowed.upstream_connections,
        reload,
        is_admin_local: config.admin.is_some_and(|admin| admin.address.ip().is_loopback()),
    };
    let Services { gateway, admin: admin_service, pull: pull_service, ledger, exchange, exporter } =
        Services::build(started, &state, environment);
    let (counts, tls) = (state.metrics.counts().clone(), state.tls.clone());

    // Bind before anything starts. An address in use then ends the process, and no connection is lost while
    // some threads already listen and others do not.
    let mut sockets = Opener::new(passed);
    let by_thread = open_webhooks(&mut sockets, &config.listen, tls, threads)?;
    let admin = config.admin.map(|spec| spec.address);
    let mut open_admin = |address| sockets.admin(address).map_err(bind_error(&ListenAddress::Ip(address)));
    let admin = admin.map(|address| Ok((address, open_admin(address)?))).transpose()?;
    let pull = open_pull(&mut sockets, config, &state)?;
    let opened = sockets.finish();
    // Before anything listens, because clients may send as soon as the gateway reports that it is ready.
    runtime.block_on(upstream::resolve(state.upstreams()));
    if takes_over {
        // Otherwise deliveries would be rejected that the previous process can verify.
        runtime.block_on(reloader::fetch(state.key_sets.clone()));
    }

    let on_ending = on_ending(ledger, state.client_limit.clone());
    let webhooks = Server::new(gateway, on_ending, timeouts, &state.budget, tasks);
    let webhooks = Arc::new(as_configured(webhooks, config, &counts));
    let acceptor = Acceptor {
        server: webhooks,
        slots: Arc::clone(&slots),
        tasks: tasks.clone(),
        counts: counts.clone(),
        spare: None,
    };
    for (thread, sockets) in by_thread.into_iter().enumerate() {
        let name = format!("webhooks-{thread}");
        server.add_service(Listener::new(name, sockets, acceptor.clone(), &lifecycle, &handed_over));
    }
    for ListenSpec { address, .. } in &config.listen {
        tracing::info!(%address, max_connections = allowed.max_connections, "listening for webhooks");
    }
    if let Some(sockets) = pull {
        let acceptor = Acceptor::small(pull_service, timeouts, tasks, counts.clone(), None);
        server.add_service(Listener::new("pull".into(), sockets, acceptor, &lifecycle, &handed_over));
    }
    if let Some((address, sockets)) = admin {
        let acceptor = Acceptor::small(admin_service, timeouts, &admin_end.tasks, counts, Some(Arc::default()));
        let sockets = sockets.into_iter().map(|socket| (socket, Preamble::default())).collect();
        let listener = Listener::new("admin".into(), sockets, acceptor, &lifecycle, &handed_over);
        server.add_service(listener.until(admin_end.token));
        tracing::info!(%address, "listening for health checks and scrapes");
    }
    let upstreams = add_followers(&mut server, "upstreams", state.upstreams(), Watch);
    let (destinations, followed) = watch::channel(exchange.destinations(&state));
    let deliver = Deliver::new(followed, &state, &lifecycle, deliveries);
    add_background(&mut server, "inbox", deliver);
    let reconcilers = add_followers(&mut server, "reconcile", state.reconcilers(), Reconcile);
    let key_sets = add_followers(&mut server, "key sets", state.key_sets.clone(), Refresh);
    server.bootstrap();
    let (started, log) = (started.clone(), log.clone());
    let reloader = Reloader {
        started,
        state,
        watched,
        slots,
        log,
        clock,
        exchange,
        upstreams,
        destinations,
        reconcilers,
        key_sets,
        manager,
    };
    Ok(Built { server, reloader, opened, exporter })
}

/// Adds a service that runs a task for each item of a list. Returns where the list is replaced.
fn add_followers<T, S: BackgroundService + Send + Sync + 'static>(
    server: &mut PingoraServer,
    name: &str,
    items: Vec<T>,
    service: fn(watch::Receiver<Vec<T>>) -> S,
) -> watch::Sender<Vec<T>> {
    let (sender, followed) = watch::channel(items);
    add_background(server, name, service(followed));
    sender
}

/// Adds a service that runs in a thread of its own.
fn add_background(server: &mut PingoraServer, name: &str, service: impl BackgroundService + Send + Sync + 'static) {
    let mut service = background_service(name, service);
    service.threads = Some(1);
    server.add_service(service);
}

/// Why the gateway did not run.
#[derive(Debug)]
pub enum ServerError {
    /// A secret, certificate or key of the configuration cannot be used.
    Config(ConfigError),
    /// An address could not be listened on.
    Bind {
        /// The address.
        address: ListenAddress,
        /// Why not.
        error: std::io::Error,
    },
    /// The listening sockets of the previous process could not be taken over.
    TakeOver(std::io::Error),
    /// The limit on open files does not allow the configured number of connections.
    Files {
        /// The configured number.
        max_connections: usize,
        /// The maximum number of files that the process may open.
        limit: usize,
        /// How many of them are reserved for other uses.
        reserved: usize,
    },
    /// A thread or a runtime could not be started.
    Thread(std::io::Error),
    /// The server ended without being stopped.
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
            Self::TakeOver(error) => write!(
                f,
                "cannot take over the listeners of another process: {error}; unset COUNTERSIGN_TAKE_OVER if there is none"
            ),
            Self::Thread(error) => write!(f, "cannot start a thread: {error}"),
            Self::Ended => f.write_str("the server ended unexpectedly; the log says more"),
        }
    }
}

impl std::error::Error for ServerError {}
