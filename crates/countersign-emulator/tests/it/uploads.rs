//! Files that are uploaded with the resumable protocol, and batches that read them.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use crate::common::{Api, config, text};

const KEY: (&str, &str) = ("x-goog-api-key", "test");
const LINES: &str = concat!(
    r#"{"key":"a","request":{"contents":[{"parts":[{"text":"one"}]}]}}"#,
    "\n\n",
    r#"{"key":7,"request":{"contents":[{"parts":[{"text":"two"}]}]}}"#,
    "\n"
);

async fn start(api: &Api, size: usize, file: Value) -> Response<Bytes> {
    let size = size.to_string();
    let headers = [
        KEY,
        ("x-goog-upload-protocol", "resumable"),
        ("x-goog-upload-command", "start"),
        ("x-goog-upload-header-content-length", size.as_str()),
        ("x-goog-upload-header-content-type", "application/jsonl"),
    ];
    api.response("POST", "/upload/v1beta/files", Bytes::from(json!({ "file": file }).to_string()), &headers).await
}

/// The path of an upload that has begun.
fn path(api: &Api, started: &Response<Bytes>) -> String {
    assert_eq!(started.status(), 200, "{started:?}");
    let url = started.headers()["x-goog-upload-url"].to_str().expect("ASCII");
    url.strip_prefix(api.emulator.base_url()).expect("an address of the emulator").to_owned()
}

async fn piece(api: &Api, path: &str, command: &str, offset: usize, piece: &str) -> Response<Bytes> {
    let offset = offset.to_string();
    let headers = [("x-goog-upload-command", command), ("x-goog-upload-offset", offset.as_str())];
    api.response("POST", path, Bytes::from(piece.to_owned()), &headers).await
}

fn json_of(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).expect("JSON")
}

async fn uploaded(api: &Api, content: &str) -> Value {
    let path = path(api, &start(api, content.len(), json!({ "displayName": "mine" })).await);
    json_of(&piece(api, &path, "upload, finalize", 0, content).await)["file"].clone()
}

#[tokio::test]
async fn a_file_arrives_in_pieces() {
    let api = Api::start(config()).await;
    let path = path(&api, &start(&api, LINES.len(), json!({ "display_name": "mine", "name": "files/chosen-1" })).await);
    let (first, second) = LINES.split_at(20);
    let response = piece(&api, &path, "upload", 0, first).await;
    assert_eq!(
        (&response.headers()["x-goog-upload-status"], response.status().as_u16()),
        (&"active".parse().expect("a value"), 200)
    );
    let wrong = piece(&api, &path, "upload", 0, second).await;
    assert!(
        wrong.status() == 400
            && json_of(&wrong)["error"]["message"].as_str().is_some_and(|said| said.contains("20 bytes have arrived"))
    );
    let asked = piece(&api, &path, "query", 0, "").await;
    assert_eq!(asked.headers()["x-goog-upload-size-received"], "20");
    let response = piece(&api, &path, "upload, finalize", 20, second).await;
    assert_eq!(response.headers()["x-goog-upload-status"], "final");
    let file = &json_of(&response)["file"];
    assert_eq!(
        (&file["name"], &file["displayName"], &file["state"]),
        (&json!("files/chosen-1"), &json!("mine"), &json!("ACTIVE"))
    );
    assert_eq!(text(&file["sizeBytes"]), LINES.len().to_string());
    assert_eq!(piece(&api, &path, "upload", 20, second).await.status(), 404);

    assert_eq!(&api.ok("GET", "/v1beta/files/chosen-1", Value::Null).await, file);
    assert_eq!(api.ok("GET", "/v1beta/files", Value::Null).await["files"], json!([file]));
    let others = api.response("GET", "/v1beta/files/chosen-1", Bytes::new(), &[("x-goog-api-key", "another")]).await;
    assert_eq!(others.status(), 404);
    let download = api.response("GET", "/v1beta/files/chosen-1:download?alt=media", Bytes::new(), &[KEY]).await;
    assert_eq!(download.status(), 400);
    api.ok("DELETE", "/v1beta/files/chosen-1", Value::Null).await;
    assert_eq!(api.ok("GET", "/v1beta/files", Value::Null).await["files"], json!([]));
}

#[tokio::test]
async fn a_batch_answers_each_line_of_an_uploaded_file() {
    let api = Api::start(config()).await;
    let file = uploaded(&api, LINES).await;
    let batch = json!({ "batch": { "displayName": "b", "inputConfig": { "fileName": file["name"] } } });
    let batch = api.ok("POST", "/v1/models/gemini-test:batchGenerateContent", batch).await;
    api.advance("2s").await;
    let name = text(&batch["name"]);
    let id = name.trim_start_matches("batches/");
    let path = format!("/download/v1beta/files/batch-{id}:download?alt=media");
    let response = api.response("GET", &path, Bytes::new(), &[KEY]).await;
    let lines = String::from_utf8(response.into_body().to_vec()).expect("text");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let said = |line: &Value| line["response"]["candidates"][0]["content"]["parts"][0]["text"].clone();
    assert_eq!((&lines[0]["key"], said(&lines[0])), (&json!("a"), json!("An emulated answer to: one")));
    assert_eq!((&lines[1]["key"], said(&lines[1]), lines.len()), (&json!(7), json!("An emulated answer to: two"), 2));
}

#[tokio::test]
async fn unusable_uploads_and_files_are_named() {
    let api = Api::start(config()).await;
    for (headers, expected) in [
        (&[KEY][..], "resumable"),
        (&[KEY, ("x-goog-upload-protocol", "multipart"), ("x-goog-upload-command", "start")], "resumable"),
        (&[("x-goog-upload-protocol", "resumable"), ("x-goog-upload-command", "start")], "API key"),
    ] {
        let response = api.response("POST", "/upload/v1beta/files", Bytes::new(), headers).await;
        let said = json_of(&response)["error"]["message"].to_string();
        assert!(response.status().is_client_error() && said.contains(expected), "{response:?}");
    }
    assert_eq!(start(&api, 1 << 30, json!({})).await.status(), 413);
    assert_eq!(start(&api, 1, json!({ "name": "files/Not_Valid" })).await.status(), 400);
    let path = path(&api, &start(&api, 9, json!({})).await);
    assert_eq!(piece(&api, &path, "upload, finalize", 0, "short").await.status(), 400);
    assert_eq!(piece(&api, &path, "cancel", 0, "").await.headers()["x-goog-upload-status"], "cancelled");

    for (content, expected) in [("{}\n", "has no `request`"), ("{\"a\"", "is not JSON"), ("\n", "the file is empty")] {
        let file = uploaded(&api, content).await;
        let batch = json!({ "batch": { "inputConfig": { "fileName": file["name"] } } });
        let response =
            api.response("POST", "/v1/models/m:batchGenerateContent", Bytes::from(batch.to_string()), &[KEY]).await;
        let said = json_of(&response)["error"]["message"].to_string();
        assert!(response.status() == 400 && said.contains(expected), "{content:?}: {said}");
    }
}
