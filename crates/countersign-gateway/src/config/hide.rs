//! Hides secrets in messages, wherever they were pasted, and shows paths and names.
//!
//! A text could be a secret if it has as many base64 characters as the shortest secret and does not consist of words.
//! Separators, escapes and case do not matter.

use std::path::{Component, Path};

/// The length of the shortest secret that is accepted, in base64 without padding.
const SHORTEST: usize = 22;
/// A folder that does not exist and is not a word is shown only if it is shorter: so little of a secret is of no use.
const PIECE: usize = 8;
pub(crate) const HIDDEN: &str = "[hidden]";
const MARKS: [&str; 2] = ["whsec_", "whsk_"];
/// File extensions. No secret ends with one.
const EXTENSIONS: [&str; 16] = [
    ".b64", ".cer", ".cfg", ".conf", ".crt", ".env", ".hex", ".json", ".key", ".pem", ".pub", ".secret", ".token",
    ".toml", ".txt", ".yaml",
];
/// The most common pairs of letters in English. Words consist mostly of these; random letters do in one pair of four.
const PAIRS: &str = "abacadagaialamanaparasatauavayblbobucachcickclcocrctdadedidodueaebecedeeefegeielemeneperes\
                     eteuevexeyfafefifogeghgignhahehihohsiaicidieifigiliminioirisitivkeldlelillloltlymamemimomp\
                     nancndnengninonsntobocodofokolomonoooporosotouovowpapeplpoprqurarcrdrerirorsrtrysaseshsiso\
                     sssttatethtitotrtstutyucueulunupurusutvaveviwawewhwiwo";

/// The message without the values and words that could be secrets. The line of the error tells where they are.
pub(super) fn without_secrets(message: &str) -> String {
    let is_quote = |char: char| matches!(char, '"' | '`' | '\'');
    let parts = message.split_inclusive(is_quote).map(|part| {
        let value = part.trim_end_matches(is_quote);
        if reads_as_secret(value) { part.replacen(value, HIDDEN, 1) } else { without_secret_words(part) }
    });
    parts.collect()
}

fn without_secret_words(text: &str) -> String {
    let words = text.split_inclusive(|char: char| !in_secrets(char)).map(|word| {
        let bare = word.trim_end_matches(|char| !in_secrets(char));
        if reads_as_secret(bare) { word.replacen(bare, HIDDEN, 1) } else { word.to_owned() }
    });
    words.collect()
}

/// Whether the text looks like a secret, so that it must not be used as a name.
pub(super) fn is_like_a_secret(text: &str) -> bool {
    reads_as_secret(text) || without_secret_words(&without_escapes(text)).contains(HIDDEN)
}

/// The value as it may be shown.
pub(crate) fn shown(value: &str) -> &str {
    if is_like_a_secret(value) { HIDDEN } else { value }
}

/// The name of an environment variable, unless it could be a secret that was pasted in its place.
pub(crate) fn variable(name: &str) -> &str {
    let is_shown = !is_like_a_secret(name) || (!is_marked(name) && std::env::var_os(name).is_some());
    if is_shown { name } else { HIDDEN }
}

/// The path without the parts that could be secrets.
pub(crate) fn path(text: &str, folder: &Path) -> String {
    let is_found = begins_in_a_folder(text, folder) || EXTENSIONS.iter().any(|end| text.ends_with(end));
    let is_path = is_found || is_rooted(text) || folder.join(text).exists();
    let hides = |part: &str| is_like_a_secret(part) && (!is_path || is_marked(part));
    if is_path || !is_like_a_secret(text) {
        let parts = text.split('/').map(|part| if hides(part) { HIDDEN } else { part });
        return parts.collect::<Vec<_>>().join("/");
    }
    // Base64 has slashes as well: the folders are shown as far as they are names.
    let is_name = |part: &&str| part.chars().count() < PIECE || is_worded(part);
    let names: Vec<_> = text.split('/').take_while(is_name).collect();
    let is_named = text.starts_with('/') || names.first().is_some_and(|name| name.len() > 3 && is_worded(name));
    if names.len() < text.split('/').count() && is_named {
        names.into_iter().chain([HIDDEN]).collect::<Vec<_>>().join("/")
    } else {
        HIDDEN.to_owned()
    }
}

/// Whether the whole text, without separators, could be a secret.
fn reads_as_secret(text: &str) -> bool {
    // IPv6 addresses are written with colons, and secrets are not.
    let runs = without_escapes(text);
    runs.split(':').any(|run| run.chars().filter(|char| in_secrets(*char)).count() >= SHORTEST && !is_worded(run))
}

fn in_secrets(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '+' | '/' | '-' | '_' | '=')
}

/// The text with a space for each `%XX`.
fn without_escapes(text: &str) -> String {
    let mut parts = text.split('%');
    let mut left = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        left.push(' ');
        let is_escape = part.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        left.push_str(if is_escape { &part[2..] } else { part });
    }
    left
}

/// Whether the text contains a prefix of secrets, followed by as many characters as a secret has.
pub(super) fn is_marked(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let marked = MARKS.iter().find_map(|mark| text.split_once(mark));
    marked.is_some_and(|(_, rest)| rest.chars().filter(|char| in_secrets(*char)).count() >= SHORTEST)
}

/// Whether the text begins like a path: with `.`, `~`, or a folder with a lower-case name. Random base64 hardly ever does.
fn is_rooted(text: &str) -> bool {
    let is_named = |path: &str| {
        let name = path.split_once('/').map(|(name, _)| name);
        name.is_some_and(|name| name.len() > 2 && name.bytes().all(|byte| byte.is_ascii_lowercase()))
    };
    ["./", "../", "~/"].iter().any(|start| text.starts_with(start)) || text.strip_prefix('/').is_some_and(is_named)
}

/// Whether the first folder in the path exists. A secret hardly ever begins with the name of one.
fn begins_in_a_folder(text: &str, folder: &Path) -> bool {
    let mut start = folder.to_path_buf();
    let mut components = Path::new(text).components();
    let first = components.by_ref().find(|component| {
        start.push(component);
        matches!(component, Component::Normal(_))
    });
    first.is_some_and(|first| first.as_os_str().len() > 1) && components.next().is_some() && start.is_dir()
}

/// Whether most pairs of characters are common in words. Pairs of digits do not count. A letter beside a digit, and a
/// capital after a lower-case letter, count as uncommon.
fn is_worded(text: &str) -> bool {
    let pairs = text.as_bytes().windows(2).filter(|pair| pair.iter().all(u8::is_ascii_alphanumeric));
    let (mut common, mut all) = (0_usize, 0_usize);
    for pair in pairs.filter(|pair| !pair.iter().all(u8::is_ascii_digit)) {
        all += 1;
        let is_one_word = !(pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
        common += usize::from(is_one_word && PAIRS.as_bytes().chunks(2).any(|known| known.eq_ignore_ascii_case(pair)));
    }
    // A sentence has more words, and rarer ones, than a name.
    let tenths = if text.trim().contains(' ') { 5 } else { 6 };
    common > 0 && 10 * common >= tenths * all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Secrets as they are pasted: in every alphabet, whole, and with what comes along.
    const SECRETS: [&str; 27] = [
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "WHSEC_D41D8CD98F00B204E9800998ECF8427E",
        "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "C2FVsBQIhrscChlQIMV_b5sSYspob7oD",
        "NnZ2aTU5MzdqOXY2bXFwZjgzb2R2cXM1Y3B6cTlyMnM=",
        "d41d8cd98f00b204e9800998ecf8427e",
        "D41D8CD98F00B204E9800998ECF8427E",
        "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        "jbswy3dpehpk3pxpjbswy3dpehpk3pxp",
        "JBSWYDPEHPKPXPJBSWYDPEHPKPXPQW",
        "jbswydpehpkpxpjbswydpehpkpxpqw",
        "C2FVsBQIhrscChlQ IMV+b5sSYspob7oD",
        "C2FV sBQI hrsc ChlQ IMV+ b5sS Yspo b7oD",
        "C2FVsBQIhrscChlQ.IMV+b5sSYspob7oD",
        "C2FVsBQIhrscChlQ,IMV+b5sSYspob7oD",
        "C2FVsBQIhrscChlQIMV%2Bb5sSYspob7oD",
        "C2FVsBQI%2BhrscChlQ%2FIMVb5sS%3D%3D",
        "C2FVsBQIhrscChlQIMV+b5sSYspob7oD\n",
        "\nC2FVsBQIhrscChlQIMV+b5sSYspob7oD\r\n",
        "C2FVsBQIhrscChlQIMV+b5sSYspob7oD ",
        "C2FVsBQIhrscChlQIMV+b5sSYspob7oD,",
        "${C2FVsBQIhrscChlQIMV+b5sSYspob7oD}",
        "SECRET=C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "the secret is: C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "C2FVsBQI/rscChlQIMV+b5s/Yspob7oD",
        "Secret:d41d8cd98f00b204e9800998ecf8427e",
        "q7Vb1xN0c2Lk9sQe4Rz8Wm3Jp6Yt5Uh2",
    ];
    /// Names as they are given: of variables, sources, labels, hosts, events, and keys.
    const NAMES: [&str; 20] = [
        "GEMINI_WEBHOOK_SIGNING_SECRET_2",
        "WHSEC_GEMINI_PRODUCTION_SIGNING_SECRET",
        "GeminiWebhookSecret2026",
        "gemini_webhook_secret_2026",
        "gemini-production-europe-west1-rotation-2026-11-07",
        "whsec_prod",
        "whsec_gemini_production_webhook_2026",
        "MY_APP_PROD_STRIPE_WEBHOOK_SIGNING_KEY",
        "CLERK_WEBHOOK_SIGNING_SECRET_PRODUCTION",
        "hooks.internal.eu-central-1.compute.amazonaws.example.com",
        "interaction.requires_action.completed",
        "upstream_idle_timeout",
        "danger_body_binding",
        "/hooks/customers/international/gemini/batch",
        "https://hooks.example.com/gemini/production",
        "[2001:0db8:85a3:0000:0000:8a2e:0370:7334]:18080",
        "2026-11-21T12:00:00Z",
        "x-forwarded-for, x-real-ip, x-forwarded-host",
        "1000000000000000000",
        "a key set must be fetched by https: over http, anyone on the way could replace the keys",
    ];

    #[test]
    fn names_are_shown_and_secrets_are_not_in_every_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = |text: &str| path(text, folder.path());
        for secret in SECRETS {
            let core: Vec<_> = secret.split(|char: char| !in_secrets(char)).filter(|part| part.len() >= 8).collect();
            let left_out = |text: &str| !core.iter().any(|part| text.contains(part));
            assert!(is_like_a_secret(secret), "{secret}");
            assert_eq!(variable(secret), HIDDEN, "{secret}");
            assert!(left_out(&path(secret)), "{secret}: {}", path(secret));
            for message in [
                format!("invalid type: string {secret:?}, expected a sequence"),
                format!("there is no source `{secret}`; there is `gemini`"),
            ] {
                let shown = without_secrets(&message);
                assert!(left_out(&shown) && shown.contains(HIDDEN), "{shown}");
            }
        }
        for name in NAMES {
            assert!(!is_like_a_secret(name), "{name}");
            assert_eq!(variable(name), name);
            assert_eq!(path(name), name);
            for message in [
                format!("the environment variable {name} is not set (it is `whsec_`, then base64)"),
                format!(
                    "unknown key \"{name}\" in [[routes]]; did you mean \"upstream\"? It listens on 127.0.0.1:8080"
                ),
            ] {
                assert_eq!(without_secrets(&message), message);
            }
        }
    }

    #[test]
    fn of_a_path_only_the_part_that_is_a_secret_is_hidden() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("keys")).unwrap();
        std::fs::write(folder.path().join("q7Vb1xN0c2Lk9sQe4Rz8Wm3Jp6Yt5Uh2"), "").unwrap();
        let path = |text: &str| path(text, folder.path());
        for shown in [
            "/run/secrets/Gemini2026WebhookSecretKey",
            "/nowhere/secrets/Gemini2026WebhookSecretKey",
            "/run/secrets/whsec_prod",
            "keys/whsec_gemini.txt",
            "/etc/ssl/whsec_ca",
            "/run/secrets/whsec_gemini_production_webhook_2026",
            "/vaultx/1f3870be274f6c49b3e31a0c6728957f",
            "/vaultx/kv2/prod/Xk9/1f3870be274f6c49b3e31a0c6728957f",
            "/var/lib/kubelet/pods/9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d/volumes/secret",
            "secrets/gemini_webhook_secret_2026",
            "keys/q7Vb1xN0c2Lk9sQe4Rz8Wm3Jp6Yt5Uh3",
            "/proc/q7Vb1xN0c2Lk9sQe4Rz8Wm3Jp6Yt5Uh3",
            "q7Vb1xN0c2Lk9sQe4Rz8Wm3Jp6Yt5Uh2",
            "q7Vb1xN0c2Lk9sQe4Rz8Wm3Jp6Yt5Uh3.secret",
            "../q7Vb1xN0c2Lk9sQe4Rz8Wm3Jp6Yt5Uh3",
            "/path with spaces/a name, with a comma.txt",
            "a.secret",
        ] {
            assert_eq!(path(shown), shown);
        }
        for (text, shown) in [
            ("keys/whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "keys/[hidden]"),
            ("/run/secrets/whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "/run/secrets/[hidden]"),
            ("/C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "/[hidden]"),
            ("/2FVsBQIhrscChlQIMV+b5s/Yspob7oD", "/[hidden]"),
            ("/2FVsBQIhrscChl/IMV+b5sSYs/Yspob7oD", "/[hidden]"),
            ("/Xk9/C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "/Xk9/[hidden]"),
            ("prod/1f3870be274f6c49b3e31a0c6728957f", "prod/[hidden]"),
            ("C2FVsBQI/rscChlQIMV+b5s/Yspob7oD", HIDDEN),
        ] {
            assert_eq!(path(text), shown, "{text}");
        }
    }

    #[test]
    fn random_text_has_no_words() {
        let mut random = fastrand::Rng::with_seed(7);
        for alphabet in [
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
            "abcdefghijklmnopqrstuvwxyz",
            "0123456789abcdef",
        ] {
            let letters = alphabet.as_bytes();
            let mut text = || (0..32).map(|_| char::from(letters[random.usize(..letters.len())])).collect::<String>();
            let worded = (0..2_000).filter(|_| is_worded(&text())).count();
            assert!(worded <= 4, "{worded} of 2000 with {alphabet}");
        }
    }
}
