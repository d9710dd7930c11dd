//! What a message may show: a secret may have been pasted anywhere, and paths and names are to be read.

use std::path::{Component, Path};

/// The length of the shortest secret that is accepted, in base64 without padding.
const SHORTEST: usize = 22;
/// In a name the letters and digits come in words; in random text they change far more often.
const MEAN_WORD: usize = 4;

/// The message with each word left out that could be a secret: the line says where it is.
pub(super) fn without_secrets(message: &str) -> String {
    let words = message.split_inclusive(|char: char| !in_secrets(char));
    words
        .map(|word| {
            let bare = word.trim_end_matches(|char| !in_secrets(char));
            if could_be_secret(bare) { word.replacen(bare, "[hidden]", 1) } else { word.to_owned() }
        })
        .collect()
}

/// Whether this is a path, as it was meant to be, and no secret that was pasted in place of one.
pub(super) fn is_path(text: &str, folder: &Path) -> bool {
    if is_marked(text) {
        return false;
    }
    // No base64 of either alphabet.
    let foreign = text.chars().any(|char| !in_secrets(char));
    foreign
        || !could_be_secret(text)
        || begins_in_a_folder(text, folder)
        || is_worded(text)
        || folder.join(text).exists()
}

/// Whether this is the name of an environment variable, and no secret that was pasted in place of one.
pub(super) fn is_variable(text: &str) -> bool {
    !is_marked(text) && (!could_be_secret(text) || is_worded(text) || std::env::var_os(text).is_some())
}

/// Whether it looks so much like a secret that nothing should have it for its name.
pub(super) fn is_like_a_secret(word: &str) -> bool {
    let kinds = [u8::is_ascii_lowercase, u8::is_ascii_uppercase, u8::is_ascii_digit];
    is_marked(word) || (word.len() >= SHORTEST && kinds.iter().all(|kind| word.bytes().any(|byte| kind(&byte))))
}

/// Whether this is a host, as it was meant to be: hosts are shown in metrics and logs.
pub(super) fn is_host(text: &str) -> bool {
    !is_marked(text) && (text.contains('.') || !is_like_a_secret(text) || is_worded(text))
}

fn in_secrets(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '+' | '/' | '-' | '_' | '=')
}

/// Whether it could be a secret: better a word too few in a message. Names of environment variables,
/// in capitals, stay.
fn could_be_secret(word: &str) -> bool {
    is_like_a_secret(word)
        || (word.len() >= SHORTEST
            && word.bytes().any(|byte| byte.is_ascii_lowercase())
            && word.bytes().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()))
}

fn is_marked(word: &str) -> bool {
    let marked = ["whsec_", "whsk_"].iter().find_map(|prefix| word.split_once(prefix));
    marked.is_some_and(|(_, rest)| !rest.is_empty())
}

/// Whether the first folder that it names is there: a secret that begins so is beyond chance.
fn begins_in_a_folder(text: &str, folder: &Path) -> bool {
    let mut start = folder.to_path_buf();
    let mut components = Path::new(text).components();
    let first = components.by_ref().find(|component| {
        start.push(component);
        matches!(component, Component::Normal(_))
    });
    first.is_some_and(|first| first.as_os_str().len() > 1) && components.next().is_some() && start.is_dir()
}

/// Whether its letters and digits come in words, and each word of letters can be spoken.
fn is_worded(text: &str) -> bool {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let kind = |byte: u8| (byte.is_ascii_alphabetic(), byte.is_ascii_digit(), byte.is_ascii_uppercase());
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        match words.last_mut() {
            // A capital begins a word, which goes on in small letters.
            Some(word) if goes_on(kind(word[word.len() - 1]), kind(byte), word.len()) => word.push(byte),
            _ => words.push(vec![byte]),
        }
    }
    words.retain(|word| word[0].is_ascii_alphanumeric());
    let letters = || words.iter().filter(|word| word[0].is_ascii_alphabetic());
    let is_spoken = |word: &&Vec<u8>| word.len() < 3 || word.iter().any(|byte| b"aeiouyAEIOUY".contains(byte));
    let count: usize = words.iter().map(Vec::len).sum();
    letters().count() > 0
        && count >= MEAN_WORD * words.len()
        && letters().filter(is_spoken).count() == letters().count()
}

fn goes_on(last: (bool, bool, bool), next: (bool, bool, bool), len: usize) -> bool {
    match (last, next) {
        ((true, _, was_capital), (true, _, is_capital)) => was_capital == is_capital || (len == 1 && was_capital),
        ((_, was_digit, _), (_, is_digit, _)) => was_digit && is_digit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_could_be_a_secret_is_left_out_of_a_message() {
        for secret in
            ["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "NnZ2aTU5MzdqOXY2bXFwZjgzb2R2cXM1Y3B6cTlyMnM=", "whsec_a"]
        {
            for (message, left) in [
                (format!("invalid type: string \"{secret}\", expected"), "invalid type: string \"[hidden]\", expected"),
                (format!("`{secret}`"), "`[hidden]`"),
                (secret.to_owned(), "[hidden]"),
            ] {
                assert_eq!(without_secrets(&message), left);
            }
        }
        for plain in [
            "unknown field `a`, expected one of `upstream_timeout`, `interaction.requires_action`",
            "the environment variable GEMINI_WEBHOOK_SIGNING_SECRET_2 is not set (it is `whsec_`, then base64)",
        ] {
            assert_eq!(without_secrets(plain), plain);
        }
    }

    #[test]
    fn a_path_is_shown_and_a_secret_in_its_place_is_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("keys")).unwrap();
        std::fs::write(folder.path().join("q7Vb1xN0c2Lk9sQe4Rz8Wm3Jp6Yt5Uh2"), "").unwrap();
        for path in [
            "/run/secrets/Gemini2026WebhookSecretKey",
            "/nowhere/secrets/Gemini2026WebhookSecretKey",
            "Gemini2026WebhookSecretKey",
            "secrets/gemini_webhook_secret_2026",
            "keys/q7Vb1xN0c2Lk9sQe4Rz8Wm3Jp6Yt5Uh3",
            "/proc/q7Vb1xN0c2Lk9sQe4Rz8Wm3Jp6Yt5Uh3",
            "q7Vb1xN0c2Lk9sQe4Rz8Wm3Jp6Yt5Uh2",
            "q7Vb1xN0c2Lk9sQe4Rz8Wm3Jp6Yt5Uh3.secret",
            "../q7Vb1xN0c2Lk9sQe4Rz8Wm3Jp6Yt5Uh3",
            "a.secret",
        ] {
            assert!(is_path(path, folder.path()), "{path}");
        }
        for secret in [
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "keys/whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "/2FVsBQIhrscChlQIMV+b5s/Yspob7oD",
            "C2FVsBQI/rscChlQIMV+b5s/Yspob7oD",
            "NnZ2aTU5MzdqOXY2bXFwZjgzb2R2cXM1Y3B6cTlyMnM=",
            "d41d8cd98f00b204e9800998ecf8427e",
        ] {
            assert!(!is_path(secret, folder.path()), "{secret}");
        }
        assert!(is_variable("GEMINI_WEBHOOK_SECRET_2026") && is_variable("GeminiWebhookSecret2026"));
        assert!(!is_variable("C2FVsBQIhrscChlQIMV") || "C2FVsBQIhrscChlQIMV".len() < SHORTEST);
        assert!(!is_variable("C2FVsBQIhrscChlQIMV_b5sSYspob7oD"));
    }

    #[test]
    fn random_text_has_no_words() {
        let mut random = fastrand::Rng::with_seed(7);
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = || (0..32).map(|_| char::from(alphabet[random.usize(..64)])).collect::<String>();
        let worded = (0..20_000).filter(|_| is_worded(&text())).count();
        assert!(worded <= 1, "{worded} of 20000");
    }
}
