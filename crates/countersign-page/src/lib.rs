//! The frame of countersign's pages: the gateway's inspector shows what it receives, and the emulator's what it sends.
//!
//! A page has its own HTML and scripts. The stylesheet, the icon and the scripts that both pages use are here, and so are
//! the headers of every file: a page loads nothing from elsewhere, and text from outside never becomes markup.

#![deny(missing_docs)]

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

/// The name, the type and the content of each file that all pages share.
const SHARED: [(&str, &str, &str); 5] = [
    ("style.css", "text/css; charset=utf-8", include_str!("files/style.css")),
    ("icon.svg", "image/svg+xml", include_str!("files/icon.svg")),
    ("api.js", SCRIPT, include_str!("files/api.js")),
    ("elements.js", SCRIPT, include_str!("files/elements.js")),
    ("frame.js", SCRIPT, include_str!("files/frame.js")),
];

/// The routes of a page: its HTML at `path`, and its scripts and the shared files below that.
pub fn router<S: Clone + Send + Sync + 'static>(
    path: &str,
    html: &'static str,
    scripts: &[(&str, &'static str)],
) -> Router<S> {
    let scripts = scripts.iter().map(|(name, script)| (*name, SCRIPT, *script));
    SHARED.into_iter().chain(scripts).fold(serve(Router::new(), path, HTML, html), |router, (name, kind, content)| {
        serve(router, &format!("{path}/{name}"), kind, content)
    })
}

fn serve<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    path: &str,
    kind: &'static str,
    content: &'static str,
) -> Router<S> {
    router.route(path, get(move || async move { file(kind, content) }))
}

fn file(kind: &'static str, content: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        // Another version of the program has another page.
        (CACHE_CONTROL, "no-cache"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    (headers, content).into_response()
}
