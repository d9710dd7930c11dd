//! A preset sets what is known of a sender, and written keys take precedence.

use std::path::Path;

use crate::common::{Backend, Delivery, Gateway, InProcess, Running, SECRET, Wire, route};
use countersign::clock::Clock;
use countersign::clock::SystemClock;
use countersign::sign::Signer;
use countersign::{MessageId, Secret};
use http::StatusCode;

const EVENT: &str = r#"{"type":"user.created"}"#;
/// The key itself, as older endpoints of Polar show it.
const TEXT: &str = "polar_whs_Zr5Kd0Qm2Xw8Tn4Vb6Yc1Lf3";

fn source(keys: &str) -> String {
    format!("[sources.test]\nsecrets = [{{ env = \"TEST_SECRET\" }}]\n{keys}\n")
}

/// Signed with these bytes as the key.
fn signed_raw(key: &str, id: &str) -> Delivery {
    let signer = Signer::new([Secret::from_bytes(key.as_bytes()).expect("a key")]).expect("a signer");
    let id = MessageId::parse(id).expect("an id");
    Delivery::new(signer.sign(&id, SystemClock.now(), EVENT.as_bytes()), EVENT)
}

#[tokio::test]
async fn clerk_names_its_headers_as_svix_does_unless_the_source_says_otherwise() {
    let backend = Backend::start().await;
    let renamed = |id: &str| {
        let mut sent = crate::common::delivery(id, EVENT);
        for part in ["id", "timestamp", "signature"] {
            let value = sent.headers.remove(format!("webhook-{part}")).expect("a header");
            sent.headers.insert(format!("svix-{part}").parse::<http::HeaderName>().expect("a name"), value);
        }
        sent
    };
    let plain = crate::common::delivery("msg_plain", EVENT);
    for (keys, svix, webhook) in [
        ("preset = \"clerk\"", 200, 400),
        ("preset = \"clerk\"\nheaders = \"webhook\"", 400, 200),
        ("preset = \"svix\"", 200, 200),
        ("preset = \"standard\"", 400, 200),
        ("", 400, 200),
    ] {
        let gateway = Gateway::start(&[source(keys), route(&backend, "")].concat()).await;
        assert_eq!(gateway.send(&renamed("msg_svix"), Wire::Http1Length).await.status, svix, "{keys}");
        assert_eq!(gateway.send(&plain, Wire::Http1Length).await.status, webhook, "{keys}");
    }
}

#[tokio::test]
async fn duplicates_of_supabase_are_forwarded_and_named() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&[source("preset = \"supabase\""), route(&backend, "")].concat()).await;
    let sent = crate::common::delivery("msg_1", EVENT).set("countersign-duplicate", "true");
    for expected in [None, Some("true"), Some("true")] {
        let before = backend.seen().len();
        assert_eq!(gateway.send(&sent, Wire::Http1Length).await.status, StatusCode::OK);
        assert_eq!(backend.has_seen(before + 1).await.header("countersign-duplicate"), expected);
    }
    let keys = "preset = \"supabase\"\nduplicates = \"acknowledge\"";
    let gateway = InProcess::start(&[source(keys), route(&backend, "")].concat());
    let before = backend.seen().len();
    for _ in 0..2 {
        assert_eq!(gateway.send(&sent, Wire::Http1Length).await.status, StatusCode::OK);
    }
    assert_eq!(backend.seen().len(), before + 1);
}

/// The source with its secret in a file.
fn filed(folder: &Path, secret: &str, encoding: &str, preset: &str) -> String {
    let file = folder.join("a.secret");
    std::fs::write(&file, secret).expect("a file");
    format!("[sources.test]\n{preset}\nsecrets = [{{ file = \"{}\"{encoding} }}]\n", file.display())
}

#[tokio::test]
async fn a_secret_is_decoded_as_its_encoding_or_preset_says() {
    let backend = Backend::start().await;
    let versioned = format!("v1,{SECRET}");
    let folder = tempfile::tempdir().expect("a folder");
    let mut number = 0;
    for (secret, encoding, preset, is_raw) in [
        (TEXT, ", encoding = \"raw\"", "", true),
        (TEXT, ", encoding = \"prefix\"", "", true),
        (TEXT, "", "preset = \"polar\"", true),
        (TEXT, "", "preset = \"openai\"", true),
        (SECRET, "", "preset = \"polar\"", false),
        (SECRET, "", "", false),
        (SECRET, ", encoding = \"raw\"", "", true),
        (SECRET, ", encoding = \"base64\"", "preset = \"polar\"", false),
        (&versioned, "", "preset = \"supabase\"", false),
        (&versioned, ", encoding = \"versioned\"", "", false),
    ] {
        number += 1;
        let text = [filed(folder.path(), secret, encoding, preset), route(&backend, "")].concat();
        let gateway = InProcess::start(&text);
        let (raw, decoded) =
            (signed_raw(secret, &format!("msg_{number}r")), crate::common::delivery(&format!("msg_{number}d"), EVENT));
        let case = format!("{number} {encoding} {preset}");
        assert_eq!(gateway.send(&raw, Wire::Http1Length).await.status, if is_raw { 200 } else { 401 }, "{case}");
        assert_eq!(gateway.send(&decoded, Wire::Http1Length).await.status, if is_raw { 401 } else { 200 }, "{case}");
    }
}
