//! Retries, duplicates, restarts, and handlers that can stand them.
//!
//! Senders deliver *at least once*: what was not answered 2xx comes again, for hours, with the same id and a
//! fresh signature. A retry is welcome, a replay is not, and they look the same. What tells them apart is what
//! became of the first.
//!
//! # Claim, then settle
//!
//! After the verdict the layer claims the id in a [`ReplayStore`](countersign::ReplayStore); after the service
//! has answered it settles the claim.
//!
//! | the service | the claim is | the next attempt |
//! | --- | --- | --- |
//! | answers 2xx | confirmed, for 25 hours | 200, `countersign-outcome: duplicate`; the service does not see it |
//! | still works | held | 409, `Retry-After` |
//! | answers anything else, fails, panics, is dropped | released | reaches the service |
//! | still works when its lease runs out | free | reaches the service, beside the first |
//!
//! An id that is recorded *before* the work loses the event if the work fails. One that is looked up before and
//! recorded *after* lets two attempts through at once. Hence the two steps. The [crate's
//! documentation](crate#how-a-request-ends-and-what-becomes-of-its-delivery) lists every ending.
//!
//! ```
//! use std::sync::atomic::{AtomicU32, Ordering};
//!
//! use bytes::Bytes;
//! use countersign::{Clock, MessageId, Secret, Signer, SystemClock, Verifier};
//! use countersign_tower::{VerifiedBody, VerifyLayer};
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! static CALLS: AtomicU32 = AtomicU32::new(0);
//!
//! /// Fails the first time.
//! async fn handle(_: Request<VerifiedBody>) -> Result<Response<Full<Bytes>>, http::Error> {
//!     let status = if CALLS.fetch_add(1, Ordering::Relaxed) == 0 { 500 } else { 204 };
//!     Response::builder().status(status).body(Full::default())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let secret = Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! let verifier = Verifier::builder("jobs").secret(secret.clone()).build()?;
//! let service = VerifyLayer::new(verifier).layer(service_fn(handle));
//!
//! let (id, signer) = (MessageId::parse("msg_1").ok_or("an id")?, Signer::new([secret])?);
//! let mut answers = Vec::new();
//! for _attempt in 0..3 {
//!     let mut request = Request::post("/jobs").body(Full::new(Bytes::from_static(b"{}")))?;
//!     request.headers_mut().extend(signer.sign(&id, SystemClock.now(), b"{}"));
//!     answers.push(service.clone().oneshot(request).await?.status().as_u16());
//! }
//! assert_eq!(answers, [500, 204, 200]); // failed, handled, known
//! assert_eq!(CALLS.load(Ordering::Relaxed), 2);
//! # Ok(())
//! # }
//! ```
//!
//! # Answer soon
//!
//! Senders wait for seconds. Put the work where it cannot get lost (a queue, a table), answer 2xx, and do it
//! later. If you work before you answer, and senders hang up meanwhile: [`detach`](crate::VerifyLayer::detach)
//! lets the work go on and settle by its own outcome, where otherwise the claim is released and the retry
//! starts the work again. Make the [lease](crate::VerifyLayer::lease) longer than the longest work.
//!
//! Never answer 2xx to what you could not do: it is confirmed, and gone. Never answer 410: Standard Webhooks
//! 1.0.0 has senders disable the endpoint.
//!
//! # Restarts, and several instances
//!
//! A [`MemoryStore`](countersign::MemoryStore) is exact and bounded, and it is one process's own:
//!
//! - After a restart it is empty. A retry of what was handled just before, and whose answer got lost, is
//!   handled again. A replay can pass until its timestamp is 5 minutes old.
//! - Several instances behind one address do not know of each other: a delivery may be handled once by each.
//! - A claim that was in flight when the process was killed is gone with it, so that the retry is welcome.
//!
//! A store of your own, in what your instances share, is an implementation of
//! [`ReplayStore`](countersign::ReplayStore): its documentation says what it must hold to, and which mistakes
//! are security holes. A store that gives no answer is 503, unless [`on_store_failure`] says otherwise.
//!
//! # Handlers that can stand it
//!
//! No store makes handling happen exactly once: the work may be done and its answer lost, a lease may run out.
//! So a handler notes the id *together with* its effect, in one transaction, and does nothing where the id is
//! there already. [`Verified::message_id`](countersign::Verified::message_id) is that id; with several sources,
//! the name of the [source](countersign::Verified::source) belongs to it.
//!
//! ```
//! use std::collections::HashSet;
//! use std::sync::{Mutex, PoisonError};
//!
//! use countersign::Verified;
//! use http::StatusCode;
//!
//! /// Stands for a table with a unique column:
//! /// `INSERT INTO deliveries (source, id) VALUES (?, ?) ON CONFLICT DO NOTHING`.
//! #[derive(Default)]
//! struct Database(Mutex<HashSet<(String, String)>>);
//!
//! fn handle(database: &Database, webhook: &Verified) -> StatusCode {
//!     let mut transaction = database.0.lock().unwrap_or_else(PoisonError::into_inner);
//!     if transaction.insert((webhook.source().to_owned(), webhook.message_id().to_string())) {
//!         // The effect, in the same transaction.
//!     }
//!     StatusCode::NO_CONTENT // also for one that was there: it has been done
//! }
//! # let secret = countersign::Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
//! # let verifier = countersign::Verifier::builder("jobs").secret(secret.clone()).build().unwrap();
//! # let (id, now) = (countersign::MessageId::parse("msg_1").unwrap(), countersign::UnixTime::from_secs(9));
//! # let headers = countersign::Signer::new([secret]).unwrap().sign(&id, now, b"");
//! # let verified = verifier.begin(&headers, now).unwrap().finish(bytes::Bytes::new()).unwrap();
//! # let database = Database::default();
//! # for _ in 0..2 { assert_eq!(handle(&database, &verified), 204); }
//! # assert_eq!(database.0.lock().unwrap().len(), 1);
//! ```
//!
//! Deliveries are not ordered either: `failed` may arrive before the retry of what came before it. Where order
//! matters, take the delivery as news that something happened, and ask the sender's API for the state.
//!
//! # Duplicates that the handler wants to see
//!
//! With [`OnDuplicate::HandOver`](crate::OnDuplicate::HandOver) they reach the service, with
//! [`Unclaimed::Duplicate`](crate::Unclaimed::Duplicate) in the request's extensions. For a handler that
//! answers with what it answered before. Look at the mark: whoever saw a delivery can cause one within the
//! tolerance.
//!
//! [`on_store_failure`]: crate::VerifyLayer::on_store_failure
