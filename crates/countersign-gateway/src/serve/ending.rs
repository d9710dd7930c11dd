//! Why a connection is closed, or a request is rejected, before it reaches the service.

use bytes::Bytes;
use countersign_tower::reject::problem;
use http::header::{CONNECTION, CONTENT_LENGTH, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

use super::proxy_header::ProxyHeader;

/// Why the server closed a connection, or rejected a request before the service was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// hyper could not parse the request. It has sent 400 or 414 without a body.
    Malformed,
    /// The head did not arrive in time.
    HeadTimeout,
    /// The head is longer than [`MAX_HEAD`](super::MAX_HEAD).
    HeadTooLarge,
    /// The memory budget has no room for the head.
    OverBudget,
    /// No request arrived in time, or none was in progress for too long.
    IdleTimeout,
    /// The client did not read a response for too long.
    WriteTimeout,
    /// The connection did not begin with a valid header of the PROXY protocol, on a listener that requires one.
    MalformedProxyHeader,
    /// A request in plain text arrived on a listener with TLS.
    PlainOnTls,
    /// A TLS handshake arrived on a listener without TLS.
    TlsOnPlain,
    /// A header of the PROXY protocol arrived on a listener that does not expect one.
    UnexpectedProxyHeader,
    /// The client has as many connections as it may.
    ClientConnections,
    /// The TLS handshake failed, or the client ended it.
    TlsHandshake,
    /// The TLS handshake was not complete in time.
    TlsHandshakeTimeout,
}

impl Ending {
    /// The stable name, in snake case.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed_request",
            Self::HeadTimeout => "head_timeout",
            Self::HeadTooLarge => "head_too_large",
            Self::OverBudget => "over_budget",
            Self::IdleTimeout => "idle_timeout",
            Self::WriteTimeout => "write_timeout",
            Self::MalformedProxyHeader => "malformed_proxy_header",
            Self::PlainOnTls => "plain_on_tls",
            Self::TlsOnPlain => "tls_on_plain",
            Self::UnexpectedProxyHeader => "unexpected_proxy_header",
            Self::ClientConnections => "client_connections",
            Self::TlsHandshake => "tls_handshake",
            Self::TlsHandshakeTimeout => "tls_handshake_timeout",
        }
    }

    /// Whether a request was rejected, rather than a connection closed.
    pub const fn is_rejection(self) -> bool {
        !matches!(
            self,
            Self::IdleTimeout
                | Self::WriteTimeout
                | Self::ClientConnections
                | Self::TlsHandshake
                | Self::TlsHandshakeTimeout
        )
    }

    /// The status of the response that the client has got, or was to get. `None` if the connection is closed without one.
    pub const fn status(self) -> Option<StatusCode> {
        match self {
            Self::Malformed | Self::PlainOnTls | Self::TlsOnPlain | Self::UnexpectedProxyHeader => {
                Some(StatusCode::BAD_REQUEST)
            }
            Self::HeadTimeout => Some(StatusCode::REQUEST_TIMEOUT),
            Self::HeadTooLarge => Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
            Self::OverBudget => Some(StatusCode::SERVICE_UNAVAILABLE),
            Self::IdleTimeout
            | Self::WriteTimeout
            | Self::MalformedProxyHeader
            | Self::ClientConnections
            | Self::TlsHandshake
            | Self::TlsHandshakeTimeout => None,
        }
    }

    /// What an operator should change, if it is probably not the client's fault.
    pub const fn hint(self) -> Option<&'static str> {
        match self {
            Self::PlainOnTls => Some("the client speaks plain HTTP: its URL should begin with https"),
            Self::TlsOnPlain => Some("the client speaks TLS: add `tls` to this listener, or use a URL with http"),
            Self::UnexpectedProxyHeader => {
                Some("the client speaks the PROXY protocol: add `proxy_protocol = true` to this listener")
            }
            Self::MalformedProxyHeader => {
                Some("the client does not speak the PROXY protocol: turn it on there, or off for this listener")
            }
            _ => None,
        }
    }

    /// Why HTTP cannot follow these first bytes of a connection, if they show that.
    pub(super) fn of_first_bytes(bytes: &[u8]) -> Option<Self> {
        const TLS_HANDSHAKE: &[u8] = &[0x16, 0x03];
        match bytes {
            _ if bytes.starts_with(TLS_HANDSHAKE) => Some(Self::TlsOnPlain),
            _ if ProxyHeader::starts(bytes) => Some(Self::UnexpectedProxyHeader),
            _ => None,
        }
    }

    /// The response, for endings that have one.
    pub(super) fn response(self) -> Response<Bytes> {
        let detail = match self {
            Self::HeadTooLarge => "the request line and headers are longer than 64 KiB",
            Self::OverBudget => "too much data is being received; try again later",
            Self::HeadTimeout => "the request line and headers did not arrive in time",
            Self::PlainOnTls => "the request is in plain text, and this port is for TLS: use https",
            Self::TlsOnPlain => "this port is not for TLS: use http",
            Self::UnexpectedProxyHeader => "this port does not expect the PROXY protocol",
            // All but the first are closed without a response.
            Self::Malformed
            | Self::IdleTimeout
            | Self::WriteTimeout
            | Self::MalformedProxyHeader
            | Self::ClientConnections
            | Self::TlsHandshake
            | Self::TlsHandshakeTimeout => "the request is not valid HTTP",
        };
        let status = self.status().unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = problem::response(status, self.code(), detail);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }

    /// The response as bytes of HTTP/1.1, with `Connection: close`.
    pub(super) fn to_http1(self) -> Vec<u8> {
        let mut response = self.response();
        let length = HeaderValue::from(response.body().len());
        response.headers_mut().insert(CONTENT_LENGTH, length);
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        let mut bytes = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
        for (name, value) in response.headers() {
            bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(response.body());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_on_the_wire_is_whole() {
        let text = String::from_utf8(Ending::HeadTimeout.to_http1()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{head}");
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
        assert!(head.ends_with("connection: close") && body.contains("\"code\":\"head_timeout\""), "{text}");
    }
}
