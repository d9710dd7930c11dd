//! A curl command, as browsers and inspectors copy it.

use http::HeaderMap;

use super::captured::Capture;
use super::headers;

/// Whether this is a curl command.
pub(super) fn is_command(text: &str) -> bool {
    ["curl ", "curl.exe ", "$ curl "].iter().any(|start| text.trim_start().starts_with(start))
}

/// Reads the headers and the body of a curl command.
pub(super) fn request(text: &str) -> Result<Capture, String> {
    let words = words(text).ok_or("this curl command has a quote that does not end")?;
    let mut headers = HeaderMap::new();
    let mut body: Option<String> = None;
    let mut rest = words.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        let (option, glued) = match word.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(value)),
            _ => (word, None),
        };
        match option {
            "-H" | "--header" => {
                let header = glued.or_else(|| rest.next()).unwrap_or_default();
                let (name, value) =
                    header.split_once(':').ok_or("a header of this curl command is not `name: value`")?;
                headers::append(&mut headers, name, value.trim())?;
            }
            "-d" | "--data" | "--data-raw" | "--data-binary" | "--data-ascii" | "--json" => {
                let data = glued.or_else(|| rest.next()).unwrap_or_default();
                if data.starts_with('@') && option != "--data-raw" {
                    return Err(format!(
                        "this curl command reads its body from `{data}`: give that file as --body, and the \
                                        headers as --headers"
                    ));
                }
                // `-d` drops the line ends of files only.
                body = Some(body.map_or_else(|| data.to_owned(), |body| format!("{body}&{data}")));
            }
            _ => {}
        }
    }
    Ok(Capture::new(headers, body.unwrap_or_default()))
}

/// The words of a shell command.
fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut is_word) = (Vec::new(), String::new(), false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' | '^' => match characters.next() {
                Some('\n') | None => {}
                Some('\r') => drop(characters.next_if_eq(&'\n')),
                Some(next) => (word, is_word) = (word + next.encode_utf8(&mut [0; 4]), true),
            },
            '$' if characters.peek() == Some(&'\'') => {
                characters.next();
                let mut inner = String::from("'");
                loop {
                    let next = characters.next()?;
                    inner.push(next);
                    match next {
                        '\\' => inner.push(characters.next()?),
                        '\'' => break,
                        _ => {}
                    }
                }
                word.push_str(crate::json::parse_literal(&inner)?.text()?);
                is_word = true;
            }
            '\'' => {
                is_word = true;
                loop {
                    match characters.next()? {
                        '\'' => break,
                        inner => word.push(inner),
                    }
                }
            }
            '"' => {
                is_word = true;
                loop {
                    match characters.next()? {
                        '"' => break,
                        '\\' => match characters.next()? {
                            '\n' => {}
                            next @ ('"' | '\\' | '$' | '`') => word.push(next),
                            next => word.extend(['\\', next]),
                        },
                        inner => word.push(inner),
                    }
                }
            }
            character if character.is_whitespace() => {
                if std::mem::take(&mut is_word) {
                    words.push(std::mem::take(&mut word));
                }
            }
            other => (word, is_word) = (word + other.encode_utf8(&mut [0; 4]), true),
        }
    }
    if is_word {
        words.push(word);
    }
    Some(words)
}
