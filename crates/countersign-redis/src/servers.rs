//! Where the servers are, and how one connects to them.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, Pipeline,
    RedisFuture, RedisResult, TlsCertificates, TlsMode, Value,
};
use rustls::crypto::{CryptoProvider, aws_lc_rs};

#[derive(Clone)]
pub(crate) enum Servers {
    /// One server.
    Single(String),
    /// The server that these sentinels name as the master of this name.
    Sentinels { master: String, urls: Vec<String> },
    /// A cluster that can be discovered through these nodes.
    Cluster(Vec<String>),
}

impl Servers {
    pub(crate) fn connector(self, ca: Option<Vec<u8>>, timeout: Duration) -> RedisResult<Connector> {
        let ca = ca.map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem) });
        Ok(match self {
            Self::Single(url) => {
                let info = parse(&url)?;
                let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
                Connector::Single(match ca {
                    Some(ca) if is_tls => Client::build_with_tls(info, ca)?.into(),
                    _ => Client::open(info)?.into(),
                })
            }
            Self::Sentinels { master, urls } => Connector::Sentinels(Box::new(sentinels(&master, &urls, ca)?)),
            Self::Cluster(urls) => {
                let nodes = urls.iter().map(|url| parse(url)).collect::<RedisResult<Vec<_>>>()?;
                let builder = ClusterClientBuilder::new(nodes).connection_timeout(timeout).response_timeout(timeout);
                let builder = if let Some(ca) = ca { builder.certs(ca) } else { builder };
                Connector::Cluster(Box::new(builder.build()?))
            }
        })
    }
}

fn parse(url: &str) -> RedisResult<ConnectionInfo> {
    let info = url.into_connection_info()?;
    if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) && CryptoProvider::get_default().is_none() {
        // rustls panics if it has to choose between two providers. An error means that another thread was faster.
        let _ = aws_lc_rs::default_provider().install_default();
    }
    Ok(info)
}

/// The user, the password and the database of the first address are those of the master. Sentinels have no password.
fn sentinels(master: &str, urls: &[String], ca: Option<TlsCertificates>) -> RedisResult<SentinelClient> {
    let infos = urls.iter().map(|url| parse(url)).collect::<RedisResult<Vec<_>>>()?;
    let Some(first) = infos.first() else {
        return Err((ErrorKind::EmptySentinelList, "the address of a sentinel is missing").into());
    };
    let (is_tls, settings) = (matches!(first.addr(), ConnectionAddr::TcpTls { .. }), first.redis_settings().clone());
    let addresses = infos.iter().map(|info| info.addr().clone());
    let mut builder = SentinelClientBuilder::new(addresses, master, SentinelServerType::Master)?
        .set_client_to_redis_db(settings.db());
    if let Some(user) = settings.username() {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = settings.password() {
        builder = builder.set_client_to_redis_password(password);
    }
    if is_tls {
        builder =
            builder.set_client_to_redis_tls_mode(TlsMode::Secure).set_client_to_sentinel_tls_mode(TlsMode::Secure);
        if let Some(ca) = ca {
            builder = builder.set_client_to_redis_certificates(ca.clone()).set_client_to_sentinel_certificates(ca);
        }
    }
    builder.build()
}

pub(crate) enum Connector {
    Single(Box<Client>),
    Sentinels(Box<SentinelClient>),
    Cluster(Box<ClusterClient>),
}

impl Connector {
    pub(crate) async fn connect(&mut self, timeout: Duration) -> RedisResult<Link> {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(timeout)).set_response_timeout(Some(timeout));
        match self {
            Self::Single(client) => {
                client.get_multiplexed_async_connection_with_config(&config).await.map(Link::Single)
            }
            Self::Sentinels(client) => client.get_async_connection_with_config(&config).await.map(Link::Single),
            Self::Cluster(client) => client.get_async_connection().await.map(Link::Cluster),
        }
    }
}

/// An open connection. Its copies share the sockets.
#[derive(Clone)]
pub(crate) enum Link {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Link {
    /// The responses of all servers that can hold keys.
    pub(crate) async fn ask_all(&mut self, command: Cmd) -> RedisResult<Vec<Value>> {
        match self {
            Self::Single(connection) => Ok(vec![connection.req_packed_command(&command).await?.extract_error()?]),
            Self::Cluster(connection) => {
                let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                match connection.route_command(command, all).await? {
                    Value::Map(responses) => {
                        responses.into_iter().map(|(_, response)| response.extract_error()).collect()
                    }
                    other => Ok(vec![other.extract_error()?]),
                }
            }
        }
    }
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(commands, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(commands, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}
