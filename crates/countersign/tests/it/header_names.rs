//! A source may name the three headers as Svix does, and nothing else passes for them.

use countersign::header::{HeaderNames, SVIX_HEADERS, WEBHOOK_HEADERS};
use countersign::sign::Signer;
use countersign::{MessageId, Reason, Rejection, Secret, UnixTime, Verified, Verifier};
use http::{HeaderMap, HeaderName};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const BODY: &[u8] = b"{}";

fn secret() -> Secret {
    Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").expect("a secret")
}

/// An authentic request with these names.
fn request(prefix: &str) -> HeaderMap {
    let id = MessageId::parse("msg_1").expect("an id");
    let signed = Signer::new([secret()]).expect("a secret").sign(&id, NOW, BODY);
    let renamed = signed.iter().map(|(name, value)| {
        let name = name.as_str().replace("webhook-", prefix);
        (HeaderName::from_bytes(name.as_bytes()).expect("a name"), value.clone())
    });
    renamed.collect()
}

fn verify(names: HeaderNames, headers: &HeaderMap) -> Result<Verified, Rejection> {
    let verifier = Verifier::builder("test").secret(secret()).header_names(names).build().expect("a verifier");
    verifier.begin(headers, NOW)?.finish(BODY.into())
}

#[test]
fn each_source_has_its_names() {
    for (names, prefix, expected) in [
        (HeaderNames::Webhook, "webhook-", Ok(&WEBHOOK_HEADERS)),
        (HeaderNames::Svix, "svix-", Ok(&SVIX_HEADERS)),
        (HeaderNames::Either, "webhook-", Ok(&WEBHOOK_HEADERS)),
        (HeaderNames::Either, "svix-", Ok(&SVIX_HEADERS)),
        (HeaderNames::Webhook, "svix-", Err(Reason::MissingHeader)),
        (HeaderNames::Svix, "webhook-", Err(Reason::MissingHeader)),
        (HeaderNames::Either, "acme-", Err(Reason::MissingHeader)),
    ] {
        let verdict = verify(names, &request(prefix));
        let found = verdict.as_ref().map(Verified::header_set).map_err(Rejection::reason);
        assert_eq!(found, expected, "{names:?} {prefix}");
    }
}

#[test]
fn the_other_names_are_named_if_they_are_all_that_there_is() {
    let text = |names, headers: &HeaderMap| verify(names, headers).expect_err("it is rejected").to_string();
    let rejection = text(HeaderNames::Webhook, &request("svix-"));
    assert!(rejection.contains("`webhook-id` is missing") && rejection.contains("`svix-id`"), "{rejection}");
    let rejection = text(HeaderNames::Svix, &request("webhook-"));
    assert!(rejection.contains("`svix-id` is missing") && rejection.contains("`webhook-id`"), "{rejection}");
    let mut some = request("webhook-");
    some.remove("webhook-timestamp");
    some.extend(request("svix-"));
    assert_eq!(text(HeaderNames::Webhook, &some), "the header `webhook-timestamp` is missing");
}

#[test]
fn headers_of_both_sets_are_ambiguous_where_either_may_be_used() {
    for other in ["svix-id", "svix-timestamp", "svix-signature"] {
        let mut headers = request("webhook-");
        headers.insert(HeaderName::from_static(other), "1".parse().expect("a value"));
        let rejection = verify(HeaderNames::Either, &headers).expect_err("it is rejected");
        assert_eq!(rejection.reason(), Reason::DuplicateHeader);
        assert_eq!(rejection.to_string(), format!("the header `{other}` is repeated"));
        // Where only one set counts, the other is a header like any.
        assert!(verify(HeaderNames::Webhook, &headers).is_ok());
    }
}
