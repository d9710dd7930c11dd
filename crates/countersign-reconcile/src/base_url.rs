//! Where the API is.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;

/// The address of the Gemini API, as it is configured in an SDK. Default: `https://generativelanguage.googleapis.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(String);

/// A text is not the address of an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BaseUrlError {
    /// The text is not a URL, or has a user name, a query or a fragment.
    #[error("this is not a base URL; write one like \"https://generativelanguage.googleapis.com\"")]
    Malformed,
    /// The API key would be sent unencrypted.
    #[error("the API key would be sent unencrypted: use https, or http to a loopback address")]
    Insecure,
}

impl Default for BaseUrl {
    fn default() -> Self {
        Self("https://generativelanguage.googleapis.com".to_owned())
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    /// Parses a URL: https, or http to a loopback address. A path is kept, and a slash at its end is ignored.
    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        let uri: Uri = text.parse().map_err(|_| BaseUrlError::Malformed)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(BaseUrlError::Malformed);
        };
        let is_plain = !authority.as_str().contains('@') && !authority.host().is_empty();
        if !is_plain || uri.query().is_some() || text.contains('#') {
            return Err(BaseUrlError::Malformed);
        }
        match scheme {
            "https" => {}
            "http" if is_loopback(authority.host()) => {}
            "http" => return Err(BaseUrlError::Insecure),
            _ => return Err(BaseUrlError::Malformed),
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_sent_encrypted_or_to_this_machine() {
        for (text, expected) in [
            ("https://api.example.com", Ok("https://api.example.com")),
            ("https://api.example.com/proxy/", Ok("https://api.example.com/proxy")),
            ("http://127.0.0.1:8790", Ok("http://127.0.0.1:8790")),
            ("http://[::1]:8790/", Ok("http://[::1]:8790")),
            ("http://localhost:1", Ok("http://localhost:1")),
            ("http://api.example.com", Err(BaseUrlError::Insecure)),
            ("http://127.0.0.1.example.com", Err(BaseUrlError::Insecure)),
            ("https://user@api.example.com", Err(BaseUrlError::Malformed)),
            ("https://api.example.com?key=x", Err(BaseUrlError::Malformed)),
            ("https://api.example.com/#x", Err(BaseUrlError::Malformed)),
            ("ftp://127.0.0.1", Err(BaseUrlError::Malformed)),
            ("api.example.com", Err(BaseUrlError::Malformed)),
        ] {
            let parsed = text.parse().map(|BaseUrl(text)| text);
            assert_eq!(parsed, expected.map(str::to_owned), "{text}");
        }
    }
}
