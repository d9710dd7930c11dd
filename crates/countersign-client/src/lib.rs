//! The one outgoing HTTP client of countersign: HTTP/1.1, over TLS for `https`.
//!
//! Every request has a time limit and a size limit. Redirects are returned, not followed. TLS trusts the Mozilla root
//! certificates that are compiled in, or a [`CaBundle`] instead, but never the certificate store of the machine. A
//! container without certificates therefore behaves like a laptop, and an intercepting proxy is trusted only if its CA is
//! configured. Environment variables are read only by [`Proxy::from_env`].
//!
//! The caller decides which URLs may be requested, and whether plain `http` is allowed.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use countersign_client::{CaBundle, Client, Proxy};
//! use http::Request;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder()
//!     .ca(CaBundle::from_pem(&std::fs::read("company-ca.pem")?)?)
//!     .proxy(Some(Proxy::parse("http://user:password@proxy.example.com:3128")?))
//!     .timeout(Duration::from_secs(5))
//!     .build();
//! let response = client.send(Request::get("https://keys.example.com/jwks.json").body(Bytes::new())?).await?;
//! if response.status().is_success() {
//!     println!("{} bytes", response.into_body().bytes().await?.len());
//! }
//! # Ok(())
//! # }
//! ```

#![deny(missing_docs)]

mod body;
mod ca;
mod client;
mod connect;
mod error;
mod proxy;

pub use body::ResponseBody;
pub use ca::{CaBundle, CaError};
pub use client::{Client, ClientBuilder};
pub use error::Error;
pub use proxy::{Proxy, ProxyError};
