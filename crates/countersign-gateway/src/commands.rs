//! The commands of the admin listener, under `/-/`: reload the configuration, and forget a message id.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use countersign::replay::ReplayKey;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};

use crate::admin_access::{Access, Refusal};
use crate::reload::{Reload, ReloadError};

/// Where the commands are.
pub const PREFIX: &str = "/-/";

/// Carries out commands.
pub struct Commands {
    reload: Reload,
    access: Access,
}

impl Commands {
    /// Commands to this process, from those that have `access`.
    pub fn new(reload: Reload, access: Access) -> Self {
        Self { reload, access }
    }

    /// The routes of `GET /-/openapi.json`, `POST /-/reload` and `DELETE /-/sources/{source}/ids/{id}`.
    pub fn into_router(self) -> Router {
        let forget = async |State(commands): State<Arc<Self>>,
                            Path((source, id)): Path<(String, String)>,
                            headers: HeaderMap| commands.forget(&source, &id, &headers).await;
        Router::new()
            .route("/-/openapi.json", get(openapi))
            .route("/-/reload", post(Self::reload))
            .route("/-/sources/{source}/ids/{id}", delete(forget))
            .with_state(Arc::new(self))
    }

    async fn reload(State(commands): State<Arc<Self>>, headers: HeaderMap) -> Result<Response, Refusal> {
        commands.access.command(&headers)?;
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
        let scope = self.access.command(headers)?;
        let unknown = || Refusal::new(StatusCode::NOT_FOUND, "there is no such source\n");
        let store = scope.stores.get(source).ok_or_else(unknown)?;
        let malformed = "this is not a message id: percent-encode it as one path segment\n";
        let key = ReplayKey::parse(source, id).map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, malformed))?;
        let unavailable = |_| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the store is unavailable: try again\n");
        if !store.forget(&key).await.map_err(unavailable)? {
            let why = "the source does not remember this id, or the message is being handled now\n";
            return Err(Refusal::new(StatusCode::NOT_FOUND, why));
        }
        tracing::info!(source, message_id = key.message_id().as_str(), "forgot a message id, as asked");
        Ok("forgotten\n")
    }
}

/// What the admin listener does, for programs. It is not confidential.
async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], include_str!("../openapi.json"))
}
