//! Forwards verified requests to an application, and returns its response.

use std::net::SocketAddr;

use bytes::Bytes;
use countersign_client::Client;
use countersign_explain::Capture;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, Request, Response, Uri};

/// Headers that concern one connection only, and those that the client sets itself.
const HOP_BY_HOP: [HeaderName; 12] = [
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HOST,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-authenticate"),
    HeaderName::from_static("proxy-authorization"),
    HeaderName::from_static("proxy-connection"),
];

/// Where requests are forwarded to.
pub(crate) struct Forward {
    client: Client,
    base: Uri,
}

impl Forward {
    /// Forwards to the paths below `base`.
    ///
    /// # Errors
    /// `base` has a query, or is the receiver itself.
    pub(crate) fn new(client: Client, base: Uri, listening: SocketAddr) -> Result<Self, String> {
        if base.query().is_some() {
            return Err("the query of each request is forwarded, so leave out the query here".into());
        }
        let host = base.host().unwrap_or_default();
        let is_here = host == "localhost" || host.trim_matches(['[', ']']).parse() == Ok(listening.ip());
        if is_here && base.port_u16() == Some(listening.port()) {
            return Err("this is the address of `--listen`: requests would be forwarded forever".into());
        }
        Ok(Self { client, base })
    }

    /// Forwards a request, and returns the response of the application.
    pub(super) async fn send(&self, uri: &Uri, capture: &Capture) -> Result<Response<Bytes>, String> {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = format!("{}{path}", self.base.path().trim_end_matches('/'));
        let mut target = self.base.clone().into_parts();
        target.path_and_query = Some(path.parse().map_err(|error| format!("the path cannot be forwarded: {error}"))?);
        let target = Uri::from_parts(target).map_err(|error| error.to_string())?;
        let mut request = Request::post(target).body(capture.body.clone()).map_err(|error| error.to_string())?;
        *request.headers_mut() = end_to_end(&capture.headers);
        let (mut head, body) = self.client.send(request).await.map_err(|error| error.to_string())?.into_parts();
        let body = body.bytes().await.map_err(|error| error.to_string())?;
        head.headers = end_to_end(&head.headers);
        let mut response = Response::new(body);
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        Ok(response)
    }
}

/// The headers without those that concern one connection only.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<_> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse::<HeaderName>().ok())
        .collect();
    let passes = |name: &HeaderName| !HOP_BY_HOP.contains(name) && !named.contains(name);
    let passing = headers.iter().filter(|(name, _)| passes(name));
    let mut kept = HeaderMap::new();
    for (name, value) in passing {
        kept.append(name, value.clone());
    }
    kept
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_headers_of_a_connection_are_not_forwarded() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("connection", "close, X-Own"), ("x-own", "1"), ("host", "a"), ("x-a", "1"), ("x-a", "2"), ("te", "x")]
        {
            headers.append(name, HeaderValue::from_static(value));
        }
        let kept = end_to_end(&headers);
        assert_eq!(kept.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(kept.len(), 2);
    }

    #[test]
    fn requests_are_not_forwarded_to_the_receiver_itself() {
        let listening = SocketAddr::from(([127, 0, 0, 1], 8788));
        let new = |base: &'static str| Forward::new(Client::builder().build(), Uri::from_static(base), listening);
        assert!(new("http://127.0.0.1:8788").is_err() && new("http://localhost:8788/x").is_err());
        assert!(new("http://127.0.0.1:3000/?a=b").is_err());
        assert!(new("http://127.0.0.1:3000/x").is_ok());
    }
}
