//! Commands of PowerShell, as browsers copy them: `Invoke-WebRequest -Headers @{ "a"="b" } -Body "…"`.

use http::HeaderMap;

use super::captured::Capture;
use super::headers::append;

/// Whether this is such a command.
pub(super) fn is_command(text: &str) -> bool {
    let lower: String = text.trim_start().chars().take(400).collect::<String>().to_lowercase();
    ["invoke-webrequest", "invoke-restmethod", "iwr ", "irm "].iter().any(|command| lower.contains(command))
        && lower.contains("-headers")
}

/// Reads the headers and the body of such a command.
pub(super) fn request(text: &str) -> Result<Capture, String> {
    let table = argument(text, "-headers").and_then(|rest| rest.trim_start().strip_prefix("@{"));
    let table = table.ok_or("this PowerShell command has no `-Headers @{…}`")?;
    let mut headers = HeaderMap::new();
    let mut rest = table;
    loop {
        rest = rest.trim_start_matches([' ', '\n', '\r', '\t', ';']);
        if rest.is_empty() || rest.starts_with('}') {
            break;
        }
        let (name, after) = word(rest).ok_or("a name in -Headers cannot be read")?;
        let after = after.trim_start().strip_prefix('=').ok_or("a header in -Headers is not `\"name\"=\"value\"`")?;
        let (value, after) = word(after.trim_start()).ok_or("a value in -Headers cannot be read")?;
        append(&mut headers, &name, &value)?;
        rest = after;
    }
    let body =
        argument(text, "-body").map(str::trim_start).ok_or("this PowerShell command has no `-Body`: add --body")?;
    // `([System.Text.Encoding]::UTF8.GetBytes("…"))`.
    let body = if body.starts_with('(') { &body[body.find(['"', '\'']).unwrap_or(0)..] } else { body };
    let (body, _) =
        word(body).ok_or("the -Body of this PowerShell command is not a string: give the body as --body")?;
    Ok(Capture::new(headers, body))
}

/// What follows an option.
fn argument<'t>(text: &'t str, option: &str) -> Option<&'t str> {
    let at = text.to_ascii_lowercase().find(option)?;
    text.get(at + option.len()..)
}

/// A word or a string at the beginning, and what follows it.
fn word(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let Some(quote) = quote else {
        let end = text.find(|c: char| c.is_whitespace() || matches!(c, '=' | ';' | '}')).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let (mut word, mut characters) = (String::new(), text[1..].char_indices().peekable());
    while let Some((at, character)) = characters.next() {
        match character {
            // A doubled quote is one.
            _ if character == quote && characters.next_if(|(_, next)| *next == quote).is_some() => word.push(quote),
            _ if character == quote => return Some((word, &text[at + 2..])),
            '`' if quote == '"' => word.push(match characters.next()?.1 {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                '0' => '\0',
                other => other,
            }),
            other => word.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_command_is_read() {
        let text = "Invoke-WebRequest -UseBasicParsing -Uri \"https://x.example/\" `\n-Method \"POST\" `\n-Headers @{\n\"webhook-id\"=\"a\"\n  'x' = 'b'; y=\"c\"\n} `\n-ContentType \"application/json\" `\n-Body \"{`\"a`\":`\"b`$`\"}\"";
        assert!(is_command(text));
        let capture = request(text).expect("a request");
        assert_eq!((capture.headers.len(), &capture.body[..]), (3, &br#"{"a":"b$"}"#[..]));
        assert_eq!(capture.headers["webhook-id"], "a");
    }
}
