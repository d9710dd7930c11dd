//! What stands in front of the service, and changes bodies.
//!
//! What is signed is `id.timestamp.body`, with the body as the sender wrote it. Whatever stands between the
//! sender and the layer has to leave those bytes and the three headers alone. Most proxies do, until somebody
//! turns on a feature that does not. TLS, HTTP/1.1 against HTTP/2, chunks against `Content-Length`, and the
//! path make no difference: none of them is signed.
//!
//! # What breaks
//!
//! | what | how it shows | what to do |
//! | --- | --- | --- |
//! | JSON is parsed and written anew: a gateway that maps or validates payloads, a function that passes `event.body` on, gRPC-JSON transcoding | `signature_mismatch`, for every delivery | turn it off for this route, or verify in front of it |
//! | a body is decompressed, or compressed | `signature_mismatch`, where there is a `Content-Encoding` | turn it off for requests |
//! | text is decoded and encoded: charset filters, line ends, a trimmed newline | `signature_mismatch`, for some bodies | pass bytes |
//! | a body is wrapped: base64, a form, a JSON string | `signature_mismatch` | unwrap it before the layer |
//! | a body is cut off at a buffer's end, as some inspecting filters do | `signature_mismatch` for long ones, `body_unreadable` | raise that limit, or refuse instead of cutting |
//! | a limit in front is lower than yours | 413 that is no problem document, and no [`Report`] | raise it to [`body_limit`] |
//! | a header is there twice, or two values are joined by a comma (RFC 9110, section 5.3) | `duplicate_header`, `malformed_id`, `malformed_timestamp` | let the proxy replace headers instead of adding |
//! | a header is folded over two lines (RFC 9112, section 5.2, forbids it) | 400 of the server; `malformed_signature` | stop it where it is folded |
//! | only listed headers are passed on | `missing_header` | list `webhook-id`, `webhook-timestamp`, `webhook-signature` |
//! | `-` and `_` are one and the same, as in CGI and WSGI variables | a second `webhook_id` beside, or instead of, the first | have names with `_` dropped |
//! | it waits, queues or replays | `timestamp_too_old` | put the queue behind the verdict |
//! | it redirects, from http to https say | the sender counts it as a failure | register the address at the end |
//! | it gives up before the handler has answered, and hangs up | `Abandoned`, and a retry | a longer timeout there, or [`detach`] |
//! | it answers errors with pages of its own | 401 without its `code` | switch that off for this route: senders need the status, people the code |
//!
//! Layers of your own service count, too: what stands *outside* [`VerifyLayer`](crate::VerifyLayer) is a proxy.
//! In axum the layer that is added last is the outermost.
//!
//! # How to check
//!
//! Send a body that does not survive being written anew, through the whole chain, and signed with your secret:
//! two spaces, an order that is not alphabetical, an escape and the character itself, `1.0`, and a newline at
//! its end.
//!
//! ```sh
//! printf '{"b":  1,\n "a": "\\u00e9 é", "n": 1.0}\r\n' > odd.json
//! countersign send https://hooks.example.com/gemini --secret-env GEMINI_WEBHOOK_SECRET --body odd.json
//! ```
//!
//! An answer of your handler means that the bytes got through; one that wants an event may well say 422. If it
//! is 401, [capture](super::signature_mismatch#capture-a-delivery) what arrives, and compare it with `odd.json`
//! byte by byte. The emulator's fault `reserialized_body` plays such a proxy, to see what it looks like. Send a
//! body of [`body_limit`] bytes as well, and one with a byte more: 413, from the layer.
//!
//! In tests of your own service, the same through the layers that you have:
//!
//! ```
//! use bytes::Bytes;
//! use countersign::{Clock, MessageId, Secret, Signer, SystemClock, Verifier};
//! use countersign_tower::{Report, VerifiedBody, VerifyLayer};
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let secret = Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! let layer = VerifyLayer::new(Verifier::builder("jobs").secret(secret.clone()).build()?);
//! let echo = service_fn(|request: Request<VerifiedBody>| async {
//!     Ok::<_, std::convert::Infallible>(Response::new(Full::new(request.into_body().into_bytes())))
//! });
//! let service = layer.layer(echo); // and your own layers, in their order
//!
//! let odd = "{\"b\":  1,\n \"a\": \"\\u00e9 é\", \"n\": 1.0}\r\n";
//! let id = MessageId::parse("msg_1").ok_or("an id")?;
//! let mut request = Request::post("/jobs").body(Full::new(Bytes::from(odd)))?;
//! request.headers_mut().extend(Signer::new([secret])?.sign(&id, SystemClock.now(), odd.as_bytes()));
//! let response = service.oneshot(request).await?;
//! assert!(response.extensions().get::<Report>().is_some_and(|report| report.refusal().is_none()));
//! assert_eq!(response.into_body().collect().await?.to_bytes(), odd); // the handler has the same bytes
//! # Ok(())
//! # }
//! ```
//!
//! # nginx
//!
//! Bodies pass unchanged. `client_max_body_size` is 1 MiB unless set, so a larger [`body_limit`] needs it
//! raised. `proxy_request_buffering` is on: bodies arrive whole, and slow senders occupy nginx rather than you.
//! `underscores_in_headers` is off, and should stay off. A `POST` that was sent upstream is not sent to another
//! one, unless `proxy_next_upstream` says `non_idempotent`; here it may, since a repetition is `in_flight` or a
//! duplicate, as long as the instances share a store. gRPC needs `grpc_pass`.
//!
//! # Envoy
//!
//! Bodies pass unchanged until a filter changes them. The decompressor works on requests as well as on
//! responses, and so do the gRPC-JSON transcoder, Lua, Wasm and external processing where they are told to:
//! turn them off for this route. The buffer filter answers 413 beyond `max_request_bytes`.
//! `headers_with_underscores_action` can drop names with `_`. A retry policy may repeat deliveries: see nginx.
//!
//! # AWS Application Load Balancer
//!
//! To instances, addresses and containers bodies pass unchanged. To a Lambda function they come inside JSON, of
//! 1 MB at most: as text for `text/*`, JSON, JavaScript and XML, else in base64, and `isBase64Encoded` says
//! which. Decode that before the layer sees it. An idle timeout of 60 s ends what a handler answers later.
//!
//! # countersign-gateway
//!
//! Put in front of all this, it verifies before anything can change a body, and what stands behind it may then
//! do as it likes.
//!
//! [`body_limit`]: crate::VerifyLayer::body_limit
//! [`detach`]: crate::VerifyLayer::detach
//! [`Report`]: crate::Report
