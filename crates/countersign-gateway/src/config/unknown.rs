//! A key that is not one, and the one that was probably meant.

/// What the parser says of an unknown key, in our words, with the nearest key that there is.
pub(super) fn reworded(message: &str, line: &str, table: Option<&str>) -> Option<String> {
    let (key, expected) = message.strip_prefix("unknown field `")?.split_once('`')?;
    // In an inline table the header above is not the table's.
    let at_start = line.trim_start().trim_start_matches(['"', '\'']).starts_with(key);
    let table = table.filter(|_| at_start).map(|table| format!(" in {table}")).unwrap_or_default();
    let keys: Vec<_> = expected.split('`').skip(1).step_by(2).collect();
    Some(format!("unknown key \"{key}\"{table}; {}", hint(key, &keys)))
}

/// Which of these keys was meant, or which there are.
pub(super) fn hint(key: &str, keys: &[&str]) -> String {
    match nearest(key, keys) {
        Some(nearest) => format!("did you mean \"{nearest}\"?"),
        None if keys.is_empty() => "there are no keys here".into(),
        None => format!("the keys are {}", keys.iter().map(|key| format!("\"{key}\"")).collect::<Vec<_>>().join(", ")),
    }
}

fn nearest<'k>(key: &str, keys: &[&'k str]) -> Option<&'k str> {
    let key = key.to_ascii_lowercase().replace('-', "_");
    let distance = |known: &&str| match known.strip_prefix(key.as_str()).or(key.strip_prefix(known)) {
        // The beginning of a key, or a key and more: a key that differs by one letter only is nearer.
        Some(_) if key.len() > 2 => 2,
        _ => strsim::damerau_levenshtein(&key, known),
    };
    let nearest = keys.iter().copied().min_by_key(distance)?;
    (distance(&nearest) <= 1 + nearest.len().min(key.len()) / 4).then_some(nearest)
}

/// The header of the table that this line is in: the last one up to it.
pub(super) fn table_of(text: &str, line: usize) -> Option<&str> {
    let headers = text.lines().take(line).map(str::trim).filter(|line| line.starts_with('['));
    let header = headers.last()?.split('#').next()?.trim();
    header.ends_with(']').then_some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_suggested_and_none_that_is_far() {
        for (key, nearest) in [
            ("upsteam", Some("upstream")),
            ("upstreams", Some("upstream")),
            ("Upstream", Some("upstream")),
            ("body-limit", Some("body_limit")),
            ("bodylimit", Some("body_limit")),
            ("upstream_url", Some("upstream")),
            ("body", Some("body_limit")),
            ("upstream_idle_timout", Some("upstream_idle_timeout")),
            ("tls", None),
            ("retries", None),
        ] {
            assert_eq!(
                super::nearest(key, &["upstream", "upstream_idle_timeout", "body_limit", "host", "path"]),
                nearest,
                "{key}"
            );
        }
    }

    #[test]
    fn the_table_is_named_where_the_key_is_its_own() {
        let text = "[server] # here\nlisten = []\n[[routes]]\npath = \"/\"\nupsteam = []\n";
        let message = "unknown field `upsteam`, expected one of `path`, `upstream`";
        let reworded = |line: &str, at| reworded(message, line, table_of(text, at));
        let expected = "unknown key \"upsteam\" in [[routes]]; did you mean \"upstream\"?";
        assert_eq!(reworded("upsteam = []", 5).unwrap(), expected);
        assert_eq!(reworded("upsteam = []", 2).unwrap(), expected.replace("[[routes]]", "[server]"));
        assert_eq!(reworded("x = { upsteam = [] }", 5).unwrap(), expected.replace(" in [[routes]]", ""));
    }
}
