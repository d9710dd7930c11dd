//! `Forwarded` (RFC 7239).

use std::borrow::Cow;
use std::collections::VecDeque;

use http::HeaderMap;
use http::header::FORWARDED;

use super::chain::{self, MAX_HOPS, Malformed, Networks, Node};
use crate::connection::Client;

/// What one proxy has added.
#[derive(Debug, Default)]
struct Element<'a> {
    node: Option<Cow<'a, [u8]>>,
    scheme: Option<Cow<'a, [u8]>>,
    host: Option<Cow<'a, [u8]>>,
}

/// The client that this header tells of, if there is one.
pub(super) fn read(headers: &HeaderMap, trusted: &Networks) -> Result<Option<Client>, Malformed> {
    let mut elements = VecDeque::new();
    for line in headers.get_all(FORWARDED) {
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            let (element, after) = element(rest)?;
            rest = after;
            if elements.len() == MAX_HOPS {
                elements.pop_front();
            }
            elements.extend(element);
        }
    }
    let nodes = elements.iter().rev().map(|element| match &element.node {
        Some(node) => Node::parse(node),
        None => Ok(Node::Hidden),
    });
    let Some(found) = chain::find(nodes, trusted)? else { return Ok(None) };
    let Some(element) = elements.iter().nth_back(found.position) else { return Ok(None) };
    let scheme = element.scheme.as_deref().map(chain::scheme).transpose()?;
    let (host, port) = element.host.as_deref().map(chain::host).transpose()?.unzip();
    Ok(Some(Client { address: found.address, scheme, host, port: port.flatten() }))
}

/// Reads up to the next comma: an element, or nothing between two commas, and what follows.
fn element(mut text: &[u8]) -> Result<(Option<Element<'_>>, &[u8]), Malformed> {
    let mut element = None;
    loop {
        text = text.trim_ascii_start();
        match text {
            [] => return Ok((element, text)),
            [b',', rest @ ..] => return Ok((element, rest)),
            [b';', rest @ ..] => text = rest,
            _ => {
                let equals = text.iter().position(|byte| *byte == b'=').ok_or(Malformed)?;
                let (name, (value, rest)) = (&text[..equals], value(&text[equals + 1..])?);
                if name.is_empty() || !name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') {
                    return Err(Malformed);
                }
                text = rest.trim_ascii_start();
                if !matches!(text, [] | [b',' | b';', ..]) {
                    return Err(Malformed);
                }
                let element: &mut Element<'_> = element.get_or_insert_default();
                let fact = match name.to_ascii_lowercase().as_slice() {
                    b"for" => &mut element.node,
                    b"proto" => &mut element.scheme,
                    b"host" => &mut element.host,
                    _ => continue,
                };
                if fact.replace(value).is_some() {
                    return Err(Malformed);
                }
            }
        }
    }
}

/// Reads a token or a quoted string, and what follows. Many proxies do not quote the colon and brackets of an address.
fn value(text: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), Malformed> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|byte| !byte.is_ascii_graphic() || matches!(byte, b',' | b';' | b'"' | b'='));
        let (value, rest) = text.split_at(end.unwrap_or(text.len()));
        return if value.is_empty() { Err(Malformed) } else { Ok((value.into(), rest)) };
    };
    let mut value = Vec::new();
    let mut bytes = quoted.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Ok((value.into(), &quoted[at + 1..])),
            b'\\' => value.push(*bytes.next().ok_or(Malformed)?.1),
            byte => value.push(*byte),
        }
    }
    Err(Malformed)
}
