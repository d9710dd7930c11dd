//! Deliveries that are signed with keys of a key set, through its rotations.

use crate::common::{
    Authority, BODY, Backend, Connection, Delivery, Gateway, InProcess, Issuer, OTHER_SECRET, Publish, Publisher,
    Running, SECRET, Wire, delivery, jwk, key, keys, signed_by, source, until,
};
use countersign::Secret;
use countersign::clock::{Clock, SystemClock};
use countersign::sign::Signer;
use http::StatusCode;
use serde_json::{Value, json};

const WIRE: Wire = Wire::Http1Length;
const AUDIENCE: &str = "https://hooks.example.com/gemini";
const TOKEN: &str = "token = { audience = [\"https://hooks.example.com/gemini\"], issuer = [\"https://issuer\"] }\n";

/// The claims of a good token over [`BODY`].
fn claims(jti: &str) -> Value {
    let now = SystemClock.now().as_secs();
    let mut claims: Value = serde_json::from_str(BODY).expect("JSON");
    for (name, value) in [
        ("iss", json!("https://issuer")),
        ("aud", json!(AUDIENCE)),
        ("iat", json!(now)),
        ("exp", json!(now + 300)),
        ("jti", json!(jti)),
    ] {
        claims[name] = value;
    }
    claims
}

fn with_token(token: &str, id: &str) -> Delivery {
    delivery(id, BODY).set("webhook-signature", token)
}

async fn code_of(gateway: &impl Running, delivery: &Delivery) -> (u16, String) {
    let reply = gateway.send(delivery, WIRE).await;
    (reply.status.as_u16(), if reply.status.is_success() { String::new() } else { reply.code() })
}

async fn assert_passes(gateway: &impl Running, delivery: &Delivery) {
    assert_eq!(code_of(gateway, delivery).await, (200, String::new()), "{delivery:?}");
}

async fn assert_refused(gateway: &impl Running, delivery: &Delivery, status: u16, code: &str) {
    assert_eq!(code_of(gateway, delivery).await, (status, code.to_owned()), "{delivery:?}");
}

#[tokio::test]
async fn secrets_pinned_keys_and_a_key_set_stand_side_by_side() {
    let (backend, authority) = (Backend::start().await, Authority::new());
    let publisher = Publisher::with_tls(keys(&[1, 2, 3]), &authority).await;
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).expect("a file");
    let pinned = format!(
        "secrets = [{{ env = \"TEST_SECRET\" }}]\npublic_keys = [\"{}\", {{ key = \"{}\", label = \"pinned\" }}]\n",
        key(4).public(),
        key(5).public()
    );
    let entry = publisher.entry(&format!(", ca = \"{}\", max_stale = \"1h\"", ca.display()));
    let gateway = InProcess::start(&source("hook", &(pinned + &entry), &backend));
    // A source with other keys is ready without its key set.
    until("the key set is there", async || gateway.figure("key_set_keys", "hook").await == Some(3.0)).await;

    let secret = |text: &str| Secret::parse(text).expect("a good secret");
    let both = |secrets: &str, number| Signer::with_keys([secret(secrets)], [key(number)]).expect("two keys");
    for (number, (sent, scheme, label)) in [
        (delivery("msg_0", BODY), "v1", Some("TEST_SECRET")),
        (signed_by(1, "msg_1"), "v1a", Some("key-1")),
        (signed_by(3, "msg_2"), "v1a", Some("key-3")),
        (signed_by(4, "msg_3"), "v1a", None),
        (signed_by(5, "msg_4"), "v1a", Some("pinned")),
        // One header with two signatures: one match is enough.
        (Delivery::signed_by(&both(SECRET, 9), "msg_5", BODY), "v1", Some("TEST_SECRET")),
        (Delivery::signed_by(&both(OTHER_SECRET, 2), "msg_6", BODY), "v1a", Some("key-2")),
    ]
    .into_iter()
    .enumerate()
    {
        assert_passes(&gateway, &sent).await;
        let seen = backend.has_seen(number + 1).await;
        assert_eq!(seen.header("countersign-scheme"), Some(scheme));
        assert!(label.is_none() || seen.header("countersign-key") == label, "{seen:?}");
    }
    assert_refused(&gateway, &signed_by(2, "msg_7").with_body("{}"), 401, "signature_mismatch").await;
    assert_refused(&gateway, &delivery("msg_7", BODY).with_body("{}"), 401, "signature_mismatch").await;
    assert_eq!(backend.seen().len(), 7);
    assert!(gateway.figure("key_set_age_seconds", "hook").await.is_some_and(|age| age < 60.0));
}

#[tokio::test]
async fn a_token_passes_once_for_its_audience_and_its_body() {
    let (backend, issuer) = (Backend::start().await, Issuer::new("rsa-1"));
    let publisher = Publisher::start(Publish::keys(&[jwk(1), issuer.jwk()])).await;
    let set = publisher.entry("");
    let danger = TOKEN.replace(" }", ", danger_body_binding = \"none\" }");
    // Both sources name the same URL, so they share one key set.
    let sources =
        [source("hook", &(set.clone() + TOKEN), &backend), source("open", &(set + &danger), &backend)].concat();
    let gateway = InProcess::start(&sources).ready().await;
    assert_eq!(publisher.requests(), 1);

    let token = issuer.token(&claims("evt_1"));
    assert_passes(&gateway, &with_token(&token, "msg_1")).await;
    let seen = backend.has_seen(1).await;
    for (name, value) in [("scheme", "rs256"), ("key", "rsa-1"), ("message-id", "evt_1")] {
        assert_eq!(seen.header(&format!("countersign-{name}")), Some(value));
    }
    // A token does not sign the other two headers, so the backend gets the signed values instead.
    assert_eq!((seen.header("webhook-id"), seen.header("webhook-signature")), (Some("evt_1"), Some(token.as_str())));
    assert_eq!(seen.header("webhook-timestamp"), seen.header("countersign-timestamp"));
    // The header with the id is not signed, so another id does not make the message new.
    for id in ["msg_1", "msg_2"] {
        let reply = gateway.send(&with_token(&token, id), WIRE).await;
        assert_eq!((reply.status, reply.outcome()), (StatusCode::OK, Some("duplicate")));
    }
    let changed = |name: &str, value: Value| {
        let mut claims = claims("evt_2");
        claims[name] = value;
        with_token(&issuer.token(&claims), "msg_3")
    };
    assert_refused(&gateway, &changed("aud", json!("https://elsewhere")), 401, "token_audience").await;
    assert_refused(&gateway, &changed("iss", json!("https://else")), 401, "token_issuer").await;
    let paired = |jti: &str| with_token(&issuer.token(&claims(jti)), "msg_4").with_body("{\"type\":\"other\"}");
    assert_refused(&gateway, &paired("evt_3"), 401, "body_not_bound").await;
    assert_refused(&gateway, &changed("data", json!({})), 401, "body_not_bound").await;
    assert_eq!(backend.seen().len(), 1);

    // Only the source that turns the check off accepts it, and the log warns of that.
    assert_passes(&gateway, &paired("evt_3").to("/open")).await;
    assert!(gateway.output().contains("danger: `open`"), "{}", gateway.output());
    assert_eq!(publisher.requests(), 1);
}

#[tokio::test]
async fn a_new_key_is_used_at_once_and_an_old_one_no_more() {
    let backend = Backend::start().await;
    let (old, new) = (Issuer::new("rsa-1"), Issuer::new("rsa-2"));
    let publisher = Publisher::start(Publish::keys(&[jwk(1), old.jwk()])).await;
    let gateway = InProcess::start(&source("hook", &(publisher.entry("") + TOKEN), &backend)).ready().await;
    assert_passes(&gateway, &signed_by(1, "msg_1")).await;
    assert_passes(&gateway, &with_token(&old.token(&claims("evt_1")), "msg_1")).await;

    publisher.publish(Publish::keys(&[jwk(2), new.jwk()]));
    // The gateway does not know the new keys yet.
    assert_passes(&gateway, &signed_by(1, "msg_2")).await;
    assert_eq!(publisher.requests(), 1);
    assert_passes(&gateway, &signed_by(2, "msg_3")).await;
    assert_eq!(publisher.requests(), 2);
    assert_passes(&gateway, &with_token(&new.token(&claims("evt_2")), "msg_3")).await;

    assert_refused(&gateway, &signed_by(1, "msg_4"), 401, "signature_mismatch").await;
    assert_refused(&gateway, &with_token(&old.token(&claims("evt_3")), "msg_4"), 401, "unknown_key").await;
    assert_eq!((publisher.requests(), backend.seen().len()), (2, 5));
    assert_eq!(gateway.figure("key_fetches_total", "hook").await, Some(2.0));
    assert_eq!(gateway.output().matches("the key set has changed").count(), 1, "{}", gateway.output());
}

#[tokio::test]
async fn forged_deliveries_cause_one_fetch_and_hold_nobody_up() {
    const SENDERS: usize = 16;
    const EACH: usize = 625;
    let (backend, issuer) = (Backend::start().await, Issuer::new("rsa-1"));
    let publisher = Publisher::start(keys(&[1, 2, 3])).await;
    let gateway = Gateway::start(&source("hook", &(publisher.entry("") + TOKEN), &backend)).await;
    let token = issuer.token(&claims("evt_1"));
    let started = SystemClock.instant();
    let forging = (0..SENDERS).map(|sender| {
        let (address, token) = (gateway.address, token.clone());
        tokio::spawn(async move {
            let mut connection = Connection::open(address, WIRE).await.expect("the gateway listens");
            for number in 0..EACH {
                let id = format!("msg_forged_{sender}_{number}");
                let (forged, code) = if number % 2 == 0 {
                    (signed_by(9, &id), "signature_mismatch")
                } else {
                    (with_token(&token, &id), "unknown_key")
                };
                let reply = connection.send(&forged, WIRE).await.expect("an answer");
                assert_eq!((reply.status.as_u16(), reply.code().as_str()), (401, code));
            }
        })
    });
    let forging: Vec<_> = forging.collect();
    let mut genuine = 0;
    while genuine < 50 || !forging.iter().all(tokio::task::JoinHandle::is_finished) {
        genuine += 1;
        assert_passes(&gateway, &signed_by(2, &format!("msg_{genuine}"))).await;
    }
    for task in forging {
        task.await.expect("it was refused");
    }
    // The fetch at the start, and at most one in each 30 s of this test.
    let most = 2 + usize::try_from(started.elapsed().as_secs() / 30).expect("it ends");
    assert!((2..=most).contains(&publisher.requests()), "{} of {most}", publisher.requests());
    assert_eq!(backend.seen().len(), genuine);
}

#[tokio::test]
async fn a_body_that_would_cost_too_much_to_reject_is_not_read() {
    let backend = Backend::start().await;
    let publisher = Publisher::start(Publish::keys(&[1, 2, 3, 4].map(jwk))).await;
    let gateway = InProcess::start(&source("hook", &publisher.entry(""), &backend));
    until("the key set is there", async || gateway.figure("key_set_keys", "hook").await == Some(4.0)).await;
    assert_refused(&gateway, &signed_by(9, "msg_1").with_body("x".repeat(300 * 1024)), 413, "body_too_large").await;
    assert_refused(&gateway, &signed_by(9, "msg_1").with_body("x".repeat(1024)), 401, "signature_mismatch").await;
    assert_passes(&gateway, &signed_by(1, "msg_1")).await;
    assert_eq!(gateway.count("refused", "body_too_large").await.to_string(), "1");
}

#[tokio::test]
async fn what_a_token_leaves_unsigned_is_overwritten_with_what_it_signed() {
    let (backend, issuer) = (Backend::start().await, Issuer::new("rsa-1"));
    let publisher = Publisher::start(Publish::keys(&[issuer.jwk()])).await;
    let gateway = InProcess::start(&source("hook", &(publisher.entry("") + TOKEN), &backend)).ready().await;
    let mut claims = claims("evt_1");
    let signed = claims["iat"].as_u64().expect("a number") - 100;
    claims["iat"] = json!(signed);
    let told = (signed + 77).to_string();
    let sent = with_token(&issuer.token(&claims), "msg_forged").set("webhook-timestamp", &told);
    assert_passes(&gateway, &sent).await;
    let seen = backend.has_seen(1).await;
    assert_eq!(
        (seen.header("webhook-id"), seen.header("webhook-timestamp")),
        (Some("evt_1"), Some(&*signed.to_string()))
    );
    assert!(!format!("{seen:?}").contains("msg_forged") && !format!("{seen:?}").contains(&told), "{seen:?}");

    // Without a `jti`, the id is a hash of the signed bytes. It replaces the header as well.
    claims.as_object_mut().expect("an object").remove("jti");
    assert_passes(&gateway, &with_token(&issuer.token(&claims), "msg_forged")).await;
    let seen = backend.has_seen(2).await;
    assert_eq!(seen.header("webhook-id"), seen.header("countersign-message-id"));
    assert!(!format!("{seen:?}").contains("msg_forged"), "{seen:?}");
}
