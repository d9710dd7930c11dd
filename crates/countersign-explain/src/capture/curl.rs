//! A curl command, as browsers and inspectors copy it.

use http::HeaderMap;

use super::captured::Capture;
use super::headers;

/// Whether this is a curl command.
pub(super) fn is_command(text: &str) -> bool {
    let starts = ["curl ", "curl.exe ", "$ curl ", "% curl ", "# curl ", "curl \\", "curl ^", "curl\t"];
    starts.iter().any(|start| text.trim_start().starts_with(start))
}

/// Reads the headers and the body of a curl command.
pub(super) fn request(text: &str) -> Result<Capture, String> {
    let command = Command::read(text)?;
    if let Some(file) = command.body_file {
        return Err(format!(
            "this curl command reads its body from `{}`: give that file as --body, and this one as --headers",
            crate::shown::shown(&file)
        ));
    }
    Ok(Capture::new(command.headers, command.body.unwrap_or_default()))
}

/// Reads the headers of a curl command, whatever its body is.
pub(super) fn headers(text: &str) -> Result<HeaderMap, String> {
    Command::read(text).map(|command| command.headers)
}

#[derive(Default)]
struct Command {
    headers: HeaderMap,
    body: Option<String>,
    /// `@body.json`, if the body is in a file.
    body_file: Option<String>,
}

impl Command {
    fn read(text: &str) -> Result<Self, String> {
        // Windows: `^` escapes, and continues a line.
        let is_windows = text.contains("^\n") || text.contains("^\r\n") || text.contains("^\"");
        let text = if is_windows { without_carets(text) } else { text.to_owned() };
        let words = words(&text).ok_or("this curl command has a quote that does not end")?;
        let mut command = Self::default();
        let mut rest = words.iter().map(String::as_str);
        while let Some(word) = rest.next() {
            let (option, glued) = match word.split_once('=') {
                Some((option, value)) if option.starts_with("--") => (option, Some(value)),
                _ if word.len() > 2 && (word.starts_with("-H") || word.starts_with("-d")) => {
                    (&word[..2], Some(&word[2..]))
                }
                _ => (word, None),
            };
            match option {
                "-H" | "--header" => {
                    let header = glued.or_else(|| rest.next()).unwrap_or_default();
                    let (name, value) =
                        header.split_once(':').ok_or("a header of this curl command is not `name: value`")?;
                    headers::append(&mut command.headers, name, value.trim())?;
                }
                "-d" | "--data" | "--data-raw" | "--data-binary" | "--data-ascii" | "--json" => {
                    let data = glued.or_else(|| rest.next()).unwrap_or_default();
                    if data.starts_with('@') && option != "--data-raw" {
                        command.body_file = Some(data.to_owned());
                    }
                    // `-d` drops the line ends of files only.
                    let body = command.body.take();
                    command.body = Some(body.map_or_else(|| data.to_owned(), |body| format!("{body}&{data}")));
                }
                _ => {}
            }
        }
        Ok(command)
    }
}

/// The command without the escapes of `cmd.exe`.
fn without_carets(text: &str) -> String {
    let text = text.replace("^\r\n", " ").replace("^\n", " ");
    let (mut plain, mut characters) = (String::with_capacity(text.len()), text.chars());
    while let Some(character) = characters.next() {
        plain.extend(if character == '^' { characters.next() } else { Some(character) });
    }
    plain
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
