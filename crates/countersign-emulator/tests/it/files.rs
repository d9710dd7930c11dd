//! The files that batches and videos make.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use crate::common::{Api, config, text};

const KEY: (&str, &str) = ("x-goog-api-key", "test");

struct Files {
    api: Api,
    batch: String,
    video: String,
}

impl Files {
    async fn made() -> Self {
        let api = Api::start(config()).await;
        let request = |words: &str, metadata: Value| json!({ "request": { "contents": [{ "parts": [{ "text": words }] }] }, "metadata": metadata });
        let requests = json!([request("one", json!({ "key": "a" })), request("two", Value::Null)]);
        let batch =
            json!({ "batch": { "displayName": "mine", "inputConfig": { "requests": { "requests": requests } } } });
        let batch = api.ok("POST", "/v1/models/gemini-test:batchGenerateContent", batch).await;
        let video = json!({ "instances": [{ "prompt": "a cat" }] });
        let video = api.ok("POST", "/v1beta/models/veo-test:predictLongRunning", video).await;
        let last = |name: &Value| text(name).rsplit('/').next().expect("a name").to_owned();
        Self { batch: last(&batch["name"]), video: last(&video["name"]), api }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
        self.api.response("GET", path, Bytes::new(), headers).await
    }

    /// Follows a redirect, with the same headers.
    async fn content(&self, path: &str, headers: &[(&str, &str)]) -> (String, Bytes) {
        let redirect = self.get(path, headers).await;
        assert_eq!(redirect.status(), 302, "{path}");
        let location = redirect.headers()["location"].to_str().expect("ASCII");
        assert!(location.starts_with("/download/v1beta/files/"), "{location}");
        let response = self.get(location, headers).await;
        assert_eq!(response.status(), 200, "{location}");
        let content_type = response.headers()["content-type"].to_str().expect("ASCII").to_owned();
        (content_type, response.into_body())
    }
}

#[tokio::test]
async fn a_file_is_there_once_its_job_has_succeeded_for_its_project() {
    let files = Files::made().await;
    let name = format!("/v1beta/files/batch-{}", files.batch);
    assert_eq!(files.get(&name, &[KEY]).await.status(), 404);
    files.api.advance("2s").await;
    assert_eq!(files.get(&name, &[("x-goog-api-key", "another")]).await.status(), 404);
    assert_eq!(files.get(&name, &[]).await.status(), 403);
    assert_eq!(files.get(&format!("{name}:copy"), &[KEY]).await.status(), 404);
    let described = files.api.ok("GET", &name, Value::Null).await;
    assert_eq!((&described["mimeType"], &described["state"]), (&"application/jsonl".into(), &"ACTIVE".into()));

    for path in [format!("{name}:download?alt=media"), format!("{name}?alt=media")] {
        let (content_type, lines) = files.content(&path, &[KEY]).await;
        assert_eq!(content_type, "application/jsonl");
        assert_eq!(described["sizeBytes"], lines.len().to_string());
        let lines: Vec<Value> =
            lines.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        assert_eq!((&lines[0]["key"], &lines[1]["key"]), (&"a".into(), &"request-2".into()));
        assert_eq!(lines.len(), 2);
        let words = &lines[1]["response"]["candidates"][0]["content"]["parts"][0]["text"];
        assert_eq!(words, "An emulated answer to: two");
    }
    // A key in the query goes along.
    let (_, lines) = files.content(&format!("{name}:download?alt=media&key=test"), &[]).await;
    assert_eq!(described["sizeBytes"], lines.len().to_string());
}

#[tokio::test]
async fn a_video_is_a_file_by_name_and_by_address() {
    let files = Files::made().await;
    files.api.advance("2s").await;
    let operation = format!("/v1beta/models/veo-test/operations/{}", files.video);
    let operation = files.api.ok("GET", &operation, Value::Null).await;
    let uri = text(&operation["response"]["generateVideoResponse"]["generatedSamples"][0]["video"]["uri"]);
    let path = uri.strip_prefix(files.api.emulator.base_url()).expect("an address of the emulator");
    let (content_type, video) = files.content(path, &[KEY]).await;
    assert_eq!((content_type.as_str(), &video[4..8]), ("video/mp4", &b"ftyp"[..]));
    // The SDKs put `files/` in front of an address that is not https://.
    let (_, same) = files.content(&format!("/v1beta/files/{uri}:download?alt=media"), &[KEY]).await;
    assert_eq!(same, video);
}

#[tokio::test]
async fn the_bucket_of_the_events_is_served_as_cloud_storage_is() {
    let files = Files::made().await;
    let object = format!("video-{}.mp4", files.video);
    let by_address = format!("/emulated-bucket/{object}");
    assert_eq!(files.get(&by_address, &[]).await.status(), 404);
    files.api.advance("2s").await;
    let video = files.get(&by_address, &[]).await.into_body();
    for path in [
        format!("/storage/v1/b/emulated-bucket/o/{object}?alt=media"),
        format!("/download/storage/v1/b/emulated-bucket/o/{object}?alt=media"),
    ] {
        let response = files.get(&path, &[]).await;
        assert_eq!((response.status().as_u16(), response.body()), (200, &video), "{path}");
    }
    let described = files.get(&format!("/storage/v1/b/emulated-bucket/o/{object}"), &[]).await;
    let described: Value = serde_json::from_slice(described.body()).expect("JSON");
    assert_eq!((&described["name"], &described["size"]), (&object.as_str().into(), &video.len().to_string().into()));
    assert_eq!(files.get(&format!("/storage/v1/b/other/o/{object}"), &[]).await.status(), 404);
}
