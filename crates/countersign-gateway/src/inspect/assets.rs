//! The files of the page.

use axum::Router;

/// The routes of all files.
pub(super) fn router() -> Router {
    let scripts = [
        ("main.js", include_str!("page/main.js")),
        ("charts.js", include_str!("page/charts.js")),
        ("requests.js", include_str!("page/requests.js")),
        ("explain.js", include_str!("page/explain.js")),
        ("inbox.js", include_str!("page/inbox.js")),
    ];
    countersign_page::router("/inspect", include_str!("page/index.html"), &scripts)
}
