//! The path that a backend sees, if a route leaves out or adds a part of it.

use crate::common::{Backend, Gateway, Running, SOURCE, Wire, delivery};
use http::StatusCode;

#[tokio::test]
async fn a_route_can_leave_out_the_beginning_of_a_path_and_add_another() {
    let backend = Backend::start().await;
    let route = |path: &str, upstream: &str, more: &str| {
        let address = backend.address();
        format!(
            "[[routes]]\npath = \"{path}\"\nsource = \"test\"\nupstream = [\"http://{address}{upstream}\"]\n{more}\n"
        )
    };
    let gateway = Gateway::start(
        &[
            SOURCE,
            &route("/plain/*", "", ""),
            &route("/strip/*", "", "strip_prefix = \"/strip\""),
            &route("/both/*", "/in/side/", "strip_prefix = \"/both/\""),
            &route("/exact", "", "strip_prefix = \"/exact\""),
            &route("/add", "/in", ""),
        ]
        .concat(),
    )
    .await;
    for (wire, (number, (sent, seen))) in Wire::ALL.into_iter().cycle().zip(
        [
            ("/plain/a?b=c", "/plain/a?b=c"),
            ("/strip/a?b=/strip/c", "/a?b=/strip/c"),
            ("/strip/", "/"),
            ("/both/a/b", "/in/side/a/b"),
            ("/both/a%20b", "/in/side/a%20b"),
            ("/exact?a", "/?a"),
            ("/add?a", "/in/add?a"),
        ]
        .into_iter()
        .enumerate(),
    ) {
        let reply = gateway.send(&delivery(&format!("msg_{number}"), "{}").to(sent), wire).await;
        assert_eq!(reply.status, StatusCode::OK, "{sent}");
        let line = backend.has_seen(number + 1).await.request_line;
        assert_eq!(line, format!("POST {seen} HTTP/1.1"), "{sent} {wire:?}");
    }
}
