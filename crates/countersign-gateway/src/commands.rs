//! The commands of the admin listener, under `/-/`: reload the configuration, and forget a message id.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use countersign::replay::ReplayKey;
use http::header::{ORIGIN, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};

use crate::admin_token::AdminToken;
use crate::reload::{Reload, ReloadError};
use crate::state::store::SourceStore;

/// Where the commands are.
pub const PREFIX: &str = "/-/";

/// Carries out commands.
pub struct Commands {
    reload: Reload,
    is_local: bool,
    scope: Arc<ArcSwap<Scope>>,
}

/// The parts of the running state that commands need.
pub struct Scope {
    /// The replay store of each source.
    pub stores: BTreeMap<String, SourceStore>,
    /// What a client has to know.
    pub token: Option<AdminToken>,
}

/// A status and the reason, for a response in plain text.
#[derive(Debug)]
struct Refusal(StatusCode, &'static str);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, why) = self;
        match status {
            StatusCode::UNAUTHORIZED => (status, [(WWW_AUTHENTICATE, "Bearer")], why).into_response(),
            _ => (status, why).into_response(),
        }
    }
}

impl Commands {
    /// Commands to this process. Without a token, they are accepted only if the listener `is_local`: on a loopback address.
    pub fn new(reload: Reload, is_local: bool, scope: Arc<ArcSwap<Scope>>) -> Self {
        Self { reload, is_local, scope }
    }

    /// The routes of `POST /-/reload` and `DELETE /-/sources/{source}/ids/{id}`.
    pub fn into_router(self) -> Router {
        let forget = async |State(commands): State<Arc<Self>>,
                            Path((source, id)): Path<(String, String)>,
                            headers: HeaderMap| commands.forget(&source, &id, &headers).await;
        Router::new()
            .route("/-/reload", post(Self::reload))
            .route("/-/sources/{source}/ids/{id}", delete(forget))
            .with_state(Arc::new(self))
    }

    async fn reload(State(commands): State<Arc<Self>>, headers: HeaderMap) -> Result<Response, Refusal> {
        is_allowed(commands.is_local, commands.scope.load().token.as_ref(), &headers)?;
        Ok(match commands.reload.request().await {
            Ok(warnings) => {
                let lines = std::iter::once("reloaded".to_owned()).chain(warnings);
                lines.map(|line| line + "\n").collect::<String>().into_response()
            }
            Err(error @ ReloadError::Rejected(_)) => {
                (StatusCode::UNPROCESSABLE_ENTITY, format!("{error}\n")).into_response()
            }
            Err(error @ ReloadError::Busy) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
        })
    }

    async fn forget(&self, source: &str, id: &str, headers: &HeaderMap) -> Result<&'static str, Refusal> {
        let scope = self.scope.load_full();
        is_allowed(self.is_local, scope.token.as_ref(), headers)?;
        let store = scope.stores.get(source).ok_or(Refusal(StatusCode::NOT_FOUND, "there is no such source\n"))?;
        let malformed = "this is not a message id: percent-encode it as one path segment\n";
        let key = ReplayKey::parse(source, id).map_err(|_| Refusal(StatusCode::BAD_REQUEST, malformed))?;
        let unavailable = Refusal(StatusCode::SERVICE_UNAVAILABLE, "the store is unavailable: try again\n");
        if !store.forget(&key).await.map_err(|_| unavailable)? {
            let why = "the source does not remember this id, or the message is being handled now\n";
            return Err(Refusal(StatusCode::NOT_FOUND, why));
        }
        tracing::info!(source, message_id = key.message_id().as_str(), "forgot a message id, as asked");
        Ok("forgotten\n")
    }
}

/// Whether a request with these headers may command.
fn is_allowed(is_local: bool, token: Option<&AdminToken>, headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.contains_key(ORIGIN) {
        return Err(Refusal(StatusCode::FORBIDDEN, "commands are not accepted from web pages\n"));
    }
    match token {
        Some(token) if token.is_known_to(headers) => Ok(()),
        Some(_) => Err(Refusal(StatusCode::UNAUTHORIZED, "send the token: `Authorization: Bearer TOKEN`\n")),
        None if is_local => Ok(()),
        None => {
            let why = "commands are accepted on a loopback address only: set `admin_token` in [server]\n";
            Err(Refusal(StatusCode::FORBIDDEN, why))
        }
    }
}
