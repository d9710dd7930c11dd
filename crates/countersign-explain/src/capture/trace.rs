//! What clients print of a connection: `curl --trace`, `curl --trace-ascii`, `http.client` of Python, `net/http` of Ruby.

use crate::encoded;

/// The bytes that were sent, if this is the trace of a client.
pub(super) fn sent(text: &str) -> Option<Vec<u8>> {
    if text.contains("=> Send header") { Some(curl(text)) } else { literals(text) }
}

/// The sections of `curl --trace` and `--trace-ascii`.
fn curl(text: &str) -> Vec<u8> {
    let (mut sent, mut section) = (Vec::new(), None::<Vec<&str>>);
    let mut end =
        |section: &mut Option<Vec<&str>>| sent.extend(section.take().map(|lines| bytes(&lines)).unwrap_or_default());
    for line in text.lines() {
        if row(line).is_some() {
            if let Some(lines) = section.as_mut() {
                lines.push(line);
            }
        } else {
            end(&mut section);
            section = (line.contains("=> Send header") || line.contains("=> Send data")).then(Vec::new);
        }
    }
    end(&mut section);
    sent
}

/// The offset and the text of a row.
fn row(line: &str) -> Option<(usize, &str)> {
    let (offset, text) = line.split_once(':').filter(|(offset, _)| offset.len() >= 4)?;
    Some((usize::from_str_radix(offset, 16).ok()?, text.strip_prefix(' ').unwrap_or(text)))
}

/// The bytes of the rows of a section.
fn bytes(rows: &[&str]) -> Vec<u8> {
    let dump = rows.join("\n");
    // Rows of hexadecimal digits: the first has sixteen.
    let is_hex = rows.first().is_some_and(|row| {
        let words = row.split_whitespace().skip(1);
        words.take_while(|word| word.len() == 2 && hex::decode(word).is_ok()).count() >= 2
    });
    is_hex.then(|| encoded::dumps(&dump).next()).flatten().unwrap_or_else(|| characters(rows))
}

/// Rows of characters: the offsets say where line ends are left out.
fn characters(rows: &[&str]) -> Vec<u8> {
    let rows: Vec<_> = rows.iter().filter_map(|line| row(line)).collect();
    let mut bytes = Vec::new();
    for (at, (offset, text)) in rows.iter().enumerate() {
        bytes.extend_from_slice(text.as_bytes());
        let missing = rows.get(at + 1).map(|(next, _)| next.saturating_sub(offset + text.len()));
        bytes.extend_from_slice(match missing {
            Some(2) => b"\r\n",
            Some(1) => b"\n",
            // The last row of a head is empty, and ends it.
            None if text.is_empty() => b"\r\n",
            _ => b"",
        });
    }
    bytes
}

/// `send: b'POST / HTTP/1.1\r\n…'` of Python, `<- "POST / HTTP/1.1\r\n…"` of Ruby.
fn literals(text: &str) -> Option<Vec<u8>> {
    let mut sent = Vec::new();
    for line in text.lines() {
        let Some(literal) = line.strip_prefix("send: ").or_else(|| line.strip_prefix("<- ")) else { continue };
        let literal = literal.trim();
        let text = crate::json::parse_literal(literal)?;
        sent.extend_from_slice(text.text()?.as_bytes());
    }
    (!sent.is_empty()).then_some(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_put_together() {
        let expected = b"POST / HTTP/1.1\r\nwebhook-id: a\r\n\r\n{\"a\":1}";
        for text in [
            "== Info: Connected\n=> Send header, 36 bytes (0x24)\n0000: POST / HTTP/1.1\n0011: webhook-id: a\n0020: \n=> Send data, 7 bytes (0x7)\n0000: {\"a\":1}\n== Info: done\n<= Recv header, 17 bytes\n0000: HTTP/1.1 200 OK\n",
            "=> Send header, 34 bytes (0x22)\n0000: 50 4f 53 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d POST / HTTP/1.1.\n0010: 0a 77 65 62 68 6f 6f 6b 2d 69 64 3a 20 61 0d 0a .webhook-id: a..\n0020: 0d 0a                                           ..\n=> Send data, 7 bytes (0x7)\n0000: 7b 22 61 22 3a 31 7d                            {\"a\":1}\n",
            "send: b'POST / HTTP/1.1\\r\\nwebhook-id: a\\r\\n\\r\\n'\nsend: b'{\"a\":1}'\nreply: 'HTTP/1.1 200 OK\\r\\n'\n",
            "opening connection\n<- \"POST / HTTP/1.1\\r\\nwebhook-id: a\\r\\n\\r\\n\"\n<- \"{\\\"a\\\":1}\"\n-> \"HTTP/1.1 200 OK\\r\\n\"\n",
        ] {
            assert_eq!(
                sent(text).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
                Some(String::from_utf8_lossy(expected).into_owned()),
                "{text}"
            );
        }
        assert_eq!(sent("POST / HTTP/1.1\n"), None);
    }
}
