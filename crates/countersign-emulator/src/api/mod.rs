//! The API: `WebhookService` and jobs as the SDKs call them, the key set, and `/_emulator`.

mod batches;
mod call;
mod control;
mod error;
mod fields;
mod files;
mod guard;
mod handler;
mod inspector;
mod interactions;
mod page;
mod query;
mod uploads;
mod videos;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use http::Uri;
use http::header::{CACHE_CONTROL, HeaderValue};

use crate::job::bucket::BUCKET;
use crate::shared::{JWKS_PATH, Shared};
use error::ApiError;
use handler::{Reply, project, shared as with_shared, world};

/// How long a receiver may cache the key set.
const JWKS_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The whole API as a service.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let upload = post(with_shared(|shared, input, ()| uploads::upload(shared, &input)));
    Router::new()
        .route(JWKS_PATH, get(key_set))
        .merge(control::routes())
        .merge(inspector::routes())
        .route(
            "/download/v1/files/{*path}",
            get(project(|call, project, path: String| files::download(call, project, &path))),
        )
        .route(
            "/download/v1beta/files/{*path}",
            get(project(|call, project, path: String| files::download(call, project, &path))),
        )
        .route("/upload/v1/files", upload.clone())
        .route(uploads::PATH, upload)
        .merge(bucket())
        .nest("/v1", resources())
        .nest("/v1beta", resources())
        .fallback(nothing_here)
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(from_fn_with_state(Arc::clone(&shared), guard::guard))
        .with_state(shared)
}

async fn key_set(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    ([(CACHE_CONTROL, JWKS_CACHE)], Reply::Json(shared.world().0.keys.document()))
}

/// The bucket that events name, as the clients of Cloud Storage call it (`STORAGE_EMULATOR_HOST`).
fn bucket() -> Router<Arc<Shared>> {
    let object = world(|call, (bucket, name): (String, String)| files::object(call, &bucket, &name));
    let content = world(|call, (bucket, name): (String, String)| files::object_content(call, &bucket, &name));
    let by_address = world(|call, name: String| files::object_content(call, BUCKET, &name));
    Router::new()
        .route("/storage/v1/b/{bucket}/o/{name}", get(object))
        .route("/download/storage/v1/b/{bucket}/o/{name}", get(content))
        .route(&format!("/{BUCKET}/{{name}}"), get(by_address))
}

/// The resources of a project. Where a verb follows an id (`{id}:ping`), one route serves all verbs.
fn resources() -> Router<Arc<Shared>> {
    let webhook = get(project(|call, project, id: String| webhooks::get(call, project, &id)))
        .patch(project(|call, project, id: String| webhooks::update(call, project, &id)))
        .delete(project(|call, project, id: String| webhooks::delete(call, project, &id)))
        .post(project(|call, project, id: String| webhooks::verb(call, project, &id)));
    let interaction = get(project(|call, project, id: String| interactions::get(call, project, &id)))
        .delete(project(|call, project, id: String| interactions::delete(call, project, &id)));
    let batch = get(project(|call, project, id: String| batches::get(call, project, &id)))
        .delete(project(|call, project, id: String| batches::delete(call, project, &id)))
        .post(project(|call, project, id: String| batches::verb(call, project, &id)));
    let operation = project(|call, project, (model, id): (String, String)| videos::get(call, project, &model, &id));
    Router::new()
        .route(
            "/webhooks",
            get(project(|call, project, ()| webhooks::list(call, project)))
                .post(project(|call, project, ()| webhooks::create(call, project))),
        )
        .route("/webhooks/{id}", webhook)
        .route(
            "/webhooks/{id}/rotate_secret",
            post(project(|call, project, id: String| webhooks::rotate(call, project, &id))),
        )
        // A client that was given the full name, `webhooks/{id}`, as the id.
        .route("/webhooks/webhooks/{id}", any(async || webhooks::full_name()))
        .route("/interactions", post(project(|call, project, ()| interactions::create(call, project))))
        .route("/interactions/{id}", interaction)
        .route(
            "/interactions/{id}/cancel",
            post(project(|call, project, id: String| interactions::cancel(call, project, &id))),
        )
        .route(
            "/models/{model}",
            post(project(|call, project, model: String| match model.split_once(':') {
                Some((model, "batchGenerateContent")) => batches::create(call, project, model),
                Some((model, "predictLongRunning")) => videos::create(call, project, model),
                Some((_, verb)) => Err(call::no_verb(verb)),
                None => Err(ApiError::no_post("")),
            })),
        )
        .route("/models/{model}/operations/{id}", get(operation))
        .route("/batches", get(project(|call, project, ()| batches::list(call, project))))
        .route("/batches/{id}", batch)
        .route("/files", get(project(|call, project, ()| files::list(call, project))))
        .route(
            "/files/{*path}",
            get(project(|call, project, path: String| files::get(call, project, &path)))
                .delete(project(|call, project, path: String| files::delete(call, project, &path))),
        )
        .fallback(async || {
            ApiError::not_found("the emulator only has webhooks, interactions, batches, videos and files")
        })
}

async fn nothing_here(uri: Uri) -> ApiError {
    ApiError::not_found(format!(
        "there is nothing at {}: the API is under /v1 and /v1beta, and the emulator's own control under /_emulator",
        uri.path()
    ))
}
