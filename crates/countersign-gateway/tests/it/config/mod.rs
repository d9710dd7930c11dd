//! A configuration error names its line and what to do, and never shows a secret.

mod accepted;
mod doubtful;
mod keys;
mod process;
mod refused;
mod secrets;

pub(crate) use accepted::accepted;
pub(crate) use doubtful::doubtful;
pub(crate) use keys::keys;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use crate::common::{Authority, OTHER_SECRET, SECRET, run, secret_of};
use tempfile::TempDir;

/// A good configuration; every bad one below differs from it in one place.
pub(crate) const GOOD: &str = r#"[server]
listen = ["127.0.0.1:18080"]
admin = "127.0.0.1:19901"

[sources.gemini]
secrets = [{ env = "TEST_SECRET" }]
tolerance = "5m"

[sources.gemini.replay]
lease = "60s"
capacity = 100000

[[routes]]
path = "/gemini"
host = "hooks.example.com"
source = "gemini"
upstream = ["http://127.0.0.1:3000"]
events = ["batch.*"]
body_limit = "1MiB"
body_timeout = "10s"
upstream_timeout = "30s"
"#;

pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let files = [
        ("good.secret", format!("{OTHER_SECRET}\n")),
        ("crlf.secret", format!("{OTHER_SECRET}\r\n")),
        ("two-lines.secret", format!("{OTHER_SECRET}\n\n")),
        ("version.secret", format!("v1,{OTHER_SECRET}")),
        ("quotes.secret", format!("\"{OTHER_SECRET}\"")),
        ("spaces.secret", format!(" {OTHER_SECRET}")),
        ("public.secret", OTHER_SECRET.replace("whsec", "whpk")),
        ("cut.secret", "whsec_...MnM=".to_owned()),
        ("short.secret", "whsec_AAAA".to_owned()),
        ("empty.secret", String::new()),
        ("weak.secret", "whsec_q+3kf0PZc1c2nV6gTg0Lsw==".to_owned()),
        ("same.secret", format!("{}\n", SECRET.trim_start_matches("whsec_"))),
        ("url.secret", "whsec_-_vT0HUvS2uQ3eCk5mWJ0bq7t8XzYwA_".to_owned()),
        ("standard.secret", "+/vT0HUvS2uQ3eCk5mWJ0bq7t8XzYwA/".to_owned()),
        ("twice.secret", countersign::secret::encode(SECRET.as_bytes()).to_string()),
        ("hex.secret", countersign::secret::encode(b"9f86d081884c7d659a2feaa0c55ad015").to_string()),
        ("placeholder.secret", "whsec_your_webhook_signing_secret_here".to_owned()),
        ("zeros.secret", format!("whsec_{}", "A".repeat(32))),
        ("published.secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
        ("bom.secret", format!("\u{feff}{OTHER_SECRET}")),
        ("large.secret", "A".repeat(70_000)),
    ];
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    let (chain, key) = Authority::new().issue(&["hooks.example.com"]);
    std::fs::write(folder.path().join("tls.chain.pem"), chain).expect("a file");
    std::fs::write(folder.path().join("tls.key.pem"), key).expect("a file");
    let utf16: Vec<u8> = OTHER_SECRET.encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(folder.path().join("utf16.secret"), [&[0xff, 0xfe], &utf16[..]].concat()).expect("a file");
    std::fs::write(folder.path().join("utf16le.secret"), utf16).expect("a file");
    std::fs::write(folder.path().join("binary.secret"), [0xc3, 0x28, 0xa0]).expect("a file");
    let open = folder.path().join("open.secret");
    std::fs::write(&open, OTHER_SECRET).expect("a file");
    std::fs::set_permissions(&open, Permissions::from_mode(0o666)).expect("own file");
    std::fs::create_dir(folder.path().join("folder.secret")).expect("a folder");
    folder
}

fn change(from: &str, to: &str) -> String {
    assert_eq!(GOOD.matches(from).count(), 1, "{from}");
    GOOD.replacen(from, to, 1)
}

/// What it wrote, that it ended with `code`, and that nothing of a secret is in it.
fn text_of(output: &Output, code: i32) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8(text).expect("text");
    assert_eq!(output.status.code(), Some(code), "{text}");
    for secret in [SECRET, OTHER_SECRET] {
        assert!(!text.contains(secret_of(secret)) && !text.contains(&secret_of(secret)[..12]), "{text}");
    }
    assert!(!text.contains("panicked"), "{text}");
    text
}

/// Checks that this configuration is refused at this line, with these words.
fn assert_refused(folder: &TempDir, config: &str, line: Option<usize>, words: &[&str]) {
    for arguments in [&["--check"][..], &[]] {
        let text = text_of(&run(folder.path(), config, arguments), 1);
        let place = line.map_or("gateway.toml: ".into(), |line| format!("gateway.toml:{line}: "));
        assert!(text.starts_with("error: ") && text.contains(&place), "not at {place:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        for word in words {
            assert!(text.contains(word), "no {word:?} in: {text}");
        }
    }
}
