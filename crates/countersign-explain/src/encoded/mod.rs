//! Bytes in other forms: base64, hexadecimal, the dumps of tools, compressed.

mod base64;
mod dump;
mod hex;
mod inflate;
mod run;

pub(crate) use base64::{armored, base64};
pub(crate) use dump::{dumps, is_dump};
pub(crate) use hex::hexadecimal;
pub(crate) use inflate::inflated;
