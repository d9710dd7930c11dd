//! `service WHO PORT`: an axum service that takes deliveries, on one thread. `WHO` verifies them: `nobody`,
//! `layer` (countersign-tower, as it comes), or a crate in the handler: `standardwebhooks` or `svix`.

use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use countersign::replay::MemoryStore;
use countersign_benches::deliveries::{SECRET, verifier};
use countersign_tower::VerifyLayer;
use tokio::net::TcpListener;

/// More than a run sends: a full store refuses.
const IDS: usize = 10_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [who, port] = &arguments[..] else {
        return Err("usage: service nobody|layer|standardwebhooks|svix PORT".into());
    };
    let routes = Router::new().route("/webhook", post(receive));
    let app = match who.as_str() {
        "nobody" => routes,
        "layer" => {
            let store = Arc::new(MemoryStore::builder().capacity(IDS).build());
            routes.layer(VerifyLayer::new(verifier()).store(store))
        }
        "standardwebhooks" => {
            let webhook = Arc::new(standardwebhooks::Webhook::new(SECRET)?);
            verifying(move |headers, body| webhook.verify(body, headers).is_ok())
        }
        "svix" => {
            let webhook = Arc::new(svix::webhooks::Webhook::new(SECRET)?);
            verifying(move |headers, body| webhook.verify(body, headers).is_ok())
        }
        _ => return Err(format!("nobody knows how {who} verifies").into()),
    };
    let port = port.parse()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        Ok(axum::serve(listener, app).await?)
    })
}

async fn receive(_: Bytes) -> StatusCode {
    StatusCode::OK
}

/// A service whose handler verifies.
fn verifying(is_authentic: impl Fn(&HeaderMap, &[u8]) -> bool + Clone + Send + Sync + 'static) -> Router {
    let handler = async move |headers: HeaderMap, body: Bytes| {
        if is_authentic(&headers, &body) { receive(body).await } else { StatusCode::UNAUTHORIZED }
    };
    Router::new().route("/webhook", post(handler))
}
