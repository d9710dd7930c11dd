//! The inspector: a page that shows what the emulator sends, and the webhooks that it lists.
//!
//! The page is static. Its scripts use `/_emulator`, as everybody else does.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::call::{self, Call};
use super::error::ApiError;
use super::handler::world;
use super::webhooks;
use crate::shared::{INSPECTOR_PATH, Shared};

pub(super) fn routes() -> Router<Arc<Shared>> {
    let scripts = [
        ("main.js", include_str!("../page/main.js")),
        ("controls.js", include_str!("../page/controls.js")),
        ("deliveries.js", include_str!("../page/deliveries.js")),
        ("webhooks.js", include_str!("../page/webhooks.js")),
    ];
    countersign_page::router(INSPECTOR_PATH, include_str!("../page/index.html"), &scripts)
        .route("/_emulator/webhooks", get(world(|call, ()| Ok(list(call)))))
        .route(
            "/_emulator/webhooks/{project}/{id}",
            post(world(|call, (project, id): (u64, String)| verb(call, project, &id))),
        )
}

/// The webhooks of all projects.
fn list(call: &Call<'_>) -> Value {
    let projects = &call.world.projects;
    let of_project = |project| {
        let webhooks = projects.webhooks(project).iter();
        webhooks.map(move |(_, webhook)| json!({ "project": project.number(), "resource": webhook.resource(call.now) }))
    };
    json!({ "webhooks": projects.all().flat_map(of_project).collect::<Vec<_>>() })
}

/// `{project}/{id}:rotate_secret`, without the API key of the project.
fn verb(call: &mut Call<'_>, project: u64, id: &str) -> Result<Value, ApiError> {
    let found = call.world.projects.numbered(project);
    let project = found.ok_or_else(|| ApiError::not_found(format!("there is no project {project}")))?;
    match id.split_once(':') {
        Some((id, "rotate_secret")) => webhooks::rotate(call, project, id),
        Some((_, verb)) => Err(call::no_verb(verb)),
        None => Err(ApiError::no_post("")),
    }
}
