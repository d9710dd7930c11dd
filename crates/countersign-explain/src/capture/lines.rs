//! Headers as lines: HTTP, `curl -v`, browsers, PowerShell, PHP and Go.

use http::HeaderMap;

use super::headers::append;

/// Reads the lines of a head.
pub(super) fn headers(text: &str) -> Result<HeaderMap, String> {
    if let Some(map) = text.trim().strip_prefix("map[").and_then(|text| text.strip_suffix(']')) {
        return go_map(map);
    }
    let lines = request_lines(text);
    if let Some(rows) = table(&lines).or_else(|| bars(&lines)) {
        return uncut(&rows).and_then(|()| collect(&rows));
    }
    let mut pairs: Vec<(String, String)> = Vec::new();
    let (mut rest, mut group) = (lines.iter().peekable(), None::<String>);
    let is_indented = |line: &str| line.starts_with([' ', '\t']);
    let can_be_folded = lines.first().is_some_and(|(_, line)| !is_indented(line));
    while let Some((number, line)) = rest.next() {
        // A folded header goes on in an indented line.
        if can_be_folded
            && is_indented(line)
            && is_rest(line)
            && !is_bracket(line)
            && let Some((_, value)) = pairs.last_mut()
        {
            value.push(' ');
            value.push_str(line.trim());
            continue;
        }
        if is_start_line(line) || is_bracket(line) {
            continue;
        }
        // `print_r` writes a list of values below the name.
        if value_of_list(line).is_some() && group.is_some() {
            pairs.extend(group.clone().zip(value_of_list(line)));
            continue;
        }
        if let Some(name) = line.trim().strip_suffix("] => Array").and_then(|line| line.strip_prefix('[')) {
            group = Some(name.to_owned());
            continue;
        }
        let Some((name, value)) = pair(line) else {
            return Err(format!("line {number} is not `name: value`"));
        };
        // Browsers copy the name and the value as two lines.
        let next = rest.next_if(|(_, next)| value.is_empty() && pair(next).is_none());
        pairs.push((name, next.map_or(value, |(_, next)| next.trim().to_owned())));
    }
    if pairs.is_empty() {
        return Err("there is no header in it: headers are lines of `name: value`".into());
    }
    collect(&key_value_blocks(pairs))
}

fn collect(pairs: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    pairs.iter().try_for_each(|(name, value)| append(&mut headers, name, value))?;
    Ok(headers)
}

/// The lines of the request with their numbers. Of the output of `curl -v` and the like, only what was sent.
fn request_lines(text: &str) -> Vec<(usize, &str)> {
    let numbered = (1..).zip(text.lines());
    let lines: Vec<_> = numbered.filter(|(_, line)| !line.trim().is_empty()).collect();
    let Some(mark) = sent_mark(text) else { return lines };
    let sent = lines.into_iter().filter_map(|(number, line)| Some((number, marked(line, mark)?)));
    sent.filter(|(_, line)| !line.trim().is_empty()).collect()
}

/// What stands before the lines that were sent: `>` of `curl -v`, `<` of `requests_toolbelt`.
pub(super) fn sent_mark(text: &str) -> Option<char> {
    let is_request = |line: &str| line.contains(" HTTP/") && !line.trim_start().starts_with("HTTP/");
    let starts = |mark| text.lines().filter_map(move |line| marked(line, mark)).any(is_request);
    let is_marked = |mark| text.lines().any(|line| marked(line, mark).is_some());
    ['>', '<'].into_iter().find(|mark| starts(*mark)).or_else(|| is_marked('>').then_some('>'))
}

/// The line behind the mark.
pub(super) fn marked(line: &str, mark: char) -> Option<&str> {
    let rest = line.trim_start().strip_prefix(mark)?;
    (rest.is_empty() || rest.starts_with(' ')).then(|| rest.strip_prefix(' ').unwrap_or(rest))
}

/// A request line, a status line, or a pseudo-header of HTTP/2.
fn is_start_line(line: &str) -> bool {
    const METHODS: [&str; 6] = ["POST ", "PUT ", "PATCH ", "GET ", "DELETE ", "HEAD "];
    let line = line.trim();
    let is_address = |rest: &str| rest.starts_with(['/', '{']) || rest.starts_with("http");
    line.split(' ').count() == 3 && line.contains(" HTTP/")
        || METHODS.iter().any(|method| line.strip_prefix(method).is_some_and(is_address))
        || line.starts_with("HTTP/")
        || line.starts_with(':')
}

/// The value of `[0] => value`.
fn value_of_list(line: &str) -> Option<String> {
    let (at, value) = line.trim().strip_prefix('[')?.split_once("] => ")?;
    at.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.to_owned())
}

/// A line with only brackets, as around an object or PHP's `Array (`.
fn is_bracket(line: &str) -> bool {
    matches!(line.trim(), "{" | "}" | "(" | ")" | "Array" | "[" | "]" | "," | "},")
}

/// A line without a name. A base64 text that ends with `=` has none either.
fn is_rest(line: &str) -> bool {
    let line = line.trim();
    pair(line).is_none() || (line.ends_with('=') && !line.trim_end_matches('=').contains(['=', ':']))
}

/// The name and the value of a line.
fn pair(line: &str) -> Option<(String, String)> {
    let line = line.trim().trim_start_matches("- ").trim_end_matches(" \\");
    // A curl command's option.
    let line = ["-H ", "--header "].iter().find_map(|option| line.strip_prefix(option)).map_or(line, unquoted);
    if let Some((name, value)) = line.strip_prefix('[').and_then(|line| line.split_once("] => ")) {
        return Some((name.to_owned(), value.to_owned()));
    }
    // A pair of .NET: `[name, value]`.
    if let Some((name, value)) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')?.split_once(", "))
        && is_name(name)
    {
        return Some((name.to_owned(), value.to_owned()));
    }
    let line = line.trim_end_matches(',');
    let (name, value) = line.split_once(':').filter(|(name, _)| is_name(unquoted(name.trim()))).or_else(|| {
        let (name, value) = line.split_once(['=', '\t'])?;
        is_name(name.trim()).then_some((name, value))
    })?;
    Some((unquoted(name.trim()).to_owned(), unquoted(value.trim_matches([' ', '\t'])).to_owned()))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Without the quotes around it.
fn unquoted(text: &str) -> &str {
    let inside = |quote: char| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

/// PowerShell's table: a line of names, a line of dashes, and a header in each row.
fn table(lines: &[(usize, &str)]) -> Option<Vec<(String, String)>> {
    let dashes = lines.iter().position(|(_, line)| {
        line.split_whitespace().count() == 2 && line.trim().chars().all(|c| c == '-' || c == ' ')
    })?;
    let row = |line: &str| {
        let (name, value) = line.trim().split_once(char::is_whitespace)?;
        let value = value.trim();
        let value = value.strip_prefix('{').and_then(|value| value.strip_suffix('}')).unwrap_or(value);
        Some((name.trim_matches(['[', ',']).to_owned(), value.to_owned()))
    };
    lines[dashes + 1..].iter().map(|(_, line)| row(line)).collect()
}

/// A table with bars, as Markdown and database clients draw it.
fn bars(lines: &[(usize, &str)]) -> Option<Vec<(String, String)>> {
    let is_rule = |line: &str| line.chars().all(|c| matches!(c, '|' | '+' | '-' | ':' | ' ' | '='));
    let row = |line: &str| {
        let mut cells =
            line.trim().strip_prefix('|')?.strip_suffix('|')?.split('|').map(|cell| cell.trim().trim_matches('`'));
        Some((cells.next()?.to_owned(), cells.next()?.to_owned()))
    };
    let rows: Option<Vec<_>> = lines.iter().filter(|(_, line)| !is_rule(line)).map(|(_, line)| row(line)).collect();
    // The first row names the columns, and is no header.
    rows.map(|rows| {
        rows.into_iter().filter(|(name, value)| is_name(name) && !value.eq_ignore_ascii_case("value")).collect()
    })
    .filter(|rows: &Vec<_>| !rows.is_empty())
}

/// An error for a table whose values do not end.
fn uncut(rows: &[(String, String)]) -> Result<(), String> {
    let cut = rows.iter().find(|(name, value)| {
        let name = name.to_lowercase();
        (name.contains("webhook") || name.contains("signature")) && (value.ends_with("...") || value.ends_with('…'))
    });
    match cut {
        None => Ok(()),
        Some((name, _)) => Err(format!(
            "the table has cut the value of `{}`: print it with `| Format-List` or `| ConvertTo-Json`, which cut nothing",
            crate::shown::shown(name)
        )),
    }
}

/// PowerShell's list: `Key : name` and `Value : value` in turn.
fn key_value_blocks(pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    let is_blocks = !pairs.is_empty()
        && pairs.len().is_multiple_of(2)
        && pairs.chunks_exact(2).all(|block| matches!(block[0].0.as_str(), "Key" | "Name") && block[1].0 == "Value");
    if !is_blocks {
        return pairs;
    }
    let value = |value: &str| value.trim_start_matches('{').trim_end_matches('}').to_owned();
    pairs.chunks_exact(2).map(|block| (block[0].1.clone(), value(&block[1].1))).collect()
}

/// Go's `%v` of `http.Header`: `Name:[value] Name:[value value]`.
fn go_map(text: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let entry = rest.split_once(":[").and_then(|(name, rest)| Some((name, rest.split_once(']')?)));
        let (name, (value, tail)) = entry.ok_or("a Go map of headers is `map[Name:[value] …]`")?;
        append(&mut headers, name, value)?;
        rest = tail.trim_start();
    }
    Ok(headers)
}
