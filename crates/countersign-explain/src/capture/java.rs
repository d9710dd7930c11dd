//! Maps of headers as Java, Kotlin and Spring print them: `{webhook-id=[a], x=[b]}`, `[webhook-id:"a", x:"b"]`.

use http::HeaderMap;

use super::headers::append;

/// Whether this is such a map.
pub(super) fn is_map(text: &str) -> bool {
    let inner = inside(text).unwrap_or_default();
    entry(inner).is_some_and(|(name, _)| !name.is_empty())
}

/// Reads the headers of such a map.
pub(super) fn headers(text: &str) -> Result<HeaderMap, String> {
    let inner = inside(text).ok_or("a map of Java is `{name=[value], …}`")?;
    // An entry begins behind a comma and a space: values may have commas and equals signs.
    let mut starts: Vec<_> =
        inner.match_indices(", ").map(|(at, _)| at + 2).filter(|at| entry(&inner[*at..]).is_some()).collect();
    starts.insert(0, 0);
    starts.push(inner.len() + 2);
    let mut headers = HeaderMap::new();
    for range in starts.windows(2) {
        let (name, value) = entry(&inner[range[0]..range[1] - 2]).ok_or("an entry of this map is not `name=value`")?;
        let value = value.trim();
        let value = value.strip_prefix('[').and_then(|value| value.strip_suffix(']')).unwrap_or(value);
        append(&mut headers, name, value.replace("\", \"", ", ").trim_matches('"'))?;
    }
    Ok(headers)
}

/// What is in the brackets, without the name of the class in front of them.
fn inside(text: &str) -> Option<&str> {
    let text = text.trim();
    let (start, open) = text.char_indices().find(|(_, c)| matches!(c, '{' | '['))?;
    let is_class = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '@' | ' ' | ':' | '$');
    let inner = text[start + 1..].trim_end_matches(';').strip_suffix(if open == '{' { '}' } else { ']' })?;
    if !text[..start].chars().all(is_class) {
        return None;
    }
    // `HttpHeaders@1f { {a=[b]} }`, `Headers [a=[b]]`.
    let trimmed = inner.trim();
    Some(trimmed.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).unwrap_or(trimmed))
}

/// The name and the value at the beginning of an entry.
fn entry(text: &str) -> Option<(&str, &str)> {
    let len =
        text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')).count();
    let (name, rest) = text.split_at(len);
    let value = rest.strip_prefix('=').or_else(|| rest.strip_prefix(':').filter(|rest| rest.starts_with('"')));
    value
        .filter(|value| !name.is_empty() && !value.starts_with(['>', '=']) && !value.is_empty())
        .map(|value| (name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_read() {
        for text in [
            "{host=[x], webhook-id=[a], webhook-signature=[v1,ab+/c= v1,de=], date=[Tue, 29 Sep 2026 06:05:46 GMT]}",
            "{host=x, webhook-id=a, webhook-signature=v1,ab+/c= v1,de=, date=Tue, 29 Sep 2026 06:05:46 GMT}",
            "[host:\"x\", webhook-id:\"a\", webhook-signature:\"v1,ab+/c= v1,de=\", date:\"Tue, 29 Sep 2026 06:05:46 GMT\"]",
            "java.net.http.HttpHeaders@1f { {host=[x], webhook-id=[a], webhook-signature=[v1,ab+/c= v1,de=], date=[Tue, 29 Sep 2026 06:05:46 GMT]} }",
        ] {
            assert!(is_map(text), "{text}");
            let headers = headers(text).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(
                (headers.len(), &headers["webhook-signature"]),
                (4, &"v1,ab+/c= v1,de=".parse().expect("a value"))
            );
            assert_eq!(headers["date"], "Tue, 29 Sep 2026 06:05:46 GMT");
        }
        for text in ["{\"a\":1}", "{'a'=>'b'}", "{a: 'b'}", "webhook-id: a", "{}"] {
            assert!(!is_map(text), "{text}");
        }
    }
}
