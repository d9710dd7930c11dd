//! `--health`: asks a running gateway whether it is healthy, for container engines.

use std::fmt;
use std::io;
use std::time::Duration;

use http::Uri;
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::time::timeout;

/// How long the whole check may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The part of a response that is read, in bytes. The status line is at its beginning.
const MAX_HEAD: usize = 1024;

/// Sends `GET` for this URL, and expects a status from 200 to 299.
///
/// # Errors
///
/// The URL cannot be used, there is no response, or it has another status.
pub fn check(url: &str) -> Result<(), HealthError> {
    let target = Target::parse(url)?;
    let failed = |error| HealthError::NoResponse { url: url.to_owned(), error };
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let response = runtime.block_on(async { timeout(LIMIT, target.response()).await });
    let response = response.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(failed)?;
    match status(&response) {
        Some(200..=299) => Ok(()),
        Some(status) => Err(HealthError::Status { url: url.to_owned(), status }),
        None => Err(failed(io::Error::new(io::ErrorKind::InvalidData, "it is not an HTTP/1 response"))),
    }
}

/// Where the request goes.
#[derive(Debug)]
struct Target {
    host: String,
    port: u16,
    path: String,
}

impl Target {
    fn parse(url: &str) -> Result<Self, HealthError> {
        let uri: Option<Uri> = url.parse().ok().filter(|uri: &Uri| uri.scheme_str() == Some("http"));
        let parts = uri.as_ref().and_then(|uri| Some((uri.host()?, uri.path_and_query()?)));
        let ((host, path), uri) = parts.zip(uri.as_ref()).ok_or(HealthError::Url)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Ok(Self { host: host.to_owned(), port: uri.port_u16().unwrap_or(80), path: path.to_string() })
    }

    /// The beginning of the response.
    async fn response(&self) -> io::Result<Vec<u8>> {
        let Self { host, port, path } = self;
        let stream = TcpStream::connect((host.as_str(), *port)).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n");
        let mut left = request.as_bytes();
        while !left.is_empty() {
            stream.writable().await?;
            if let Some(written) = unless_blocked(stream.try_write(left))? {
                left = left.get(written..).unwrap_or_default();
            }
        }
        let mut response = Vec::with_capacity(MAX_HEAD);
        while response.len() < MAX_HEAD && !response.contains(&b'\n') {
            stream.readable().await?;
            let mut part = [0; MAX_HEAD];
            match unless_blocked(stream.try_read(&mut part))? {
                Some(0) => break,
                Some(read) => response.extend_from_slice(part.get(..read).unwrap_or_default()),
                None => {}
            }
        }
        Ok(response)
    }
}

fn unless_blocked(done: io::Result<usize>) -> io::Result<Option<usize>> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        done => done.map(Some),
    }
}

/// The status of a response that begins like this.
fn status(response: &[u8]) -> Option<u16> {
    let line = response.split(|byte| *byte == b'\n').next()?;
    let rest = str::from_utf8(line).ok()?.strip_prefix("HTTP/1.")?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Why a gateway does not count as healthy.
#[derive(Debug)]
pub enum HealthError {
    /// The URL cannot be used.
    Url,
    /// There was no response.
    NoResponse {
        /// The URL.
        url: String,
        /// Why not.
        error: io::Error,
    },
    /// The response has another status.
    Status {
        /// The URL.
        url: String,
        /// The status.
        status: u16,
    },
}

impl fmt::Display for HealthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str(
                "the URL of --health is invalid: name a path of the admin listener, like http://127.0.0.1:9901/healthz",
            ),
            Self::NoResponse { url, error } => {
                write!(f, "{url}: no response ({error}): compare the address with `admin` in [server]")
            }
            Self::Status { url, status } => write!(f, "{url}: the status is {status}"),
        }
    }
}

impl std::error::Error for HealthError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_host_and_perhaps_a_port_and_a_path() {
        for (url, host, port, path) in [
            ("http://127.0.0.1:9901/healthz", "127.0.0.1", 9901, "/healthz"),
            ("http://[::1]:9901/readyz?a", "::1", 9901, "/readyz?a"),
            ("http://localhost", "localhost", 80, "/"),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!((target.host.as_str(), target.port, target.path.as_str()), (host, port, path));
        }
        for url in ["", "127.0.0.1:9901", "/healthz", "https://127.0.0.1:9901/healthz", "http://"] {
            assert!(matches!(Target::parse(url), Err(HealthError::Url)), "{url}");
        }
    }

    #[test]
    fn the_status_is_in_the_first_line() {
        assert_eq!(status(b"HTTP/1.1 200 OK\r\nA: b"), Some(200));
        assert_eq!(status(b"HTTP/1.0 503\r\n"), Some(503));
        for other in [&b""[..], b"HTTP/1.1", b"HTTP/2 200\r\n", b"SSH-2.0\r\n", b"\xff\n"] {
            assert_eq!(status(other), None);
        }
    }
}
