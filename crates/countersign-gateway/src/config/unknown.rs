//! Unknown keys, and the known ones that were probably meant.

/// Keys that other products have, and why they are not keys here.
const NOTES: [(&str, &str); 1] = [(
    "body_binding",
    "anyone who sees a token that does not bind the body can send it again with any other body: leave it out, or write \
     `danger_body_binding = \"none\"`",
)];

/// Which of these keys was probably meant, or which keys exist.
pub(super) fn hint(key: &str, keys: &[&str]) -> String {
    if let Some((_, note)) = NOTES.iter().find(|(noted, _)| *noted == key) {
        return (*note).to_owned();
    }
    match nearest(key, keys) {
        Some(nearest) => format!("did you mean \"{nearest}\"?"),
        None if keys.is_empty() => "there are no keys here".into(),
        None => format!("the keys are {}", keys.iter().map(|key| format!("\"{key}\"")).collect::<Vec<_>>().join(", ")),
    }
}

fn nearest<'k>(key: &str, keys: &[&'k str]) -> Option<&'k str> {
    let key = key.to_ascii_lowercase().replace('-', "_");
    let distance = |known: &&str| match known.strip_prefix(key.as_str()).or(key.strip_prefix(known)) {
        // One is the beginning of the other.
        Some(_) if key.len() > 2 => strsim::damerau_levenshtein(&key, known).min(2),
        _ => strsim::damerau_levenshtein(&key, known),
    };
    let nearest = keys.iter().copied().min_by_key(distance)?;
    (distance(&nearest) <= 1 + nearest.len().min(key.len()) / 4).then_some(nearest)
}

#[cfg(test)]
mod tests {

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
}
