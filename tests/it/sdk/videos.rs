//! Videos: made through the second major version of the SDKs, and polled through both.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::verdict::Scheme;
use countersign_emulator::Dynamic;
use serde_json::{Map, Value, json};

use super::client::{Major, Sdk};
use super::facts::{VERSIONS, assert_error, assert_name, moment, text};
use super::pushed::Expected;
use super::stage::Stage;

/// What the name of an operation begins with.
const OPERATIONS: &str = "models/veo-3.0-generate-001/operations/";

#[test]
fn python_follows_videos() {
    follows_videos(Sdk::Python);
}

#[test]
fn javascript_follows_videos() {
    follows_videos(Sdk::JavaScript);
}

#[test]
fn earlier_javascript_follows_videos() {
    follows_videos(Sdk::EarlierJavaScript);
}

fn follows_videos(sdk: Sdk) {
    let stage = Stage::start(Dynamic::Rs256);
    let made = stage.drive(sdk, Major::Second, "videos_2", None);
    for version in VERSIONS {
        let facts = &made[version];
        for what in ["generated", "failed"] {
            let name = &facts[what]["created"]["name"];
            assert_name(name, OPERATIONS, 12);
            assert_eq!(facts[what]["created"], running(name), "{what}");
            assert_eq!(
                facts[what]["polled"],
                json!([running(name), running(name), ended(&stage, name, what)]),
                "{what}"
            );
        }
        pushed(&stage, version, &facts["generated"]["created"]["name"]);
    }

    let name = |version: &str, what: &str| made[version][what]["created"]["name"].clone();
    let names =
        VERSIONS.map(|version| (version.to_owned(), json!([name(version, "generated"), name(version, "failed")])));
    let argument = Value::Object(Map::from_iter(names)).to_string();
    let facts = stage.drive(sdk, Major::Third, "videos", Some(&argument));
    for version in VERSIONS {
        let facts = &facts[version];
        let one = &facts["name"];
        assert_name(one, OPERATIONS, 12);
        assert_eq!(facts["polled"], json!([running(one), running(one), ended(&stage, one, "generated")]));
        downloaded(&facts["downloaded"]);
        assert_eq!(facts["downloaded_by_name"], facts["downloaded"]);
        let earlier = ["generated", "failed"].map(|what| ended(&stage, &name(version, what), what));
        assert_eq!(facts["made"], json!(earlier));
        let said = format!("this project has no operation `{}-no-more`", text(one));
        assert_error(sdk, &facts["missing"], "operations", (404, "NOT_FOUND"), &said);
    }
}

/// An MP4 file: its first box says so.
fn downloaded(video: &Value) {
    let video = STANDARD.decode(text(video)).expect("base64");
    assert_eq!((&video[4..8], video.len() > 1000), (&b"ftyp"[..], true));
}

fn running(name: &Value) -> Value {
    json!({ "name": name, "done": null, "error": null, "videos": null })
}

fn ended(stage: &Stage, name: &Value, what: &str) -> Value {
    if what == "failed" {
        let error = json!({ "code": 13, "message": "the job was asked to fail" });
        return json!({ "name": name, "done": true, "error": error, "videos": null });
    }
    let uri = format!("{}/v1beta/{}:download?alt=media", stage.base_url(), file_name(name));
    json!({ "name": name, "done": true, "error": null, "videos": [uri] })
}

fn file_name(name: &Value) -> String {
    format!("files/{}", text(name).strip_prefix(OPERATIONS).expect("an operation's name"))
}

/// One event, of the video that was made: there is none of one that failed.
fn pushed(stage: &Stage, version: &str, name: &Value) {
    let deliveries = stage.receiver.at(&format!("/dynamic/{version}"));
    let [delivery] = deliveries.as_slice() else { panic!("not one delivery: {deliveries:#?}") };
    let file = file_name(name);
    let expected = Expected {
        event_type: "video.generated",
        id: name,
        // An operation does not say when it was done.
        at: moment(&delivery.json()["timestamp"]),
        data: json!({
            "file_name": file,
            "output_file_uri": format!("gs://emulated-bucket/video-{}.mp4", file.strip_prefix("files/").expect("a file")),
        }),
        user_metadata: json!({ "what": "generated", "n": 1, "snake_case": { "camelCase": [1.5, null] } }),
    };
    expected.arrived(stage, &format!("/dynamic/{version}/generated"), Scheme::Rs256);
}
