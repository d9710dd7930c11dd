//! `openapi.json` is what the admin listener does: its routes, its statuses, and the JSON of its responses.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{Answer, Backend, Gateway, Running, SOURCE, Wire, command, delivery, get, route, soon, until};
use crate::schema::{PACKAGES, VALIDATOR};

const WIRE: Wire = Wire::Http1Length;
/// Prints for each pair of schema and instance why it is refused, or null.
const SCRIPT: &str = r"
import json, sys
import fastjsonschema

def refusal(schema, instance):
    try:
        fastjsonschema.compile(schema)(instance)
    except fastjsonschema.JsonSchemaValueException as error:
        return error.message

json.dump([refusal(*pair) for pair in json.load(sys.stdin)], sys.stdout)
";

fn document() -> Value {
    serde_json::from_str(include_str!("../../openapi.json")).expect("JSON")
}

/// The routes in the source: the method and the path of each.
fn in_source(folder: &Path, found: &mut BTreeSet<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            in_source(&path, found);
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a file");
        for rest in text.split(".route(\"").skip(1) {
            let (path, rest) = rest.split_once('"').expect("a path");
            let handlers = rest.split(".route(").next().expect("a part").split(".with_state").next().expect("a part");
            for method in ["get", "post", "delete", "options", "put", "patch"] {
                let is_called = |call: &str| handlers.contains(&format!("{call}{method}("));
                if is_called(" ") || is_called(".") || is_called("(") {
                    found.insert((method.to_owned(), path.to_owned()));
                }
            }
        }
    }
}

#[test]
fn it_has_the_routes_that_there_are() {
    let mut routes = BTreeSet::new();
    in_source(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut routes);
    let document = document();
    // The listener `pull` is another one.
    routes.retain(|(_, path)| !path.starts_with("/v1/"));
    let paths = document["paths"].as_object().expect("paths");
    let documented = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().expect("methods").keys().map(|method| (method.clone(), path.clone()))
    });
    assert_eq!(documented.collect::<BTreeSet<_>>(), routes);
    assert!(routes.len() > 15, "{routes:?}");
}

/// The responses that were seen: what was asked, the status, and the JSON.
#[derive(Default)]
struct Seen(Vec<(String, Value, Value)>);

impl Seen {
    /// Calls, and notes what the document says of this response. The path has the parameters of the template.
    async fn call(
        &mut self,
        gateway: &Gateway,
        method: Method,
        template: &str,
        path: &str,
        expected: StatusCode,
    ) -> Value {
        let reply = command(gateway.admin, method.clone(), path, None).await;
        assert_eq!(reply.status, expected, "{method} {path}");
        let document = document();
        let operation = &document["paths"][template][method.as_str().to_ascii_lowercase()];
        let mut response = &operation["responses"][expected.as_str()];
        if let Some(name) = response["$ref"].as_str() {
            response = document.pointer(name.trim_start_matches('#')).expect("a response");
        }
        assert!(response["description"].is_string(), "{method} {template} does not name {expected}");
        let Some(schema) = response.pointer("/content/application~1json/schema") else { return Value::Null };
        let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
        let whole = json!({ "components": document["components"], "allOf": [schema] });
        self.0.push((format!("{method} {path}: {body}"), whole, body.clone()));
        body
    }

    fn conform(&self) {
        let mut python = Command::new("python3")
            .args(["-B", "-c", SCRIPT])
            .env("PYTHONPATH", PACKAGES.python("json-schema", VALIDATOR))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let pairs: Vec<_> = self.0.iter().map(|(_, schema, body)| json!([schema, body])).collect();
        python.stdin.take().expect("a pipe").write_all(json!(pairs).to_string().as_bytes()).expect("it reads");
        let output = python.wait_with_output().expect("it ends");
        assert!(output.status.success(), "the schemas cannot be used");
        let refusals: Vec<Option<String>> = serde_json::from_slice(&output.stdout).expect("one answer for each");
        assert_eq!(refusals.len(), self.0.len());
        for (refusal, (what, ..)) in refusals.iter().zip(&self.0) {
            assert_eq!(*refusal, None, "{what}");
        }
    }
}

#[tokio::test]
async fn responses_have_the_statuses_and_the_json_that_it_says() {
    let (backend, hold) = Backend::holding().await;
    let dead = Backend::scripted(|_| Answer::Status(500)).await;
    let store = "[store]\nengine = \"sqlite\"\npath = \"store.db\"\n";
    let inbox = "delivery = \"inbox\"\nredelivery = { first = \"1ms\", for = \"1ms\" }";
    let other = route(&dead, inbox).replace("\"/hook\"", "\"/dead\"");
    let server = "inbox_bodies = true\ninspect = { bodies = true }";
    let gateway = Gateway::start_with(server, &[store, SOURCE, &route(&backend, inbox), &other].concat(), &[]).await;
    let body = r#"{"type":"batch.failed"}"#;
    assert_eq!(gateway.send(&delivery("msg_held", body), WIRE).await.status, StatusCode::ACCEPTED);
    backend.has_seen(1).await;
    for sent in [delivery("msg_text", body).to("/dead"), delivery("msg_bytes", &b"\xff"[..]).to("/dead")] {
        assert_eq!(gateway.send(&sent, WIRE).await.status, StatusCode::ACCEPTED);
    }
    let (list, show) = ("/-/inbox/deliveries", "/-/inbox/deliveries/{number}");
    let (again, mut seen) = ("/-/inbox/deliveries/{number}/redeliver", Seen::default());
    until("two are dead", async || {
        let reply = command(gateway.admin, Method::GET, &format!("{list}?state=dead"), None).await;
        String::from_utf8_lossy(&reply.body).matches("\"state\":\"dead\"").count() == 2
    })
    .await;
    let ok = StatusCode::OK;
    let page = seen.call(&gateway, Method::GET, list, list, ok).await;
    seen.call(&gateway, Method::GET, list, &format!("{list}?limit=1"), ok).await;
    seen.call(&gateway, Method::GET, list, &format!("{list}?limit=x"), StatusCode::BAD_REQUEST).await;
    let number = |id: &str| {
        let all = page["deliveries"].as_array().expect("a list");
        all.iter().find(|one| one["message_id"] == id).expect("a delivery")["number"].clone()
    };
    for id in ["msg_text", "msg_bytes", "msg_held"] {
        seen.call(&gateway, Method::GET, show, &format!("{list}/{}", number(id)), ok).await;
    }
    for (method, template, end) in [(Method::DELETE, show, ""), (Method::POST, again, "/redeliver")] {
        let path = |number: &str| format!("{list}/{number}{end}");
        let mut call = async |number: &str, status| {
            seen.call(&gateway, method.clone(), template, &path(number), status).await;
        };
        call("999", StatusCode::NOT_FOUND).await;
        call("x", StatusCode::BAD_REQUEST).await;
        call(&number("msg_held").to_string(), StatusCode::CONFLICT).await;
    }
    seen.call(&gateway, Method::POST, again, &format!("{list}/{}/redeliver", number("msg_text")), ok).await;
    seen.call(&gateway, Method::DELETE, show, &format!("{list}/{}", number("msg_bytes")), ok).await;
    for verb in ["redeliver", "discard"] {
        let path = format!("/-/inbox/{verb}");
        seen.call(&gateway, Method::POST, &path, &format!("{path}?destination=none"), ok).await;
        seen.call(&gateway, Method::POST, &path, &format!("{path}?limit=0"), StatusCode::BAD_REQUEST).await;
    }
    let destinations = "/-/inbox/destinations";
    seen.call(&gateway, Method::GET, destinations, destinations, ok).await;
    for verb in ["pause", "resume"] {
        let template = format!("{destinations}/{{name}}/{verb}");
        seen.call(&gateway, Method::POST, &template, &format!("{destinations}/%2Fhook/{verb}"), ok).await;
        let unknown = format!("{destinations}/none/{verb}");
        seen.call(&gateway, Method::POST, &template, &unknown, StatusCode::NOT_FOUND).await;
    }
    gateway.send(&delivery("msg_forged", body).with_body("{}"), WIRE).await;
    let requests = seen.call(&gateway, Method::GET, "/-/requests", "/-/requests", ok).await;
    let newest = format!("/-/requests/{}", requests["last"]);
    seen.call(&gateway, Method::GET, "/-/requests/{number}", &newest, ok).await;
    seen.call(&gateway, Method::GET, "/-/requests/{number}", "/-/requests/999", StatusCode::NOT_FOUND).await;
    let explanation = "/-/requests/{number}/explanation";
    seen.call(&gateway, Method::GET, explanation, &format!("{newest}/explanation"), ok).await;
    seen.call(&gateway, Method::GET, explanation, "/-/requests/1/explanation", StatusCode::CONFLICT).await;
    seen.call(&gateway, Method::GET, explanation, "/-/requests/999/explanation", StatusCode::NOT_FOUND).await;
    let events = "/-/inbox/events";
    seen.call(&gateway, Method::GET, events, events, ok).await;
    seen.call(&gateway, Method::GET, events, &format!("{events}?limit=0"), StatusCode::BAD_REQUEST).await;
    let hand_over = "/-/reconcile/hand-over";
    let job = format!("{hand_over}?job=batches/1");
    seen.call(&gateway, Method::POST, hand_over, &job, StatusCode::NOT_FOUND).await;
    let forget = "/-/sources/{source}/ids/{id}";
    seen.call(&gateway, Method::DELETE, forget, "/-/sources/test/ids/msg_none", StatusCode::NOT_FOUND).await;
    seen.call(&gateway, Method::POST, "/-/reload", "/-/reload", ok).await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        seen.call(&gateway, Method::GET, path, path, ok).await;
    }
    drop(hold);
    assert!(seen.0.len() >= 15);
    seen.conform();
    let reply = soon(get(gateway.admin, "/-/openapi.json")).await.expect("a response");
    assert_eq!(serde_json::from_slice::<Value>(&reply.body).ok(), Some(document()));
}

#[tokio::test]
async fn without_an_inbox_every_command_for_it_is_not_found() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend).await;
    let mut seen = Seen::default();
    for (method, template, path) in [
        (Method::GET, "/-/inbox/deliveries", "/-/inbox/deliveries"),
        (Method::POST, "/-/inbox/discard", "/-/inbox/discard"),
        (Method::GET, "/-/inbox/destinations", "/-/inbox/destinations"),
        (Method::POST, "/-/inbox/destinations/{name}/pause", "/-/inbox/destinations/x/pause"),
    ] {
        seen.call(&gateway, method, template, path, StatusCode::NOT_FOUND).await;
    }
}
