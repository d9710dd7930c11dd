//! The proxy for requests, and the targets that bypass it.

use std::env;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

/// An HTTP proxy that opens tunnels (`CONNECT`), with optional Basic credentials. A clone is cheap.
///
/// Every request uses a tunnel, even with plain `http`, so the proxy cannot read requests to `https` targets. The
/// connection to the proxy is not encrypted, so its credentials can be read on the network. `Debug` redacts them.
#[derive(Clone)]
pub struct Proxy {
    matcher: Arc<Matcher>,
    shown: String,
}

impl Proxy {
    /// Parses `http://[user:password@]host[:port]`. The scheme may be omitted. Default port: 80. Credentials are
    /// percent-decoded. The proxy is used for all targets.
    ///
    /// # Errors
    /// Returns an error for text of another form, and for other kinds of proxies (`https`, `socks5`).
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        Self::new(text, |text| Matcher::builder().all(text).build())
    }

    /// Reads the proxy from `HTTPS_PROXY` or `https_proxy`. It is used for `https` targets, except those in `NO_PROXY` or
    /// `no_proxy`. Returns `None` if the variable is not set or is empty.
    ///
    /// # Errors
    /// Returns an error if [`parse`](Self::parse) rejects the variable. The client must not bypass a configured proxy.
    pub fn from_env() -> Result<Option<Self>, ProxyError> {
        let get = |names: [&'static str; 2]| {
            let set = names.into_iter().find_map(|name| Some((name, env::var_os(name)?)));
            let text = |(name, value): (&'static str, std::ffi::OsString)| {
                value.into_string().map_err(|_| ProxyError::NotText(name))
            };
            set.map(text).transpose()
        };
        let (proxy, direct) = (get(["HTTPS_PROXY", "https_proxy"])?, get(["NO_PROXY", "no_proxy"])?);
        Self::from_settings(proxy.as_deref(), direct.as_deref())
    }

    /// A proxy for `https` targets, except those in `direct`.
    fn from_settings(proxy: Option<&str>, direct: Option<&str>) -> Result<Option<Self>, ProxyError> {
        let Some(text) = proxy.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
        let direct = direct.unwrap_or_default();
        Self::new(text, |text| Matcher::builder().https(text).no(direct).build()).map(Some)
    }

    fn new(text: &str, matcher: impl FnOnce(&str) -> Matcher) -> Result<Self, ProxyError> {
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        if text.contains('#') {
            return Err(ProxyError::Malformed);
        }
        let uri: Uri = with_scheme.parse().map_err(|_| ProxyError::Malformed)?;
        let authority = uri.authority().ok_or(ProxyError::Malformed)?;
        if uri.scheme_str() != Some("http") {
            return Err(ProxyError::Scheme(uri.scheme_str().unwrap_or_default().to_owned()));
        }
        let host_and_port = authority.as_str().rsplit('@').next().unwrap_or_default();
        let port = host_and_port.strip_prefix(authority.host()).unwrap_or_default();
        let is_port = port.is_empty() || authority.port_u16().is_some_and(|port| port != 0);
        if authority.host().is_empty() || !is_port || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(ProxyError::Malformed);
        }
        // More than one `@` is ambiguous. In a password, it must be percent-encoded.
        let credentials = authority.as_str().rsplit_once('@').map_or("", |(credentials, _)| credentials);
        if credentials.contains('@') {
            return Err(ProxyError::Malformed);
        }
        let shown = format!("http://{host_and_port}");
        Ok(Self { matcher: Arc::new(matcher(&with_scheme)), shown })
    }

    /// The proxy for this target, or `None` for a direct connection.
    pub(crate) fn intercept(&self, target: &Uri) -> Option<Intercept> {
        self.matcher.intercept(target)
    }

    /// The address of the proxy, without credentials.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        Self::parse(text)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.shown)
    }
}

/// A text is not a valid proxy. The error never contains the text, which may include a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The text does not have the form of a proxy URL.
    #[error(
        "invalid proxy URL; use `http://host:port` or `http://user:password@host:port`, and percent-encode `@`, `:` and `/` in the password"
    )]
    Malformed,
    /// The proxy uses another protocol.
    #[error("unsupported proxy type `{0}`; use an `http` proxy, which tunnels with CONNECT")]
    Scheme(String),
    /// The environment variable is not UTF-8.
    #[error("the environment variable `{0}` is not UTF-8")]
    NotText(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &'static str) -> Uri {
        Uri::from_static(text)
    }

    #[test]
    fn accepts_http_proxies_and_hides_their_credentials() {
        for (text, uri, auth) in [
            ("http://proxy.example.com:3128", "http://proxy.example.com:3128/", None),
            ("proxy.example.com:3128", "http://proxy.example.com:3128/", None),
            ("http://10.0.0.1/", "http://10.0.0.1/", None),
            ("http://[::1]:3128", "http://[::1]:3128/", None),
            ("http://user:pa%40ss@p:1", "http://p:1/", Some("Basic dXNlcjpwYUBzcw==")),
            ("user:s3cret@p:1", "http://p:1/", Some("Basic dXNlcjpzM2NyZXQ=")),
        ] {
            let proxy = Proxy::parse(text).expect(text);
            for url in ["https://example.com/", "http://example.com/"] {
                let intercept = proxy.intercept(&target(url)).expect("every target goes through it");
                let found = intercept.basic_auth().map(|value| value.to_str().expect("ASCII"));
                assert_eq!((intercept.uri().to_string().as_str(), found), (uri, auth), "{text}");
            }
            let shown = format!("{proxy:?}");
            assert!(!shown.contains("user") && !shown.contains("cret") && !shown.contains("pa%40ss"), "{shown}");
        }
    }

    #[test]
    fn rejects_everything_else_and_never_repeats_it() {
        for text in [
            "",
            "http://",
            "http:///",
            "http://p:0",
            "http://p:99999",
            "http://p:",
            "http://p/path",
            "http://p?q",
            "http://p#f",
            "a b",
            "http://u:p@ss@p:1",
        ] {
            assert_eq!(Proxy::parse(text).err(), Some(ProxyError::Malformed), "{text}");
        }
        for scheme in ["https", "socks5", "ftp"] {
            let error = Proxy::parse(&format!("{scheme}://user:s3cret@p:1")).expect_err(scheme);
            assert_eq!(error, ProxyError::Scheme(scheme.into()));
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn the_environment_sets_a_proxy_for_https_alone_and_names_what_bypasses_it() {
        let settings = |proxy, direct| Proxy::from_settings(proxy, direct);
        assert!(settings(None, None).is_ok_and(|proxy| proxy.is_none()));
        assert!(settings(Some(" "), Some("*")).is_ok_and(|proxy| proxy.is_none()));
        let proxy = settings(Some("p:3128"), Some("internal.example, 10.0.0.0/8")).expect("settings").expect("a proxy");
        assert!(proxy.intercept(&target("https://example.com/")).is_some());
        for direct in ["http://example.com/", "https://a.internal.example/", "https://10.1.2.3/"] {
            assert!(proxy.intercept(&target(direct)).is_none(), "{direct}");
        }
        // An invalid proxy is an error. It must not be bypassed.
        for unusable in ["socks5://p:1", "http://p:0", "nonsense here"] {
            assert!(settings(Some(unusable), None).is_err(), "{unusable}");
        }
    }
}
