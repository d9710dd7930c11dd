//! Connections of HTTP/2 frame by frame, as RFC 9113 has them and as it forbids them: `tests/data/http2.json`. The number
//! in front of a name is its section. Where the standard has another error code, or an error of the stream alone, the
//! library closes the connection with `PROTOCOL_ERROR`, as the standard allows.

use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::common::http2_frames::{Frame, PREFACE, frame, frames};
use crate::common::{Backend, Delivery, Gateway, Wire, delivery, send};

const KINDS: [&str; 10] = [
    "DATA",
    "HEADERS",
    "PRIORITY",
    "RST_STREAM",
    "SETTINGS",
    "PUSH_PROMISE",
    "PING",
    "GOAWAY",
    "WINDOW_UPDATE",
    "CONTINUATION",
];
const ERRORS: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    frames: Vec<Sent>,
    /// What the gateway does: `status 200`, `reset PROTOCOL_ERROR`, `goaway PROTOCOL_ERROR`, or `any of:` some.
    end: String,
}

/// A frame that is sent. Its payload is one of `headers`, `text`, `hex` and `fill`, a number of bytes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Sent {
    r#type: String,
    flags: String,
    stream: u32,
    /// `@signed` stands for the webhook headers of an authentic delivery of `{}`.
    headers: Vec<(String, String)>,
    text: String,
    hex: String,
    fill: usize,
    /// How often it is sent. Default: once.
    repeat: Option<usize>,
    /// By how much the number of the stream grows each time.
    next: u32,
    /// Whether `RST_STREAM` follows each.
    reset: bool,
}

impl Sent {
    fn bytes(&self, signed: &Delivery) -> Vec<u8> {
        let kind = KINDS.iter().position(|kind| *kind == self.r#type);
        let kind =
            kind.map_or_else(|| self.r#type.parse().expect("a number"), |kind| u8::try_from(kind).expect("small"));
        let flags = self.flags.split_whitespace().fold(0, |flags, flag| {
            flags
                | match flag {
                    "END_STREAM" | "ACK" => 1,
                    "END_HEADERS" => 4,
                    "PADDED" => 8,
                    other => panic!("no such flag: {other}"),
                }
        });
        let mut payload = [self.text.as_bytes(), &hex(&self.hex), &vec![b' '; self.fill]].concat();
        for (name, value) in &self.headers {
            if name == "@signed" {
                signed.head().lines().skip(2).filter_map(|line| line.split_once(": ")).for_each(|(name, value)| {
                    put_header(name, value, &mut payload);
                });
            } else {
                put_header(name, value, &mut payload);
            }
        }
        let mut bytes = Vec::new();
        let mut stream = self.stream;
        for _ in 0..self.repeat.unwrap_or(1) {
            bytes.extend(frame(kind, flags, stream, &payload));
            if self.reset {
                bytes.extend(frame(3, 0, stream, &8_u32.to_be_bytes()));
            }
            stream += self.next;
        }
        bytes
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(digit).collect()
}

/// A literal header that is never indexed, without Huffman coding (RFC 7541, 6.2.3).
fn put_header(name: &str, value: &str, block: &mut Vec<u8>) {
    block.push(0x10);
    for text in [name, value] {
        if let Ok(length @ ..127) = u8::try_from(text.len()) {
            block.push(length);
        } else {
            let mut rest = text.len() - 127;
            block.push(127);
            while rest >= 128 {
                block.push(u8::try_from(rest % 128).expect("7 bits") | 128);
                rest /= 128;
            }
            block.push(u8::try_from(rest).expect("7 bits"));
        }
        block.extend_from_slice(text.as_bytes());
    }
}

/// What a connection has ended with, if it has.
fn end(received: &[Frame]) -> Option<String> {
    let error = |code: &[u8]| ERRORS[u32::from_be_bytes(code.try_into().expect("4 bytes")) as usize];
    received.iter().find_map(|frame| match frame.kind {
        1 => Some(format!("status {}", status(&frame.payload))),
        3 => Some(format!("reset {}", error(&frame.payload[..4]))),
        7 => Some(format!("goaway {}", error(&frame.payload[4..8]))),
        _ => None,
    })
}

/// The status at the beginning of a block: indexed, or a literal of digits (RFC 7541, appendix A and B).
fn status(block: &[u8]) -> String {
    const INDEXED: [&str; 7] = ["200", "204", "206", "304", "400", "404", "500"];
    if block[0] >= 0x88 {
        return INDEXED[usize::from(block[0] - 0x88)].to_owned();
    }
    let (length, text) = (block[1], &block[2..]);
    if length < 128 {
        return String::from_utf8_lossy(&text[..usize::from(length)]).into_owned();
    }
    let bytes = text[..usize::from(length & 127)].iter();
    let bits = bytes.map(|byte| format!("{byte:08b}")).collect::<Vec<_>>().concat();
    let (mut digits, mut rest) = (String::new(), bits.as_str());
    while digits.len() < 3 {
        let is_short = &rest[..4] == "0000" || &rest[..5] == "00010";
        let (code, after) = rest.split_at(if is_short { 5 } else { 6 });
        let number = u8::from_str_radix(code, 2).expect("bits");
        digits.push(char::from(b'0' + if is_short { number } else { number - 0b01_1001 + 3 }));
        rest = after;
    }
    digits
}

/// Sends the frames of a case, and reads until the gateway has decided.
async fn play(gateway: std::net::SocketAddr, case: &Case, id: &str) -> String {
    let signed = delivery(id, "{}");
    let mut bytes = [PREFACE, &frame(4, 0, 0, &[])].concat();
    case.frames.iter().for_each(|sent| bytes.extend(sent.bytes(&signed)));
    let stream = TcpStream::connect(gateway).await.expect("it listens");
    let (mut read, mut write) = stream.into_split();
    // It may close the connection before all is written.
    let writing = tokio::spawn(async move {
        let _ = write.write_all(&bytes).await;
        write
    });
    let mut received = Vec::new();
    let deciding = async {
        loop {
            if let Some(end) = end(&frames(&received)) {
                return end;
            }
            if !matches!(read.read_buf(&mut received).await, Ok(1..)) {
                return "closed".to_owned();
            }
        }
    };
    let end = timeout(Duration::from_secs(10), deciding).await.unwrap_or_else(|_| "open".to_owned());
    writing.abort();
    end
}

#[tokio::test]
async fn frames_have_the_consequences_of_the_standard() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../data/http2.json")).expect("cases");
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend).await;
    let before = gateway.resident();
    let mut running = JoinSet::new();
    for (number, case) in cases.iter().cloned().enumerate() {
        let address = gateway.address;
        running.spawn(async move {
            let end = play(address, &case, &format!("msg_{number}")).await;
            (number, case, end)
        });
    }
    let mut wrong = Vec::new();
    for (number, case, end) in running.join_all().await {
        let is_expected = match case.end.strip_prefix("any of: ") {
            Some(any) => any.split(", ").any(|expected| expected == end),
            None => case.end == end,
        };
        let is_forwarded = backend.seen().iter().any(|seen| seen.id() == format!("msg_{number}"));
        if !is_expected || (is_forwarded && end != "status 200" && case.end.find("status 200").is_none()) {
            wrong.push(format!("{}: {end}, forwarded: {is_forwarded}, instead of {}", case.name, case.end));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let grown = gateway.resident().saturating_sub(before);
    assert!(grown < 64 << 20, "the floods have left {grown} bytes");
    assert_eq!(send(gateway.address, &delivery("msg_after", "{}"), Wire::Http2Length).await.status, 200);
}
