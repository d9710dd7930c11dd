//! The list: data, with the page that it was read from.

use std::time::Duration;

use countersign::header::HeaderNames;
use countersign::replay::MemoryStore;

use crate::{Example, Retries, SecretForm, Sender};

const fn seconds<const N: usize>(list: [u64; N]) -> [Duration; N] {
    let mut delays = [Duration::ZERO; N];
    let mut index = 0;
    while index < N {
        delays[index] = Duration::from_secs(list[index]);
        index += 1;
    }
    delays
}

/// <https://docs.svix.com/retries>; Resend lists the same ones: <https://resend.com/docs/webhooks/retries-and-replays>.
static SVIX_DELAYS: [Duration; 7] = seconds([5, 300, 1800, 7200, 18_000, 36_000, 36_000]);
/// Three attempts, two seconds apart, on 429 and 503: <https://supabase.com/docs/guides/auth/auth-hooks>.
static SUPABASE_DELAYS: [Duration; 2] = seconds([2, 2]);
/// "Several times on an exponential backoff", the last about a minute after the end of the prediction:
/// <https://replicate.com/docs/topics/webhooks/receive-webhook>.
static REPLICATE_DELAYS: [Duration; 5] = seconds([2, 4, 8, 16, 30]);
/// "Up to 10 times with an exponential backoff": <https://polar.sh/docs/integrate/webhooks/delivery>. The delays are a
/// guess.
static POLAR_DELAYS: [Duration; 10] = seconds([30, 60, 120, 240, 480, 960, 1920, 3840, 7680, 15_360]);

const STANDARD: Sender = Sender {
    name: "standard",
    documentation: "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
    headers: HeaderNames::Webhook,
    secrets: SecretForm::Base64,
    retain: MemoryStore::DEFAULT_RETAIN,
    reads_response: false,
    retries: Retries::Backoff { first: Duration::from_secs(10), window: Duration::from_secs(24 * 3600) },
    example: Example::new(
        "user.created",
        r#"{"type":"$TYPE","timestamp":"$TIME","data":{"id":"user_$ID","email":"alice@example.com"}}"#,
    ),
};

/// The schedule of Svix ends after 27 h 35 min.
const SVIX: Sender = Sender {
    name: "svix",
    documentation: "https://docs.svix.com/retries",
    headers: HeaderNames::Either,
    retain: Duration::from_secs(30 * 3600),
    retries: Retries::Delays(&SVIX_DELAYS),
    example: Example::new(
        "invoice.paid",
        r#"{"type":"$TYPE","timestamp":"$TIME","data":{"id":"invoice_$ID","amount":1250,"status":"paid"}}"#,
    ),
    ..STANDARD
};

/// All of them.
pub static SENDERS: [Sender; 10] = [
    STANDARD,
    Sender {
        name: "gemini",
        documentation: "https://ai.google.dev/gemini-api/docs/webhooks",
        retain: Duration::from_secs(25 * 3600),
        example: Example::new(
            "batch.succeeded",
            r#"{"type":"$TYPE","version":"v1","timestamp":"$TIME","data":{"id":"batch_$ID"}}"#,
        ),
        ..STANDARD
    },
    Sender {
        name: "openai",
        documentation: "https://platform.openai.com/docs/guides/webhooks",
        secrets: SecretForm::Prefix,
        retain: Duration::from_secs(73 * 3600),
        // For up to 72 hours with exponential backoff; it says no more.
        retries: Retries::Backoff { first: Duration::from_secs(10), window: Duration::from_secs(72 * 3600) },
        example: Example::new(
            "response.completed",
            r#"{"id":"evt_$ID","object":"event","created_at":$SECONDS,"type":"$TYPE","data":{"id":"resp_$ID"}}"#,
        ),
        ..STANDARD
    },
    Sender {
        name: "anthropic",
        documentation: "https://platform.claude.com/docs/en/api/beta/webhooks/unwrap",
        example: Example::new(
            "session.status_idled",
            r#"{"type":"event","id":"event_$ID","created_at":"$TIME","data":{"type":"$TYPE","id":"sesn_$ID"}}"#,
        ),
        ..STANDARD
    },
    SVIX,
    Sender {
        name: "clerk",
        documentation: "https://clerk.com/docs/guides/development/webhooks/overview",
        headers: HeaderNames::Svix,
        example: Example::new(
            "user.created",
            concat!(
                r#"{"data":{"id":"user_$ID","object":"user","first_name":"Alice","created_at":$MILLIS},"#,
                r#""instance_id":"ins_123","object":"event","timestamp":$MILLIS,"type":"$TYPE"}"#,
            ),
        ),
        ..SVIX
    },
    Sender {
        name: "resend",
        documentation: "https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests",
        headers: HeaderNames::Svix,
        example: Example::new(
            "email.sent",
            concat!(
                r#"{"type":"$TYPE","created_at":"$TIME","data":{"email_id":"$ID","created_at":"$TIME","#,
                r#""from":"Acme <onboarding@example.com>","to":["alice@example.com"],"subject":"Hello"}}"#,
            ),
        ),
        ..SVIX
    },
    Sender {
        name: "supabase",
        documentation: "https://supabase.com/docs/guides/auth/auth-hooks",
        secrets: SecretForm::Versioned,
        reads_response: true,
        retries: Retries::Delays(&SUPABASE_DELAYS),
        // The hook "send email": its body has no type.
        example: Example::new(
            "send_email",
            concat!(
                r#"{"user":{"id":"$ID","aud":"authenticated","role":"authenticated","email":"alice@example.com","#,
                r#""created_at":"$TIME"},"email_data":{"token":"305805","token_hash":"7d5b7b1964cf5d388340a7f0","#,
                r#""redirect_to":"http://localhost:3000/","email_action_type":"signup"}}"#,
            ),
        ),
        ..STANDARD
    },
    Sender {
        name: "replicate",
        documentation: "https://replicate.com/docs/topics/webhooks/verify-webhook",
        retries: Retries::Delays(&REPLICATE_DELAYS),
        // The body is the prediction, and has no type.
        example: Example::new(
            "completed",
            concat!(
                r#"{"id":"$ID","version":"5c7d5dc6dd8bf75c1acaa8565735e798","created_at":"$TIME","#,
                r#""completed_at":"$TIME","status":"succeeded","input":{"text":"Alice"},"output":"hello Alice","#,
                r#""error":null,"logs":"","metrics":{"predict_time":0.5}}"#,
            ),
        ),
        ..STANDARD
    },
    Sender {
        name: "polar",
        documentation: "https://polar.sh/docs/integrate/webhooks/delivery",
        secrets: SecretForm::Prefix,
        retries: Retries::Delays(&POLAR_DELAYS),
        example: Example::new(
            "order.created",
            r#"{"type":"$TYPE","timestamp":"$TIME","data":{"id":"$ID","status":"paid","amount":1250,"currency":"usd"}}"#,
        ),
        ..STANDARD
    },
];
