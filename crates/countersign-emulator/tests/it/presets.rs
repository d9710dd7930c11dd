//! Other senders than Gemini: their headers, secrets, events and schedules.

use countersign::{Secret, UnixTime, Verifier};
use countersign_emulator::Config;
use countersign_senders::{Key, SENDERS, Sender, named};
use http::Uri;
use serde_json::json;

use crate::common::{Api, Receiver, Seen, config};

fn of(sender: &'static Sender, receiver: &Receiver) -> Config {
    let webhooks = vec![receiver.uri.parse::<Uri>().expect("an address")];
    Config { listen: config().listen, seed: Some(7), webhooks, ..Config::of(sender) }
}

fn verifier(sender: &Sender, secret: &str) -> Verifier {
    let Key::Encoded(secret) = sender.secrets.read(secret) else { panic!("{secret} is encoded") };
    let secret = Secret::parse(secret).expect("a secret");
    Verifier::builder("test").secret(secret).header_names(sender.headers).build().expect("a verifier")
}

#[tokio::test]
async fn each_sender_has_its_headers_secrets_and_events() {
    for sender in &SENDERS {
        let receiver = Receiver::start().await;
        let api = Api::start(of(sender, &receiver)).await;
        let secret = api.emulator.webhooks().next().expect("a webhook").1.to_owned();
        assert_eq!(secret.starts_with("v1,whsec_"), sender.name == "supabase", "{}", sender.name);
        api.emit(json!({ "type": sender.example.event_type })).await;
        let seen: Seen = receiver.has_seen(1).await.remove(0);
        let names = sender.sent_headers();
        let at = seen.header(names.timestamp.as_str()).parse().map(UnixTime::from_secs).expect("seconds");
        assert!(seen.verdict(&verifier(sender, &secret), at).is_ok(), "{}: {seen:?}", sender.name);
        let is_svix = seen.headers.contains_key("svix-id");
        assert_eq!(is_svix, !seen.headers.contains_key("webhook-id"), "{}: one set or the other", sender.name);
        assert!(seen.json().is_object(), "{}", sender.name);
    }
}

#[tokio::test]
async fn an_event_is_typical_unless_its_type_and_data_are_given() {
    let receiver = Receiver::start().await;
    let api = Api::start(of(named("clerk").expect("a sender"), &receiver)).await;
    api.emit(json!({})).await;
    api.emit(json!({ "type": "a\"b", "data": { "id": 7 } })).await;
    let seen = receiver.has_seen(2).await;
    let mut bodies: Vec<_> = seen.iter().map(Seen::json).collect();
    bodies.sort_by_key(|body| body["type"].to_string());
    assert_eq!((&bodies[0]["type"], &bodies[0]["data"]), (&"a\"b".into(), &json!({ "id": 7 })));
    assert_eq!((&bodies[1]["type"], &bodies[1]["object"]), (&"user.created".into(), &"event".into()));
}

#[tokio::test]
async fn a_failing_receiver_meets_the_schedule_of_the_sender() {
    let receiver = Receiver::scripted(|_| (500, Vec::new())).await;
    let api = Api::start(of(named("svix").expect("a sender"), &receiver)).await;
    api.emit(json!({})).await;
    receiver.has_seen(1).await;
    for (attempts, delay) in [(2, "5s"), (3, "5m"), (4, "30m"), (5, "2h"), (6, "5h"), (7, "10h"), (8, "10h")] {
        api.advance(delay).await;
        receiver.has_seen(attempts).await;
    }
    api.ended("given_up", 1).await;
    assert_eq!(receiver.seen().len(), 8);
}
