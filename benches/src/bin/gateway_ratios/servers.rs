//! The servers that are compared, as far as they are installed.

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_benches::deliveries::{GATEWAY_BODY_LEN, Requests, SECRET};
use countersign_benches::process::{Process, SERVER_CORE, free_port};
use countersign_benches::wire;

/// One server that takes deliveries for the backend.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) port: u16,
    /// The backend, which stands for itself, was started by somebody else.
    _process: Option<Process>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    BareProxy,
    TunedProxy,
    Countersign,
    NginxLua,
    Haproxy,
    Nginx,
    /// No server at all: the most that the load generator and the backend can do.
    Ceiling,
}

/// Starts all that are there. Those that are not are left out, with a word on it.
pub(crate) fn start_all(programs: &Path, folder: &Path, backend: u16) -> Result<Vec<Server>, Box<dyn Error>> {
    let mut servers = vec![Server { kind: Kind::Ceiling, port: backend, _process: None }];
    for kind in [Kind::BareProxy, Kind::TunedProxy, Kind::Countersign, Kind::NginxLua, Kind::Haproxy, Kind::Nginx] {
        match kind.program(programs) {
            Some(program) => servers
                .push(start(kind, &program, folder, backend).map_err(|error| format!("{}: {error}", kind.name()))?),
            None => eprintln!("not installed, so left out: {}", kind.name()),
        }
    }
    Ok(servers)
}

fn start(kind: Kind, program: &Path, folder: &Path, backend: u16) -> Result<Server, Box<dyn Error>> {
    let port = free_port()?;
    let config = |name: &str, template: &str| -> Result<String, Box<dyn Error>> {
        let modules = nginx_modules().unwrap_or_default();
        let text = template
            .replace("@PORT@", &port.to_string())
            .replace("@ADMIN@", &free_port()?.to_string())
            .replace("@BACKEND@", &backend.to_string())
            .replace("@KEY@", SECRET.trim_start_matches("whsec_"))
            .replace("@DIR@", &folder.to_string_lossy())
            .replace("@MODULES@", &modules.to_string_lossy());
        let path = folder.join(name);
        fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    };
    let arguments = match kind {
        Kind::Ceiling => return Err("no server is nothing to start".into()),
        Kind::BareProxy | Kind::TunedProxy => vec![port.to_string(), backend.to_string()],
        Kind::Countersign => {
            vec!["--config".into(), config("countersign.toml", include_str!("../../../peers/countersign.toml"))?]
        }
        Kind::Nginx => vec!["-c".into(), config("nginx.conf", include_str!("../../../peers/nginx.conf"))?],
        Kind::NginxLua => {
            config("verify.lua", include_str!("../../../peers/verify.lua"))?;
            vec!["-c".into(), config("nginx-lua.conf", include_str!("../../../peers/nginx-lua.conf"))?]
        }
        Kind::Haproxy => {
            vec!["-db".into(), "-f".into(), config("haproxy.cfg", include_str!("../../../peers/haproxy.cfg"))?]
        }
    };
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let process =
        Process::start(SERVER_CORE, program, &arguments, folder.join(format!("{kind:?}.log")))?.ready(port)?;
    Ok(Server { kind, port, _process: Some(process) })
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::BareProxy => "pingora-proxy as it comes, passing through",
            Self::TunedProxy => "pingora-proxy tuned, passing through",
            Self::Countersign => "countersign-gateway, verifying",
            Self::NginxLua => "nginx with Lua, verifying",
            Self::Haproxy => "HAProxy, verifying",
            Self::Nginx => "nginx, passing through",
            Self::Ceiling => "no server: the load generator's ceiling",
        }
    }

    fn verifies(self) -> bool {
        matches!(self, Self::Countersign | Self::NginxLua | Self::Haproxy)
    }

    fn program(self, built: &Path) -> Option<PathBuf> {
        let there = |path: PathBuf| path.is_file().then_some(path);
        match self {
            Self::Ceiling => None,
            Self::BareProxy => there(built.join("bare_proxy")),
            Self::TunedProxy => there(built.join("tuned_proxy")),
            Self::Countersign => there(built.join("countersign-gateway")),
            Self::Nginx => installed("nginx"),
            Self::NginxLua => nginx_modules().and_then(|_| installed("nginx")),
            Self::Haproxy => installed("haproxy"),
        }
    }
}

impl Server {
    /// Makes sure that it does what it is measured for: passes on what is genuine, and refuses what
    /// is forged if it is one of those that verify.
    pub(crate) fn check(&self) -> Result<(), Box<dyn Error>> {
        let genuine = Requests::signed_now(1, GATEWAY_BODY_LEN)[0].to_vec();
        let mut forged = Requests::signed_now(1, GATEWAY_BODY_LEN)[0].to_vec();
        // Within the padding, so that the body is an event still.
        let at = forged.len() - 10;
        forged[at] ^= 1;
        let refused = if self.kind.verifies() { 401 } else { 200 };
        for (what, request, expected) in [("genuine", genuine, 200), ("forged", forged, refused)] {
            let status = self.ask(&request)?;
            if status != expected {
                return Err(format!("{}: {status} for a {what} delivery, not {expected}", self.kind.name()).into());
            }
        }
        Ok(())
    }

    fn ask(&self, request: &[u8]) -> Result<u16, Box<dyn Error>> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(request)?;
        let (mut buffer, mut filled) = ([0; 16 * 1024], 0);
        loop {
            match stream.read(&mut buffer[filled..])? {
                0 => return Err(format!("{}: no answer", self.kind.name()).into()),
                read => filled += read,
            }
            if let Some(answer) = wire::response(&buffer[..filled])? {
                return Ok(answer.status);
            }
        }
    }
}

fn installed(program: &str) -> Option<PathBuf> {
    let folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];
    folders.iter().map(|folder| Path::new(folder).join(program)).find(|path| path.is_file())
}

/// Where nginx's Lua module lies, if it is installed.
fn nginx_modules() -> Option<PathBuf> {
    let folders = ["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/local/lib/nginx/modules"];
    folders.iter().map(PathBuf::from).find(|folder| folder.join("ngx_http_lua_module.so").is_file())
}
