use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use super::Format;
use super::queue::Queue;

/// The maximum length of a line, in bytes. It is far longer than any line of the gateway itself.
const MAX_LEN: usize = 16 * 1024;

/// Collects one event, from a single write, and queues it as one line.
pub(super) struct Lines {
    queue: Arc<Queue>,
    format: Format,
}

impl Lines {
    pub(super) fn new(queue: Arc<Queue>, format: Format) -> Self {
        Self { queue, format }
    }
}

impl io::Write for Lines {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.queue.push(&cleaned(event, self.format));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The event as one line of bounded length, without characters that end a line, control a terminal or change the
/// direction of text. It may contain text from an untrusted client.
fn cleaned(event: &[u8], format: Format) -> Cow<'_, [u8]> {
    let text = event.strip_suffix(b"\n").unwrap_or(event);
    // The usual case.
    if event.len() <= MAX_LEN && text.len() < event.len() && text.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(event);
    }
    let mut line = String::with_capacity(text.len().min(MAX_LEN) + 256);
    for char in String::from_utf8_lossy(text).chars() {
        if line.len() > MAX_LEN {
            return cut(&line, text.len(), format).into_bytes().into();
        }
        append(&mut line, char);
    }
    line.push('\n');
    line.into_bytes().into()
}

/// Escapes as JSON does. In a line of JSON, such a character can only occur inside a string.
fn append(line: &mut String, char: char) {
    match char {
        '\n' => line.push_str("\\n"),
        '\t' => line.push_str("\\t"),
        '\r' => line.push_str("\\r"),
        _ if char.is_control() || turns_text(char) => {
            // Writing to a string cannot fail.
            let _ = write!(line, "\\u{:04x}", u32::from(char));
        }
        _ => line.push(char),
    }
}

/// Marks and overrides of direction, and separators that some readers treat as a newline.
fn turns_text(char: char) -> bool {
    matches!(char, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn cut(start: &str, len: usize, format: Format) -> String {
    match format {
        Format::Text => format!("{start} [cut: the line has {len} bytes]\n"),
        // A truncated JSON object is not valid JSON.
        Format::Json => {
            let object =
                serde_json::json!({ "level": "WARN", "message": "a line was too long", "bytes": len, "start": start });
            format!("{object}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(event: &str, format: Format) -> String {
        let line = String::from_utf8(cleaned(event.as_bytes(), format).into_owned()).unwrap();
        assert_eq!(line.matches('\n').count(), 1, "{line:?}");
        assert!(line.ends_with('\n') && line.len() <= 2 * MAX_LEN + 256, "{} bytes", line.len());
        line
    }

    #[test]
    fn a_plain_line_stays_as_it_is() {
        for event in ["INFO request status=200\n", "{\"level\":\"INFO\"}\n", "\n", "INFO \u{e9}\u{4e16}\u{1f600}\n"] {
            assert_eq!(line(event, Format::Text), event);
        }
        assert_eq!(line("no end", Format::Text), "no end\n");
    }

    #[test]
    fn no_character_of_a_stranger_ends_the_line_or_steers_a_terminal() {
        for (event, cleaned) in [
            ("a\nINFO forged\n", "a\\nINFO forged\n"),
            ("a\r\tb\n", "a\\r\\tb\n"),
            ("\u{1b}[2J\u{9b}1m\u{0}\u{7f}\n", "\\u001b[2J\\u009b1m\\u0000\\u007f\n"),
            ("\u{85}\u{2028}\u{2029}\n", "\\u0085\\u2028\\u2029\n"),
            ("a\u{202e}b\u{2066}c\n", "a\\u202eb\\u2066c\n"),
        ] {
            assert_eq!(line(event, Format::Text), cleaned);
            assert_eq!(line(event, Format::Json), cleaned);
        }
    }

    #[test]
    fn a_long_line_is_cut_and_says_so() {
        for filler in ["x", "\u{1}", "\u{1f600}", "\"", "\n"] {
            let event = format!("{{\"a\":\"{}\"}}\n", filler.repeat(100_000));
            let text = line(&event, Format::Text);
            assert!(text.starts_with("{\"a\":\"") && text.contains("cut"), "{}", &text[..20]);
            let json: serde_json::Value = serde_json::from_str(&line(&event, Format::Json)).unwrap();
            assert_eq!(json["bytes"], event.len() - 1);
        }
    }
}
