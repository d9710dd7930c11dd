//! Shared by all tests of the gateway: the gateway in the process of the test ([`InProcess`]) and as a child process
//! ([`Gateway`]), senders over HTTP/1.1 and HTTP/2, and publishers of key sets.

mod client;
mod connect_proxy;
mod cuttable;
mod emulated_api;
mod front;
mod gateway;
mod generations;
mod http2_backend;
pub(crate) mod http2_frames;
mod in_process;
mod jwks;
mod persistent;
mod running;
mod tls_front;
mod upstream;

use bytes::Bytes;

pub(crate) use client::{Connection, Wire, command, get, read, send};
pub(crate) use connect_proxy::ConnectProxy;
pub(crate) use countersign_test::backend::{Answer, Backend, Seen};
pub(crate) use countersign_test::delivery::{Delivery, noise};
pub(crate) use countersign_test::keys::{Issuer, jwk, key};
pub(crate) use countersign_test::process::{finished, free_address};
pub(crate) use countersign_test::tls::Authority;
pub(crate) use countersign_test::wait::{soon, until};
pub(crate) use countersign_test::wire::{Raw, Reply, raw_answers};
pub(crate) use cuttable::Cuttable;
pub(crate) use emulated_api::call;
pub(crate) use front::Front;
pub(crate) use gateway::{Gateway, SOURCE, binary, route, route_to, run, secret_of};
pub(crate) use generations::Generations;
pub(crate) use http2_backend::Http2Backend;
pub(crate) use in_process::InProcess;
pub(crate) use jwks::{BODY, Publish, Publisher, keys, signed_by, source};
pub(crate) use persistent::send_until_acknowledged;
pub(crate) use running::Running;
pub(crate) use tls_front::in_front_of;
pub(crate) use upstream::{Peer, Upstream};

/// The secret of the source `test`.
pub(crate) const SECRET: &str = "whsec_ZWRLvP0xlU2qvMeLqzFlN4QGHbsOADai";
/// The secret of sources other than `test`, or of none.
pub(crate) const OTHER_SECRET: &str = "whsec_Slij6fWWdjiVkP2MB2DFee8ASRsB0IPYdiaGx59Qd2Y=";

/// An authentic delivery to `/hook`, signed at the present time.
pub(crate) fn delivery(id: &str, body: impl Into<Bytes>) -> Delivery {
    Delivery::signed([SECRET], 0, id, body)
}
