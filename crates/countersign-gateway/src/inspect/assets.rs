//! The files of the page.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::HeaderName;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};

/// The page loads nothing from elsewhere, sends nothing to elsewhere, cannot be framed, and text never becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The path, the type and the content of each file.
const FILES: [(&str, &str, &str); 10] = [
    ("/inspect", HTML, include_str!("page/index.html")),
    ("/inspect/style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
    ("/inspect/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("/inspect/main.js", SCRIPT, include_str!("page/main.js")),
    ("/inspect/api.js", SCRIPT, include_str!("page/api.js")),
    ("/inspect/elements.js", SCRIPT, include_str!("page/elements.js")),
    ("/inspect/charts.js", SCRIPT, include_str!("page/charts.js")),
    ("/inspect/requests.js", SCRIPT, include_str!("page/requests.js")),
    ("/inspect/explain.js", SCRIPT, include_str!("page/explain.js")),
    ("/inspect/inbox.js", SCRIPT, include_str!("page/inbox.js")),
];

/// The routes of all files.
pub(super) fn router() -> Router {
    FILES.into_iter().fold(Router::new(), |router, (path, kind, content)| {
        router.route(path, get(move || async move { file(kind, content) }))
    })
}

fn file(kind: &'static str, content: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        // Another version of the gateway has another page.
        (CACHE_CONTROL, "no-cache"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    (headers, content).into_response()
}
