//! Opens connections, directly or through a proxy, with TLS and a time limit.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::{Authority, Parts};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::ca::CaBundle;
use crate::error::{ConnectTimeout, ProxyFailure};
use crate::proxy::Proxy;

type BoxError = Box<dyn StdError + Send + Sync>;
type Connecting<S> = Pin<Box<dyn Future<Output = Result<S, BoxError>> + Send>>;

/// Opens a TCP connection to the target, or a tunnel to it.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    tcp: HttpConnector,
    proxy: Option<Proxy>,
}

impl Service<Uri> for Transport {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let through = self.proxy.as_ref().and_then(|proxy| Some((proxy.clone(), proxy.intercept(&target)?)));
        let Some((proxy, intercept)) = through else {
            let connecting = self.tcp.call(target);
            return Box::pin(async move { connecting.await.map_err(Into::into) });
        };
        let mut tunnel = Tunnel::new(intercept.uri().clone(), self.tcp.clone());
        if let Some(credentials) = intercept.basic_auth() {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        let connecting = tunnel.call(with_port(target));
        let shown = proxy.shown().to_owned();
        Box::pin(async move { connecting.await.map_err(|error| ProxyFailure::new(shown, &error).into()) })
    }
}

/// Adds port 80 to `http` targets without a port, because the tunnel's default is always 443.
fn with_port(target: Uri) -> Uri {
    if target.scheme_str() != Some("http") || target.port().is_some() {
        return target;
    }
    let authority = target.host().and_then(|host| format!("{host}:80").parse::<Authority>().ok());
    let mut parts: Parts = target.clone().into_parts();
    parts.authority = authority.or(parts.authority);
    Uri::from_parts(parts).unwrap_or(target)
}

/// Limits the time of a connection, including proxy and TLS.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    https: HttpsConnector<Transport>,
    limit: Duration,
}

impl Connector {
    pub(crate) fn new(ca: &CaBundle, proxy: Option<Proxy>, limit: Duration) -> Self {
        // Set explicitly, because a provider that is chosen by features depends on the other crates of the program.
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        #[expect(clippy::expect_used, reason = "the provider supports these versions")]
        let tls = tls.with_safe_default_protocol_versions().expect("aws-lc-rs has TLS 1.2 and 1.3");
        let tls = tls.with_root_certificates(ca.roots()).with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        Self { https: https.wrap_connector(Transport { tcp, proxy }), limit }
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let (connecting, limit) = (self.https.call(target), self.limit);
        Box::pin(async move {
            let connected = tokio::time::timeout(limit, connecting).await;
            connected.unwrap_or_else(|_| Err(ConnectTimeout(limit).into()))
        })
    }
}
