use std::future::Future;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use bytes::Bytes;
use countersign::clock::{Clock, ManualClock, SystemClock};
use countersign_gateway::config::Config;
use countersign_gateway::connection::{Connection, Scheme};
use countersign_gateway::gateway::Gateway;
use countersign_gateway::lifecycle::Lifecycle;
use countersign_gateway::log::Log;
use countersign_gateway::serve::Slots;
use countersign_gateway::services::{Environment, Services};
use countersign_gateway::state::{State, Surroundings};
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::Full;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tower::ServiceExt;
use tracing::subscriber::DefaultGuard;

use super::client::read;
use super::running::Running;
use super::{Backend, Delivery, OTHER_SECRET, Reply, SECRET, SOURCE, Wire, route, route_to, secret_of, soon, until};

/// The address of the sender.
const PEER: [u8; 4] = [127, 0, 0, 1];

/// The gateway in the process of the test, without listeners. It is built from a TOML text by the code that the process
/// uses, and called as a Tower service.
///
/// Its clock is a [`ManualClock`] that starts at the present time. Its timeouts follow the time of Tokio, which a test
/// may pause while nothing is sent over sockets.
pub(crate) struct InProcess {
    pub(crate) clock: Arc<ManualClock>,
    gateway: Gateway,
    admin: Router,
    log: Lines,
    _key_sets: JoinSet<()>,
    _logging: DefaultGuard,
    _folder: TempDir,
}

impl InProcess {
    /// The source [`SOURCE`], and a route from `/hook` to this backend.
    pub(crate) fn before(backend: &Backend) -> Self {
        Self::before_with(backend, "")
    }

    /// The same, with more keys in the route.
    pub(crate) fn before_with(backend: &Backend, more: &str) -> Self {
        Self::start(&[SOURCE, &route(backend, more)].concat())
    }

    /// A route to these upstreams, with more keys if need be.
    pub(crate) fn before_upstreams(upstreams: &[SocketAddr], more: &str) -> Self {
        Self::start(&[SOURCE, &route_to(upstreams, more)].concat())
    }

    /// With these sources and routes. Secrets that a process reads from its environment are read from files of the same
    /// names, because a test must not change its own environment.
    pub(crate) fn start(sources_and_routes: &str) -> Self {
        Self::start_with("", sources_and_routes)
    }

    /// The same, with more keys of the server.
    pub(crate) fn start_with(server: &str, sources_and_routes: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, secret) in [("TEST_SECRET", SECRET), ("OTHER_SECRET", OTHER_SECRET)] {
            std::fs::write(folder.path().join(name), secret).expect("a file");
        }
        let text = format!("[server]\nlisten = [\"127.0.0.1:1\"]\n{server}\n{sources_and_routes}");
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, text.replace("{ env = ", "{ file = ")).expect("a file");
        let log = Lines::default();
        let logging = log.subscribe();
        let config = Config::load(&file).expect("a valid configuration");
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let surroundings = Surroundings { slots: &Slots::new(1000), log: &Log::default(), clock: &shared };
        let state = State::build(&config, None, surroundings).expect("usable secrets");
        let environment = Environment {
            log: &Log::default(),
            clock: shared,
            lifecycle: &Lifecycle::default(),
            upstream_connections: 1000,
            reload: countersign_gateway::reload::channel().0,
            is_admin_local: false,
        };
        let Services { gateway, admin, .. } = Services::build(&config, &state, environment);
        let key_sets = state.key_sets.iter().map(countersign_gateway::source_keys::RemoteSet::run).collect();
        Self { clock, gateway, admin, log, _key_sets: key_sets, _logging: logging, _folder: folder }
    }

    /// Waits until the key sets have arrived without which a source can verify nothing.
    pub(crate) async fn ready(self) -> Self {
        until("the gateway is ready", async || self.get("/readyz").await.status == 200).await;
        self
    }

    /// Delivers, and waits for the response and its whole body.
    pub(crate) fn send(&self, delivery: &Delivery, wire: Wire) -> impl Future<Output = Reply> + Send + use<> {
        let reply = self.try_send(delivery, wire);
        async { reply.await.expect("a whole response") }
    }

    /// The same; `None` if the body of the response breaks off.
    pub(crate) fn try_send(
        &self,
        delivery: &Delivery,
        wire: Wire,
    ) -> impl Future<Output = Option<Reply>> + Send + use<> {
        let request = wire.received(delivery);
        let response = self.call(request);
        async { soon(read(response.await)).await }
    }

    /// Calls the gateway with this request, as if it came from [`PEER`].
    pub(crate) fn call<B>(
        &self,
        mut request: Request<B>,
    ) -> impl Future<Output = Response<countersign_gateway::gateway::Body>> + Send + use<B>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        request.extensions_mut().insert(Connection::new(IpAddr::from(PEER), Scheme::Http));
        self.call_unconnected(request)
    }

    /// The same, without any facts about a connection.
    pub(crate) fn call_unconnected<B>(
        &self,
        request: Request<B>,
    ) -> impl Future<Output = Response<countersign_gateway::gateway::Body>> + Send + use<B>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        let response = Box::pin(self.gateway.clone().oneshot(request));
        async { soon(response).await.unwrap_or_else(|infallible| match infallible {}) }
    }

    /// The response of the admin service to `GET` for this path.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.admin(Method::GET, path).await
    }

    /// The response of the admin service to a request without a body.
    pub(crate) async fn admin(&self, method: Method, path: &str) -> Reply {
        let request = Request::builder().method(method).uri(path).body(Full::<Bytes>::default()).expect("a request");
        self.command(request).await
    }

    /// The response of the admin service to this request.
    pub(crate) async fn command(&self, request: Request<Full<Bytes>>) -> Reply {
        let response = self.admin.clone().oneshot(request).await.unwrap_or_else(|infallible| match infallible {});
        read(response).await.expect("a whole response")
    }

    /// Everything that was logged so far.
    pub(crate) fn output(&self) -> String {
        String::from_utf8(self.log.lock().clone()).expect("text")
    }

    /// The warnings that were logged so far.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.output().lines().filter(|line| line.contains(" WARN ")).map(str::to_owned).collect()
    }
}

impl Running for InProcess {
    async fn send(&self, delivery: &Delivery, wire: Wire) -> Reply {
        InProcess::send(self, delivery, wire).await
    }

    async fn metrics(&self) -> String {
        let reply = self.get("/metrics").await;
        assert_eq!(reply.status, 200);
        String::from_utf8(reply.body.to_vec()).expect("text")
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let output = self.output();
            assert!(![SECRET, OTHER_SECRET].iter().any(|secret| output.contains(secret_of(secret))), "{output}");
        }
    }
}

/// The lines that are logged on the thread of the test, in the format of `--log text`.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn subscribe(&self) -> DefaultGuard {
        let lines = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter("info,countersign_tower=off")
            .with_target(false)
            .with_ansi(false)
            .with_writer(move || lines.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
