//! Who may send commands to the admin listener, and the parts of the running state that the commands need.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::response::{IntoResponse, Response};
use countersign_inbox::worker::SharedInbox;
use http::header::{HOST, ORIGIN, WWW_AUTHENTICATE};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::admin_token::AdminToken;
use crate::inbox::Destinations;
use crate::reconcile::Reconciler;
use crate::state::source::Source;
use crate::state::store::SourceStore;

const NAME_THIS_MACHINE: &str = "name this machine as an IP address or `localhost`, or set `admin_token` in [server]\n";

/// The parts of the running state that commands need.
pub struct Scope {
    /// The replay store of each source.
    pub stores: BTreeMap<String, SourceStore>,
    /// The sources, by name.
    pub sources: BTreeMap<String, Arc<Source>>,
    /// The inbox of all routes, if the store has one.
    pub inbox: Option<SharedInbox>,
    /// The destinations of the inbox.
    pub destinations: Destinations,
    /// What looks for the missing jobs of a route, by the name of the route.
    pub reconcilers: BTreeMap<String, Arc<Reconciler>>,
    /// What a client has to know.
    pub token: Option<AdminToken>,
}

/// Checks who sends a command. Clones share it.
#[derive(Clone)]
pub struct Access {
    is_local: bool,
    scope: Arc<ArcSwap<Scope>>,
}

/// A status and the reason, for a response in plain text.
#[derive(Debug)]
pub struct Refusal(pub StatusCode, pub Cow<'static, str>);

impl Refusal {
    /// With this status and reason.
    pub fn new(status: StatusCode, why: &'static str) -> Self {
        Self(status, Cow::Borrowed(why))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, why) = self;
        match status {
            StatusCode::UNAUTHORIZED => (status, [(WWW_AUTHENTICATE, "Bearer")], why).into_response(),
            _ => (status, why).into_response(),
        }
    }
}

impl Access {
    /// Without a token, commands are accepted only if the listener `is_local`: on a loopback address.
    pub fn new(is_local: bool, scope: Arc<ArcSwap<Scope>>) -> Self {
        Self { is_local, scope }
    }

    /// What a command may use, if a request with these headers may send one.
    pub fn command(&self, headers: &HeaderMap) -> Result<Arc<Scope>, Refusal> {
        let scope = self.scope.load_full();
        if is_from_another_site(headers) {
            return Err(Refusal::new(StatusCode::FORBIDDEN, "commands are not accepted from other web pages\n"));
        }
        // A web page whose name resolves to a loopback address has the same origin.
        if headers.contains_key(ORIGIN) && scope.token.is_none() && !is_for_this_machine(headers) {
            return Err(Refusal::new(StatusCode::FORBIDDEN, NAME_THIS_MACHINE));
        }
        match &scope.token {
            Some(token) if token.is_known_to(headers) => Ok(scope),
            Some(_) => Err(Refusal::new(StatusCode::UNAUTHORIZED, "send the token: `Authorization: Bearer TOKEN`\n")),
            None if self.is_local => Ok(scope),
            None => {
                let why = "commands are accepted on a loopback address only: set `admin_token` in [server]\n";
                Err(Refusal::new(StatusCode::FORBIDDEN, why))
            }
        }
    }

    /// What a query may use, if a request with these headers may read what is confidential.
    ///
    /// A web page whose name resolves to a loopback address can read responses, and its browser sends no `Origin`. So
    /// without a token, the request has to name the host as an address or as `localhost`.
    pub fn query(&self, headers: &HeaderMap) -> Result<Arc<Scope>, Refusal> {
        let scope = self.command(headers)?;
        if scope.token.is_none() && !is_for_this_machine(headers) {
            return Err(Refusal::new(StatusCode::FORBIDDEN, NAME_THIS_MACHINE));
        }
        Ok(scope)
    }
}

/// Whether a browser says that a page of another site sends this request. The inspector is the only page of this one.
fn is_from_another_site(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let is_other_site = !matches!(site, None | Some(b"same-origin" | b"none"));
    let is_other_origin = headers.get_all(ORIGIN).iter().any(|origin| {
        let authority = origin.as_bytes().split(|byte| *byte == b'/').nth(2);
        authority.is_none() || authority != headers.get(HOST).map(HeaderValue::as_bytes)
    });
    is_other_site || is_other_origin
}

fn is_for_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    host.is_some_and(|host| {
        let name = host.host();
        let address = name.trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    #[test]
    fn only_pages_of_the_same_origin_send_commands() {
        let is_other = |headers: &[(&'static str, &'static str)]| {
            let headers =
                headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            is_from_another_site(&headers.collect())
        };
        let host = ("host", "127.0.0.1:9901");
        assert!(!is_other(&[host]));
        assert!(!is_other(&[host, ("origin", "http://127.0.0.1:9901"), ("sec-fetch-site", "same-origin")]));
        assert!(!is_other(&[host, ("sec-fetch-site", "none")]));
        for origin in ["http://127.0.0.1:3000", "http://example.com", "null", "", "http://127.0.0.1:9901.example.com"] {
            assert!(is_other(&[host, ("origin", origin)]), "{origin}");
        }
        assert!(is_other(&[("origin", "http://127.0.0.1:9901")]));
        for site in ["cross-site", "same-site", ""] {
            assert!(is_other(&[host, ("sec-fetch-site", site)]), "{site}");
        }
    }

    #[test]
    fn only_addresses_and_localhost_name_this_machine() {
        for (host, expected) in [
            ("127.0.0.1:9901", true),
            ("[::1]:9901", true),
            ("localhost", true),
            ("LocalHost:9901", true),
            ("example.com:9901", false),
            ("127.0.0.1.example.com", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
            assert_eq!(is_for_this_machine(&headers), expected, "{host}");
        }
        assert!(!is_for_this_machine(&HeaderMap::new()));
    }
}
