//! The dumps of `xxd`, `hexdump`, `od`, `Format-Hex` and others: an offset, the bytes of the row, and perhaps its text.
//!
//! The offsets say how many bytes each row has, so what follows them (the text) needs no delimiter.

/// No dump is read that has more bytes than this.
const LIMIT: usize = 64 << 20;
/// The fewest digits of an offset.
const MIN_OFFSET: usize = 4;
/// The most bytes of a row whose end no offset tells.
const MAX_ROW: usize = 256;

/// How the bytes of a row are written: from what follows the offset, at most so many bytes.
type ReadRow = fn(&str, usize) -> Option<Vec<u8>>;

/// The forms of rows, most likely first.
const ROWS: [ReadRow; 8] = [hex, hex_words, octal_bytes, characters, octal_words, decimal, decimal_words, binary];

/// The bytes of a dump, in each form in which it can be read.
pub(crate) fn dumps(text: &str) -> impl Iterator<Item = Vec<u8>> + '_ {
    let readings = [16, 8, 10].into_iter().flat_map(|radix| ROWS.map(|row| (radix, row)));
    let is_dump = is_dump(text);
    readings.filter(move |_| is_dump).filter_map(move |(radix, row)| Dump { text, radix, row }.bytes())
}

/// Whether the first row looks like one of a dump.
pub(crate) fn is_dump(text: &str) -> bool {
    let mut rows = text.lines().take(8).filter_map(|line| split(line, 16).or_else(|| split(line, 10)));
    // Of an od dump, the first offset is zeros in every radix.
    rows.next().is_some_and(|(_, rest)| !rest.trim().is_empty())
}

struct Dump<'t> {
    text: &'t str,
    radix: u32,
    row: ReadRow,
}

impl<'t> Dump<'t> {
    fn bytes(&self) -> Option<Vec<u8>> {
        // Lines above the first row: the heading of `Format-Hex`.
        let heading = self.text.lines().take_while(|line| split(line, self.radix).is_none()).count();
        let mut lines =
            self.text.lines().skip(heading).map(str::trim_end).filter(|line| !line.trim().is_empty()).peekable();
        let (mut bytes, mut row, mut start) = (Vec::new(), Vec::new(), None);
        while let Some(line) = lines.next() {
            // Rows that are the same as the one before.
            if line.trim() == "*" {
                let (end, _) = split(lines.peek()?, self.radix)?;
                let end = end.checked_sub(start?).filter(|end| *end <= LIMIT && !row.is_empty())?;
                while bytes.len() < end {
                    bytes.extend_from_slice(&row);
                }
                bytes.truncate(end);
                continue;
            }
            let (offset, rest) = split(line, self.radix)?;
            let at = offset.checked_sub(*start.get_or_insert(offset))?;
            if at != bytes.len() || at > LIMIT {
                return None;
            }
            let next = lines.peek().and_then(|line| split(line, self.radix)).map(|(next, _)| next);
            row = self.row_of(rest, next.and_then(|next| next.checked_sub(offset)), &row)?;
            bytes.extend_from_slice(&row);
        }
        (bytes.len() > 1).then_some(bytes)
    }

    /// The bytes of a row of this length, or of the last one.
    fn row_of(&self, rest: &'t str, len: Option<usize>, before: &[u8]) -> Option<Vec<u8>> {
        if rest.trim().is_empty() {
            // The last line of `od` and `hexdump` is the length alone.
            return Some(Vec::new());
        }
        match len {
            Some(len) if len <= MAX_ROW => (self.row)(rest, len).filter(|row| row.len() == len),
            Some(_) => None,
            None => {
                let longest = if before.is_empty() { MAX_ROW } else { before.len() };
                (self.row)(without_text(rest), longest)
            }
        }
    }
}

/// A row without its text: between bars, or after two spaces that follow digits.
fn without_text(rest: &str) -> &str {
    if let Some(at) = rest.find("  |").filter(|_| rest.ends_with('|')) {
        return &rest[..at];
    }
    let begin = rest.len() - rest.trim_start().len();
    rest[begin..].find("  ").map_or(rest, |at| &rest[..begin + at])
}

/// The offset of a line, and what follows it.
fn split(line: &str, radix: u32) -> Option<(usize, &str)> {
    let line = line.trim_start_matches(['\t', '\u{feff}']);
    let line = if line.starts_with("     ") { line } else { line.trim_start() };
    let digits = line.strip_prefix("0x").unwrap_or(line);
    let len = digits.bytes().take_while(u8::is_ascii_hexdigit).count();
    let (offset, rest) = digits.split_at(len);
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    let is_offset = len >= MIN_OFFSET && (rest.is_empty() || rest.starts_with([' ', '\t']));
    is_offset.then(|| usize::from_str_radix(offset, radix).ok().map(|offset| (offset, rest)))?
}

/// Reads words until there are enough bytes.
fn words(rest: &str, len: usize, read: impl Fn(&str) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len);
    for word in rest.split_whitespace() {
        if bytes.len() >= len {
            break;
        }
        match read(word) {
            Some(read) => bytes.extend(read),
            // The text of a last row.
            None if !bytes.is_empty() => break,
            None => return None,
        }
    }
    bytes.truncate(len);
    (!bytes.is_empty()).then_some(bytes)
}

/// `7b22 7479` or `7b 22 74 79`, as `xxd`, `hexdump -C` and `od -tx1` write.
fn hex(rest: &str, len: usize) -> Option<Vec<u8>> {
    let rest = rest.trim_start_matches([' ', '|']);
    words(rest, len, |word| {
        ::hex::decode(word.trim_matches(['|', '-'])).ok().or_else(|| ::hex::decode(word.replace('-', "")).ok())
    })
}

/// `227b 7974`: words with their second byte first, as `hexdump` and `od -x` write; `xxd -e` writes four.
fn hex_words(rest: &str, len: usize) -> Option<Vec<u8>> {
    words(rest, len, |word| {
        let mut bytes = ::hex::decode(word).ok()?;
        bytes.reverse();
        Some(bytes)
    })
}

/// `173 042`, as `od -b` writes.
fn octal_bytes(rest: &str, len: usize) -> Option<Vec<u8>> {
    words(rest, len, |word| (word.len() == 3).then(|| u8::from_str_radix(word, 8).ok().map(|byte| vec![byte]))?)
}

/// `021173`: words with their second byte first, as `od` writes.
fn octal_words(rest: &str, len: usize) -> Option<Vec<u8>> {
    words(rest, len, |word| {
        (word.len() == 6).then(|| u16::from_str_radix(word, 8).ok().map(|word| word.to_le_bytes().to_vec()))?
    })
}

/// `123 34`, as `od -tu1` and `od -td1` write.
fn decimal(rest: &str, len: usize) -> Option<Vec<u8>> {
    words(rest, len, |word| {
        let number: i16 = word.parse().ok()?;
        (-128..256).contains(&number).then(|| vec![number.to_le_bytes()[0]])
    })
}

/// `08827`, as `od -d` and `hexdump -d` write.
fn decimal_words(rest: &str, len: usize) -> Option<Vec<u8>> {
    words(rest, len, |word| word.parse::<u16>().ok().map(|word| word.to_le_bytes().to_vec()))
}

/// `01111011`, as `xxd -b` writes.
fn binary(rest: &str, len: usize) -> Option<Vec<u8>> {
    words(rest, len, |word| (word.len() == 8).then(|| u8::from_str_radix(word, 2).ok().map(|byte| vec![byte]))?)
}

/// Characters in columns of four, as `od -c` and `hexdump -c` write.
fn characters(rest: &str, len: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len);
    let mut cells = rest.chars().peekable();
    while bytes.len() < len && cells.peek().is_some() {
        let cell: String = cells.by_ref().take(4).collect();
        // A line end trims a space at its end.
        let cell = cell.get(1..).unwrap_or_default();
        bytes.extend(match cell.trim_start() {
            "" => vec![b' '],
            "\\0" => vec![0],
            "\\a" => vec![7],
            "\\b" => vec![8],
            "\\t" => vec![b'\t'],
            "\\n" => vec![b'\n'],
            "\\v" => vec![11],
            "\\f" => vec![12],
            "\\r" => vec![b'\r'],
            // The rest of a character of several bytes, as BSD writes it.
            "**" => Vec::new(),
            digits if digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                vec![u8::from_str_radix(digits, 8).ok()?]
            }
            character if character.chars().count() == 1 => character.as_bytes().to_vec(),
            _ => return None,
        });
    }
    // Spaces at the end of the row are not written.
    let missing = if len < MAX_ROW { len.saturating_sub(bytes.len()).min(len.saturating_sub(1)) } else { 0 };
    let is_trimmed = missing > 0 && !bytes.is_empty();
    bytes.extend(std::iter::repeat_n(b' ', if is_trimmed { missing } else { 0 }));
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = "{\"type\":\"a b\",\"note\":\"caf\u{e9}\"}\n".as_bytes();

    fn finds(text: &str, expected: &[u8]) {
        let all: Vec<_> = dumps(text).collect();
        assert!(all.iter().any(|bytes| bytes == expected), "{text}\n{all:?}");
    }

    #[test]
    fn the_dumps_of_each_tool_are_read() {
        for text in [
            // xxd, xxd -u -c 8 -g 1
            "00000000: 7b22 7479 7065 223a 2261 2062 222c 226e  {\"type\":\"a b\",\"n\n\
             00000010: 6f74 6522 3a22 6361 66c3 a922 7d0a       ote\":\"caf..\"}.\n",
            "00000000: 7B 22 74 79 70 65 22 3A  {\"type\":\n00000008: 22 61 20 62 22 2C 22 6E  \"a b\",\"n\n\
             00000010: 6F 74 65 22 3A 22 63 61  ote\":\"ca\n00000018: 66 C3 A9 22 7D 0A        f..\"}.\n",
            // hexdump -C, hexdump
            "00000000  7b 22 74 79 70 65 22 3a  22 61 20 62 22 2c 22 6e  |{\"type\":\"a b\",\"n|\n\
             00000010  6f 74 65 22 3a 22 63 61  66 c3 a9 22 7d 0a        |ote\":\"caf..\"}.|\n0000001e\n",
            "0000000 227b 7974 6570 3a22 6122 6220 2c22 6e22\n0000010 746f 2265 223a 6163 c366 22a9 0a7d\n000001e\n",
            // od -tx1, od -tx1z, od -c, od -b, od, od -An is plain hexadecimal
            "0000000 7b 22 74 79 70 65 22 3a 22 61 20 62 22 2c 22 6e\n0000020 6f 74 65 22 3a 22 63 61 66 c3 a9 22 7d 0a\n0000036\n",
            "0000000 7b 22 74 79 70 65 22 3a 22 61 20 62 22 2c 22 6e  >{\"type\":\"a b\",\"n<\n\
             0000020 6f 74 65 22 3a 22 63 61 66 c3 a9 22 7d 0a        >ote\":\"caf..\"}.<\n0000036\n",
            "0000000   {   \"   t   y   p   e   \"   :   \"   a       b   \"   ,   \"   n\n\
             0000020   o   t   e   \"   :   \"   c   a   f 303 251   \"   }  \\n\n0000036\n",
            "0000000 173 042 164 171 160 145 042 072 042 141 040 142 042 054 042 156\n\
             0000020 157 164 145 042 072 042 143 141 146 303 251 042 175 012\n0000036\n",
            // Format-Hex
            "           00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F\n\n\
             00000000   7B 22 74 79 70 65 22 3A 22 61 20 62 22 2C 22 6E  {\"type\":\"a b\",\"n\n\
             00000010   6F 74 65 22 3A 22 63 61 66 C3 A9 22 7D 0A        ote\":\"caf..\"}.\n",
        ] {
            finds(text, BODY);
        }
    }

    #[test]
    fn rows_that_repeat_are_filled_in() {
        let text = "00000000  61 61 61 61 61 61 61 61  62 62 62 62 62 62 62 62  |aaaaaaaabbbbbbbb|\n*\n00000020  63  |c|\n00000021\n";
        finds(text, b"aaaaaaaabbbbbbbbaaaaaaaabbbbbbbbc");
    }

    #[test]
    fn other_text_is_no_dump() {
        for text in ["{\"a\":1}", "", "abcd", "0000 words", "*\n*\n", "00000000: \n"] {
            assert_eq!(dumps(text).count(), 0, "{text}");
        }
    }
}
