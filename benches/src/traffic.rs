//! How deliveries are sent to a server.

use serde::{Deserialize, Serialize};

/// The bodies that the gateways get have the size of a typical thin event.
pub const GATEWAY_BODY_LEN: usize = 252;

/// The traffic of one scenario. Everything that is not stated is as in [`Traffic::PLAIN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// The length of each body, in bytes.
    pub body_len: usize,
    /// How a request is written to its connection.
    pub writes: Writes,
    /// How long a connection lasts.
    pub connections: Connections,
    /// Requests per second. `None` sends the next request on a connection when the last one was answered.
    pub rate: Option<u32>,
    /// The protocol of the connections.
    pub protocol: Protocol,
    /// Whether the signatures do not match, so that each delivery must be rejected.
    pub forged: bool,
    /// Whether the head also has a signature of the body alone, in the form of GitHub.
    pub body_signature: bool,
    /// The number of deliveries that are signed in advance for each second. A faster server ends its turn early.
    pub prepared_per_second: u32,
}

/// The protocol of the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    /// HTTP/1.1 in plain text.
    Http1,
    /// HTTP/1.1 over TLS 1.3, with a whole handshake for each connection.
    Https,
    /// HTTP/2 in plain text, known beforehand.
    H2c,
    /// HTTP/2 over TLS 1.3.
    H2,
}

impl Protocol {
    /// Whether connections begin with TLS.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::H2)
    }

    /// Whether it is HTTP/2.
    pub fn is_http2(self) -> bool {
        matches!(self, Self::H2c | Self::H2)
    }
}

/// How a request is written to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Writes {
    /// The head and the body in one write.
    Together,
    /// The head first. The body follows after all responses that have arrived are read.
    HeadThenBody,
}

/// How long a connection lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Connections {
    /// For as many requests as the server allows.
    KeptAlive,
    /// For one request, which says `Connection: close`.
    OnePerRequest,
}

impl Traffic {
    /// Authentic deliveries of a typical size, in one write each, on connections that are kept alive.
    pub const PLAIN: Self = Self {
        body_len: GATEWAY_BODY_LEN,
        writes: Writes::Together,
        connections: Connections::KeptAlive,
        rate: None,
        protocol: Protocol::Http1,
        forged: false,
        body_signature: false,
        prepared_per_second: 200_000,
    };

    /// Whether a response with this status is the right one.
    pub fn expects(&self, status: u16) -> bool {
        if self.forged { status == 401 } else { (200..300).contains(&status) }
    }
}

/// The argument of the load generator, as JSON.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// What is sent.
    pub traffic: Traffic,
    /// The number of connections. Each has at most one request in flight.
    pub connections: u32,
    /// For how long requests are sent.
    pub millis: u32,
    /// Whether the load generator polls without sleeping, which takes a core of its own.
    pub awake: bool,
}
