//! `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`.

use http::{HeaderMap, HeaderName};

use super::chain::{self, Found, Malformed, Networks, Node};
use crate::connection::Client;
use crate::list::elements;

static FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// The client that these headers tell of, if there are any.
pub(super) fn read(headers: &HeaderMap, trusted: &Networks) -> Result<Option<Client>, Malformed> {
    if ![&FOR, &PROTO, &HOST, &PORT].into_iter().any(|name| headers.contains_key(name)) {
        return Ok(None);
    }
    let found = chain::find(elements(headers, &FOR).rev().map(Node::parse), trusted)?;
    let hops = elements(headers, &FOR).count();
    let fact = |name: &HeaderName| at(headers, name, found, hops);
    let scheme = fact(&PROTO).map(chain::scheme).transpose()?;
    let (host, port_of_host) = fact(&HOST).map(chain::host).transpose()?.unzip();
    let port = fact(&PORT).map(chain::port).transpose()?.or(port_of_host.flatten());
    Ok(Some(Client { address: found.and_then(|found| found.address), scheme, host, port }))
}

/// The element of this header that belongs to the client. If there are as many as addresses, each proxy has added one.
/// Otherwise the last one is that of the proxy in front.
fn at<'a>(headers: &'a HeaderMap, name: &HeaderName, found: Option<Found>, hops: usize) -> Option<&'a [u8]> {
    let position = found.filter(|_| elements(headers, name).count() == hops).map_or(0, |found| found.position);
    elements(headers, name).rev().nth(position)
}
