//! The URL of a key set.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use http::Uri;

/// The URL of a JWKS document: https, or http to this machine.
///
/// It must come from configuration, never from a request: whoever chooses it can sign anything.
///
/// ```
/// use countersign_jwks::JwksUrl;
///
/// let url = JwksUrl::parse("https://generativelanguage.googleapis.com/.well-known/jwks.json")?;
/// assert!(JwksUrl::parse("http://generativelanguage.googleapis.com/.well-known/jwks.json").is_err());
/// # Ok::<(), countersign_jwks::url::JwksUrlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JwksUrl {
    uri: Uri,
    is_https: bool,
}

impl JwksUrl {
    /// Parses a URL.
    ///
    /// # Errors
    /// Returns an error unless the URL is https, or http to a loopback address, and has neither a user name nor a
    /// fragment.
    pub fn parse(text: &str) -> Result<Self, JwksUrlError> {
        // The parser silently drops a fragment.
        if text.contains('#') {
            return Err(JwksUrlError::Fragment);
        }
        let uri: Uri = text.parse().map_err(|_| JwksUrlError::Malformed)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(JwksUrlError::Malformed);
        };
        let is_https = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(JwksUrlError::Scheme),
        };
        if authority.as_str().contains('@') {
            return Err(JwksUrlError::UserInfo);
        }
        let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
        if authority.host().is_empty() || !port.is_empty() && authority.port_u16().is_none_or(|port| port == 0) {
            return Err(JwksUrlError::Malformed);
        }
        if !is_https && !is_loopback(authority.host()) {
            return Err(JwksUrlError::Insecure);
        }
        Ok(Self { uri, is_https })
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(crate) fn is_https(&self) -> bool {
        self.is_https
    }
}

/// Only canonical addresses count. A resolver also accepts other spellings, for example `127.1`.
fn is_loopback(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(host) => host.parse().is_ok_and(|address: Ipv6Addr| address.is_loopback()),
        None => {
            host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
        }
    }
}

impl fmt::Display for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

impl FromStr for JwksUrl {
    type Err = JwksUrlError;

    fn from_str(text: &str) -> Result<Self, JwksUrlError> {
        Self::parse(text)
    }
}

/// A text is not a valid key set URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwksUrlError {
    /// The text is not an absolute URL.
    #[error("invalid URL; use the form `https://host/path`")]
    Malformed,
    /// The scheme is neither https nor http.
    #[error("a key set must be fetched over https")]
    Scheme,
    /// The scheme is http, and the host is not this machine.
    #[error(
        "a key set must be fetched over https, because anyone on the network could replace the keys \
         (http is allowed for 127.0.0.0/8, [::1] and localhost)"
    )]
    Insecure,
    /// The URL has a user name or a password.
    #[error("the URL of a key set must not have a user name or password")]
    UserInfo,
    /// The URL has a fragment.
    #[error("the URL of a key set must not have a fragment (`#`)")]
    Fragment,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_https_and_http_to_this_machine() {
        let good = [
            "https://generativelanguage.googleapis.com/.well-known/jwks.json",
            "https://example.com",
            "HTTPS://example.com:8443/keys?v=1",
            "https://[2001:db8::1]/keys",
            "http://127.0.0.1:8080/keys",
            "http://127.250.3.9/keys",
            "http://[::1]:8080/keys",
            "http://localhost:8080/keys",
            "http://LocalHost/keys",
        ];
        for text in good {
            assert!(JwksUrl::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn rejects_everything_else_and_says_why() {
        use JwksUrlError::{Fragment, Insecure, Malformed, Scheme, UserInfo};
        let bad = [
            ("", Malformed),
            ("/keys", Malformed),
            ("example.com", Malformed),
            ("https://", Malformed),
            ("https:///keys", Malformed),
            ("https://example.com:0/keys", Malformed),
            ("https://example.com:/keys", Malformed),
            ("https://example.com:99999/keys", Malformed),
            ("https://exa mple.com/", Malformed),
            ("ftp://example.com/keys", Scheme),
            ("file:///etc/keys.json", Malformed),
            ("http://example.com/keys", Insecure),
            ("http://127.1/keys", Insecure),
            ("http://2130706433/keys", Insecure),
            ("http://0x7f000001/keys", Insecure),
            ("http://0.0.0.0/keys", Insecure),
            ("http://[::ffff:127.0.0.1]/keys", Insecure),
            ("http://[::]/keys", Insecure),
            ("http://localhost.example.com/keys", Insecure),
            ("http://127.0.0.1.example.com/keys", Insecure),
            ("http://localhost@example.com/keys", UserInfo),
            ("https://user:password@example.com/keys", UserInfo),
            ("https://example.com/keys#key-1", Fragment),
            ("http://example.com#@localhost/", Fragment),
        ];
        for (text, why) in bad {
            assert_eq!(JwksUrl::parse(text), Err(why), "{text}");
        }
    }
}
