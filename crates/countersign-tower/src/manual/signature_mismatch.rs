//! Why a signature does not fit, and every other reason for a refusal.
//!
//! # `signature_mismatch`
//!
//! All else is in order by then: the three headers can be read, the timestamp is fresh, and there is a key for
//! one of the schemes. So it is not the clock. Either the key is not the one that was signed with, or one of
//! the three things that are signed (id, timestamp, body) is not what the sender sent.
//!
//! 1. **Capture one delivery as it arrived**, [see below](#capture-a-delivery), and ask:
//!
//!    ```sh
//!    countersign explain --request captured.json --secret-env GEMINI_WEBHOOK_SECRET
//!    ```
//!
//!    It undoes what usually goes wrong, one thing at a time and then two, and names the one after which the
//!    signature fits. For `v1a` and tokens give it `--jwks URL`, for tokens also `--audience URL`. An old
//!    capture needs `--now TIME`.
//! 2. **Does every delivery fail, or do some?**
//!    - *Every one*, from the start: the secret (3), or something that writes every body anew (4).
//!    - *Every one, since a certain moment*: the secret was [rotated](super::rotation), an `expires_at` has
//!      passed, or something new stands in front.
//!    - *Some*: bodies with characters beyond ASCII (decoded and encoded as text), long ones (cut off), those
//!      of one instance (an old configuration), those of a second sender that posts to the same address.
//! 3. **The secret.** Is it the one of this endpoint, project and environment? Compare its last four characters
//!    with what the sender shows (`truncated_secret`). Is all of it there? What is pasted with quotes, a
//!    newline or `v1,` in front is refused by [`Secret::parse`](countersign::Secret::parse), which says so.
//!    Bytes that you decoded yourself are given to [`Secret::from_bytes`](countersign::Secret::from_bytes). If
//!    the sender is not known to be right, sign with the same secret on your side: `countersign send URL
//!    --secret-env …`.
//! 4. **The body.** The layer verifies the bytes that it is given. Does a layer *outside* it change them
//!    (decompression)? Does a [proxy](super::behind_a_proxy)? Does something of your own read the request, and
//!    post it again?
//! 5. **The id or the timestamp.** A queue that posts a delivery again with headers of its own has changed what
//!    was signed. It has to keep all three, and to be quick: see `timestamp_too_old`.
//! 6. **`v1a`**: the sender's keys were rotated, and yours are pinned. A JWKS is asked again by itself.
//! 7. **It is forged.** Then this is what it should look like.
//!
//! # Code that changes bodies
//!
//! To parse JSON and write it again gives other bytes: spaces, the order of names, `\u00e9` or `é`, `1.0` or
//! `1`.
//!
//! ```
//! use bytes::Bytes;
//! use countersign::{MessageId, Reason, Secret, Signer, UnixTime, Verifier};
//!
//! let secret = Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! let verifier = Verifier::builder("jobs").secret(secret.clone()).build()?;
//! let (id, now) = (MessageId::parse("msg_1").ok_or("an id")?, UnixTime::from_secs(1_795_176_000));
//! let sent = br#"{"type": "batch.succeeded"}"#;
//! let headers = Signer::new([secret])?.sign(&id, now, sent);
//!
//! let parsed: serde_json::Value = serde_json::from_slice(sent)?;
//! let rewritten = serde_json::to_vec(&parsed)?; // one space less
//! let refused = verifier.begin(&headers, now)?.finish(rewritten.into()).expect_err("other bytes");
//! assert_eq!(refused.reason(), Reason::SignatureMismatch);
//! assert!(verifier.begin(&headers, now)?.finish(Bytes::from_static(sent)).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Whatever passes a delivery on, or verifies it in another language, has to take the bytes:
//!
//! | in | not | but |
//! | --- | --- | --- |
//! | axum, inside the layer | | any extractor: what it gets is verified |
//! | axum, passing on | `Json<Value>` | `Bytes` |
//! | tower-http | `RequestDecompressionLayer` outside the layer | inside it, or not at all |
//! | Express | `express.json()`, then `JSON.stringify(req.body)` | `express.raw({ type: '*/*' })`, on this route, before any other parser |
//! | Next.js | `await req.json()` | `await req.text()`; in the pages router, `bodyParser: false` |
//! | Flask | `request.json` | `request.get_data()` |
//! | Django | `json.loads` and `dumps` | `request.body` |
//! | `FastAPI` | a model as the parameter | `await request.body()` |
//! | Rails | `params` | `request.raw_post` |
//! | PHP | `$_POST` | `file_get_contents('php://input')` |
//! | Spring | an object, or a `String`, which has a charset | `@RequestBody byte[]` |
//! | AWS Lambda | `event.body` as it is | base64-decoded, where `isBase64Encoded` is set |
//!
//! # Capture a delivery
//!
//! Headers and bytes of one request, in a form that `explain` reads. Put it in place of the layer for a while,
//! on a machine that is not in service, or call it where [observing](super::observing) shows a refusal. A
//! capture holds a signature that fits: keep it as you keep logs.
//!
//! ```
//! use base64::Engine;
//! use base64::engine::general_purpose::STANDARD;
//! use bytes::Bytes;
//! use http::{HeaderMap, HeaderValue};
//!
//! fn captured(headers: &HeaderMap, body: &Bytes) -> String {
//!     let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
//!     let headers: Vec<_> = headers.iter().map(|(name, value)| [name.to_string(), text(value)]).collect();
//!     serde_json::json!({ "headers": headers, "body_base64": STANDARD.encode(body) }).to_string()
//! }
//! # let headers = HeaderMap::from_iter([(countersign::header::WEBHOOK_ID, HeaderValue::from_static("msg_1"))]);
//! # let text = captured(&headers, &Bytes::from_static(b"{}"));
//! # assert_eq!(text, r#"{"body_base64":"e30=","headers":[["webhook-id","msg_1"]]}"#);
//! ```
//!
//! # All reasons
//!
//! What stands in `code` of a problem document, in `countersign-code` for gRPC, and in
//! [`Refusal::code`](crate::Refusal::code). [`Refusal`](crate::Refusal) has the statuses. The gateway has a few
//! more of its own, for routes and backends.
//!
//! | code | cause | cure |
//! | --- | --- | --- |
//! | `missing_header` | one of the three headers is not there; the detail names it | not a delivery; or a proxy lets listed headers through only: list these |
//! | `duplicate_header` | one of them is there twice | something adds it again: let it replace, or leave alone |
//! | `malformed_id` | the id is empty, longer than 256 characters, or has a space or a `.` | the sender is none of Standard Webhooks; or a proxy joined two values with a comma |
//! | `malformed_timestamp` | not a plain decimal number | the sender sends a date, or a sign, or fractions; or two values were joined |
//! | `timestamp_too_old` | signed more than the tolerance ago: a replay, a queue in between, a slow clock at the sender, a fast one here | synchronise clocks; sign or forward without delay |
//! | `timestamp_too_new` | signed in the future: clocks, or milliseconds | synchronise clocks; the unit is seconds |
//! | `malformed_signature` | no entry of the form `version,base64` can be read, or there are more than 32 | compare with the sender's log: the header is cut off, quoted or encoded anew |
//! | `unsupported_scheme` | signed in schemes for which there is no key | configure a secret for `v1`, a key or a key set for `v1a`, a policy for tokens: [`static_and_dynamic`](super::static_and_dynamic) |
//! | `signature_mismatch` | no live key fits | above |
//! | `token_malformed` | the token cannot be read, or has `crit` (RFC 7515) | the header is cut off; or the sender demands what nobody here understands |
//! | `token_algorithm` | it is not signed with RS256 | nothing else is taken; a token with `none` or HS256 is an attack |
//! | `unknown_key` | its `kid` names no RSA key of 2048 bits or more in the set | is the URL of the key set the sender's? If it rotated within the last 30 seconds, its retry succeeds |
//! | `token_issuer` | `iss` is none of those that you listed | correct the list, or this is another issuer's token |
//! | `token_audience` | `aud` is none of yours | give the policy the URL exactly as the sender has it, with its slash at the end |
//! | `token_untimed` | neither `iat`, nor an `exp` within 24 hours | such a token could be used again and again: the sender has to date it |
//! | `token_expired` | `exp` was more than 60 s ago | synchronise clocks; forward without delay |
//! | `token_not_yet_valid` | `nbf` is more than 60 s ahead | synchronise clocks |
//! | `body_not_bound` | the claims are neither the body nor its hash | a changed body, or a [token that binds none](super::static_and_dynamic#a-token-has-to-bind-the-body) |
//! | `unknown_source` | [`PerRequest`](crate::PerRequest) gave no keys | a wrong address at the sender; or a path without its prefix, under axum's `nest` |
//! | `body_too_large` | more bytes than [`body_limit`](crate::VerifyLayer::body_limit) | raise it, if this sender's bodies are so large |
//! | `body_timeout` | not complete within [`body_timeout`](crate::VerifyLayer::body_timeout) | a slow link, or a proxy that passes bodies on as they trickle in: let it buffer |
//! | `body_unreadable` | the body broke off, or is not framed as HTTP or gRPC asks for | the connection failed; if it recurs, look at the proxy's limits |
//! | `over_budget` | all bodies together fill the [budget](crate::BodyBudget) | wait; if it recurs, raise it, lower the limit, or bound connections in front |
//! | `grpc_stream` | a call with no message, or with several | make it unary, or [buffer streams](crate::VerifyLayer::buffer_grpc_streams) |
//! | `in_flight` | the same id is being handled | nothing: the sender comes back. If it lasts, handlers hang until the lease runs out |
//! | `keys_unavailable` | public keys are needed, and were never fetched, or not for 24 hours | can this machine reach the key set? The log of `countersign-jwks` says why not |
//! | `store_unavailable` | the replay store is full, or out of reach | raise its capacity; mend the store |
//! | `layer_missing` | an extractor of axum met a request that no layer has seen | put the layer around that route |
//! | `unexpected_payload` | genuine, and not what `Webhook<T>` was to be | take another `T`, or filter the [events](crate::VerifyLayer::events) |
