//! The servers that are compared, as far as they are installed.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use countersign_benches::deliveries::SECRET;
use countersign_benches::process::{BOTH_CORES, SERVER_CORE, free_port, installed};
use countersign_benches::servers::{Kind as _, Server};
use countersign_benches::tls;
use countersign_benches::traffic::Protocol;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    BareProxy,
    TunedProxy,
    Countersign,
    /// The gateway with two threads, on both cores.
    TwoThreads,
    /// The gateway with a durable inbox in a file in memory.
    Inbox,
    /// The same with the file on a disk.
    InboxOnDisk,
    NginxLua,
    NginxJavaScript,
    Haproxy,
    Nginx,
    /// No server: the load generator is connected to the backend.
    Ceiling,
}

const GATEWAY: &str = include_str!("../../../peers/countersign.toml");
const INBOX: &str = include_str!("../../../peers/countersign-inbox.toml");

/// Starts all servers that are installed. Says which are left out, and how to install them.
pub(crate) fn start_all(
    programs: &Path,
    folder: &Path,
    memory: &Path,
    backend: u16,
) -> Result<Vec<Server<Kind>>, Box<dyn Error>> {
    tls::write_certificate(folder)?;
    let mut servers = vec![Server::running(Kind::Ceiling, backend)];
    for kind in [
        Kind::BareProxy,
        Kind::TunedProxy,
        Kind::Countersign,
        Kind::TwoThreads,
        Kind::Inbox,
        Kind::InboxOnDisk,
        Kind::NginxLua,
        Kind::NginxJavaScript,
        Kind::Haproxy,
        Kind::Nginx,
    ] {
        match kind.program(programs) {
            Some(program) => {
                let others = Others { h2c: free_port()?, tls: free_port()?, admin: free_port()? };
                let server = Server::start(kind, &program, folder, |port| {
                    arguments(kind, port, others, &Folders { files: folder, memory }, backend)
                })?;
                let server = server
                    .also(Protocol::H2c, others.h2c)
                    .also(Protocol::Https, others.tls)
                    .also(Protocol::H2, others.tls);
                servers.push(if kind.queues() { server.queueing(others.admin) } else { server });
            }
            None => eprintln!("left out, because it is missing: {}; {}", kind.name(), kind.how_to_install()),
        }
    }
    Ok(servers)
}

/// The ports of a server that are not for plain HTTP/1.1.
#[derive(Clone, Copy, Debug)]
struct Others {
    h2c: u16,
    tls: u16,
    admin: u16,
}

/// Where a server has its files, and where in memory it has its data.
struct Folders<'a> {
    files: &'a Path,
    memory: &'a Path,
}

fn arguments(
    kind: Kind,
    port: u16,
    others: Others,
    folders: &Folders<'_>,
    backend: u16,
) -> Result<Vec<String>, Box<dyn Error>> {
    let folder = folders.files;
    let config = |name: &str, template: &str| -> Result<String, Box<dyn Error>> {
        let modules = nginx_modules(kind).unwrap_or_default();
        let text = template
            .replace("@PORT@", &port.to_string())
            .replace("@H2C@", &others.h2c.to_string())
            .replace("@TLS@", &others.tls.to_string())
            .replace("@ADMIN@", &others.admin.to_string())
            .replace("@MEMORY@", &folders.memory.to_string_lossy())
            .replace("@BACKEND@", &backend.to_string())
            .replace("@KEY@", SECRET.trim_start_matches("whsec_"))
            .replace("@DIR@", &folder.to_string_lossy())
            .replace("@MODULES@", &modules.to_string_lossy());
        let path = folder.join(name);
        fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    };
    Ok(match kind {
        Kind::Ceiling => return Err("the ceiling has no program".into()),
        Kind::BareProxy | Kind::TunedProxy => vec![port.to_string(), backend.to_string()],
        Kind::Countersign => vec!["--config".into(), config("countersign.toml", GATEWAY)?],
        Kind::TwoThreads => {
            let template = GATEWAY.replace("threads = 1", "threads = 2");
            vec!["--config".into(), config("two-threads.toml", &template)?]
        }
        Kind::Inbox => vec!["--config".into(), config("inbox.toml", INBOX)?],
        Kind::InboxOnDisk => {
            let file = folder.join("inbox.sqlite");
            if file.exists() {
                fs::remove_file(file)?;
            }
            vec!["--config".into(), config("inbox-on-disk.toml", &INBOX.replace("@MEMORY@", "@DIR@"))?]
        }
        Kind::Nginx => vec!["-c".into(), config("nginx.conf", include_str!("../../../peers/nginx.conf"))?],
        Kind::NginxLua => {
            config("verify.lua", include_str!("../../../peers/verify.lua"))?;
            vec!["-c".into(), config("nginx-lua.conf", include_str!("../../../peers/nginx-lua.conf"))?]
        }
        Kind::NginxJavaScript => {
            config("verify.js", include_str!("../../../peers/verify.js"))?;
            vec!["-c".into(), config("nginx-njs.conf", include_str!("../../../peers/nginx-njs.conf"))?]
        }
        Kind::Haproxy => {
            vec!["-db".into(), "-f".into(), config("haproxy.cfg", include_str!("../../../peers/haproxy.cfg"))?]
        }
    })
}

impl countersign_benches::servers::Kind for Kind {
    fn name(self) -> &'static str {
        match self {
            Self::BareProxy => "pingora-proxy with default settings, passing through",
            Self::TunedProxy => "pingora-proxy, tuned, passing through",
            Self::Countersign => "countersign-gateway, verifying",
            Self::TwoThreads => "countersign-gateway with two threads, verifying",
            Self::Inbox => "countersign-gateway with an inbox in memory, verifying",
            Self::InboxOnDisk => "countersign-gateway with an inbox on a disk, verifying",
            Self::NginxLua => "nginx with Lua, verifying",
            Self::NginxJavaScript => "nginx with njs, verifying",
            Self::Haproxy => "HAProxy, verifying",
            Self::Nginx => "nginx, passing through",
            Self::Ceiling => "no server: the ceiling of the load generator",
        }
    }

    fn verifies(self) -> bool {
        !matches!(self, Self::BareProxy | Self::TunedProxy | Self::Nginx | Self::Ceiling)
    }

    fn cores(self) -> &'static str {
        if self == Self::TwoThreads { BOTH_CORES } else { SERVER_CORE }
    }
}

impl Kind {
    /// Whether it is the gateway once more, with other settings.
    pub(crate) fn is_variant(self) -> bool {
        matches!(self, Self::TwoThreads) || self.queues()
    }

    /// Whether it responds before it delivers.
    fn queues(self) -> bool {
        matches!(self, Self::Inbox | Self::InboxOnDisk)
    }

    /// Whether it serves TLS and HTTP/2 too.
    pub(crate) fn speaks_all(self) -> bool {
        matches!(self, Self::Countersign | Self::NginxLua | Self::Haproxy | Self::Nginx)
    }

    fn how_to_install(self) -> &'static str {
        match self {
            Self::Ceiling => "nothing to install",
            Self::BareProxy | Self::TunedProxy => "cargo build --release -p countersign-benches",
            Self::Countersign | Self::TwoThreads | Self::Inbox | Self::InboxOnDisk => {
                "cargo build --release -p countersign-gateway"
            }
            Self::Nginx => "scripts/need nginx, or apt-get install nginx-light",
            Self::NginxLua => "scripts/need nginx-lua, or apt-get install nginx-light libnginx-mod-http-lua",
            Self::NginxJavaScript => "scripts/need nginx-njs, or apt-get install nginx-light libnginx-mod-http-js",
            Self::Haproxy => "scripts/need haproxy, or apt-get install haproxy",
        }
    }

    fn program(self, built: &Path) -> Option<PathBuf> {
        let there = |path: PathBuf| path.is_file().then_some(path);
        match self {
            Self::Ceiling => None,
            Self::BareProxy => there(built.join("bare_proxy")),
            Self::TunedProxy => there(built.join("tuned_proxy")),
            Self::Countersign | Self::TwoThreads | Self::Inbox | Self::InboxOnDisk => {
                there(built.join("countersign-gateway"))
            }
            Self::Nginx => installed("nginx"),
            Self::NginxLua | Self::NginxJavaScript => nginx_modules(self).and_then(|_| installed("nginx")),
            Self::Haproxy => installed("haproxy"),
        }
    }
}

/// The directory of the module of nginx that this server needs, if it is installed.
fn nginx_modules(kind: Kind) -> Option<PathBuf> {
    let module = if kind == Kind::NginxJavaScript { "ngx_http_js_module.so" } else { "ngx_http_lua_module.so" };
    let folders = ["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/local/lib/nginx/modules"];
    folders.iter().map(PathBuf::from).find(|folder| folder.join(module).is_file())
}
