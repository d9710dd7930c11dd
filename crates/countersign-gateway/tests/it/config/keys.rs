//! What is wrong with public keys, key sets and tokens in a configuration is said with its line.

use crate::common::{Authority, SECRET, key, run, secret_of};
use tempfile::TempDir;

const URL: &str = "https://keys.example.com/jwks.json";

fn folder() -> TempDir {
    // Its name reads like a secret, but it is shown: it is a path.
    let folder = tempfile::Builder::new().prefix("f4TMzLyKsYNP8q").tempdir().expect("a folder");
    std::fs::write(folder.path().join("ca.pem"), Authority::new().pem()).expect("a file");
    std::fs::write(folder.path().join("no-ca.pem"), "-----BEGIN NOTHING-----").expect("a file");
    folder
}

/// Two sources; the keys of the first begin on line 4, those of the second on line 20.
fn config(first: &str, second: &str) -> String {
    let route = |source: &str| {
        format!("[[routes]]\npath = \"/{source}\"\nsource = \"{source}\"\nupstream = [\"http://127.0.0.1:3000\"]\n")
    };
    let mut text = format!("[server]\nlisten = [\"127.0.0.1:18080\"]\n[sources.a]\n{first}\n{}", route("a"));
    text.extend(std::iter::repeat_n('\n', 18 - text.lines().count()));
    text + &format!("[sources.b]\n{second}\n{}", route("b"))
}

fn check(folder: &TempDir, config: &str, code: i32) -> String {
    let output = run(folder.path(), config, &["--check"]);
    let text = String::from_utf8([&output.stdout[..], &output.stderr].concat()).expect("text");
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(!text.contains(secret_of(SECRET)) && !text.contains("panicked"), "{text}");
    text
}

fn set(more: &str) -> String {
    format!("jwks = {{ url = \"{URL}\"{more} }}")
}

/// Configurations with each kind of key.
pub(crate) fn keys() -> Vec<String> {
    let (one, other) = (key(1).public(), key(2).public());
    let token = "token = { audience = [\"https://hooks.example.com\"], issuer = [] }";
    let keys = [
        format!("public_keys = [\"{one}\"]"),
        format!("public_keys = [{{ key = \"{one}\", label = \"first\" }}, \"{other}\"]"),
        set(""),
        set(", max_stale = \"2h\", ca = \"ca.pem\""),
        "jwks = { url = \"http://localhost:9/keys\" }".into(),
        [set(""), token.into()].join("\n"),
        [&set(""), &token.replace("issuer = []", "typ = [\"webhook+jwt\"]"), "replay = { retain = \"86760s\" }"]
            .join("\n"),
        format!("secrets = [{{ env = \"TEST_SECRET\" }}]\npublic_keys = [\"{one}\"]\n{}\n{token}", set("")),
        format!("[sources.a.jwks]\nurl = \"{URL}\"\n[sources.a.token]\naudience = [\"https://hooks.example.com\"]"),
    ];
    let both =
        |keys: &String| config(keys, &keys.replace("sources.a", "sources.b").replace("TEST_SECRET", "OTHER_SECRET"));
    keys.iter().map(both).collect()
}

#[test]
fn each_kind_of_key_is_enough() {
    let folder = folder();
    for config in keys() {
        let text = check(&folder, &config, 0);
        assert!(text.contains("configuration OK (2 routes, 2 sources)") && !text.contains("warning"), "{text}");
    }
}

#[test]
fn a_token_that_need_not_bind_the_body_is_named_as_a_danger() {
    let token = "token = { audience = [\"https://hooks.example.com\"], danger_body_binding = \"none\" }";
    let text = check(&folder(), &config(&[&set(""), token].join("\n"), &set("")), 0);
    assert!(
        text.starts_with("warning: ")
            && text.contains("gateway.toml:5: danger: `a` accepts tokens that do not bind the body"),
        "{text}"
    );
    assert!(!text.contains("`b`"), "{text}");
}

#[test]
fn keys_that_cannot_be_used_are_refused_with_their_line_and_what_to_do() {
    let folder = folder();
    let pinned = |key: &str| format!("public_keys = [{key}]");
    let token = |keys: &str| format!("{}\ntoken = {keys}", set(""));
    let weak = format!("\"whpk_{}=\"", "A".repeat(43));
    let labelled = |label: &str| pinned(&format!("{{ key = \"{}\", label = \"{label}\" }}", key(1).public()));
    for (keys, line, words) in [
        (pinned(&format!("\"{SECRET}\"")), 4, &["`whpk_`", "is a secret"][..]),
        (pinned("\"whpk_AAAA\""), 4, &["3 bytes"]),
        (pinned(&weak), 4, &["weak"]),
        (pinned("7"), 4, &["\"whpk_…\""]),
        (pinned("{ label = \"a\" }"), 4, &["{ key = \"whpk_…\""]),
        (pinned("{ value = \"a\" }"), 4, &["unknown key \"value\""]),
        (labelled(SECRET), 4, &["looks like a secret"]),
        (labelled("two words"), 3, &["label"]),
        ("jwks = { url = \"http://keys.example.com/\" }".into(), 4, &["https", "could replace the keys"]),
        (format!("jwks = {{ url = \"https://user:{}@a/\" }}", secret_of(SECRET)), 4, &["must not have a user name"]),
        ("jwks = { url = \"keys.example.com\" }".into(), 4, &["`https://host/path`"]),
        ("jwks = { url = 7 }".into(), 4, &["`url` is an integer; it must be a URL"]),
        ("jwks = \"https://keys.example.com/\"".into(), 4, &["{ url = \"https://…\" }"]),
        ("jwks = { max_stale = \"1h\" }".into(), 4, &["{ url = \"https://…\" }"]),
        (set(", max_age = \"1h\""), 4, &["unknown key \"max_age\"", "`max_stale`"]),
        (set(", max_stale = \"1 fortnight\""), 4, &["a number and a unit"]),
        (set(", max_stale = \"30s\""), 4, &["`max_stale`", "120s"]),
        (set(", ca = \"nowhere.pem\""), 4, &["nowhere.pem", "cannot be read"]),
        (set(", ca = \"no-ca.pem\""), 4, &["no-ca.pem is not valid PEM"]),
        (set(", proxy = \"socks5://p:1\""), 4, &["unsupported proxy type `socks5`"]),
        (set(", proxy = \"http://p/path\""), 4, &["http://host:port"]),
        (
            set(&format!(", proxy = \"http://user:{}@p:1\"", secret_of(SECRET))),
            4,
            &["credentials are not written here"],
        ),
        (set(", proxy = 7"), 4, &["`proxy`", "\"environment\""]),
        (set(", proxy = { env = \"NO_SUCH_PROXY\" }"), 4, &["`proxy`", "NO_SUCH_PROXY", "is not set"]),
        (set(", proxy = { file = \"no-ca.pem\" }"), 4, &["`proxy`", "no-ca.pem", "http://host:port"]),
        (set(", proxy = {}"), 4, &["{ env = \"NAME\" }"]),
        ("secrets = [{ env = \"TEST_SECRET\" }]\ntoken = { audience = [\"a\"] }".into(), 5, &["jwks = { url"]),
        (token("{ issuer = [\"a\"] }"), 5, &["`audience`", "the URL of this endpoint"]),
        (token("{ audience = [] }"), 5, &["`audience`"]),
        (token("{ audience = \"a\" }"), 5, &["`audience` is a string; it must be an array of non-empty strings"]),
        (token("{ audience = [\"*\"] }"), 5, &["no token has it"]),
        (token("{ audience = [\"a\"], issuer = [\"  \"] }"), 5, &["no token has it"]),
        (token("{ audience = [\"\"] }"), 5, &["`audience`: the string is empty"]),
        (
            token("{ audience = [\"a\"], issuer = [7] }"),
            5,
            &["an entry of `issuer` is an integer; it must be a non-empty string"],
        ),
        (token("{ audience = [\"a\"], algorithm = \"HS256\" }"), 5, &["unknown key \"algorithm\""]),
        (
            token("{ audience = [\"a\"], body_binding = \"none\" }"),
            5,
            &["danger_body_binding = \"none\"", "any other body"],
        ),
        (token("{ audience = [\"a\"], danger_body_binding = true }"), 5, &["\"none\" or absent"]),
        (
            token("{ audience = [\"a\"], typ = \"x\" }"),
            5,
            &["`typ` is a string; it must be an array of non-empty strings"],
        ),
        (
            token("{ audience = [\"a\"] }\nreplay = { retain = \"24h\" }"),
            6,
            &["without `iat`", "86400s", "set `retain` to 86760s"],
        ),
        (token("{ audience = [\"a\"] }\nreplay = { retain = \"86759s\" }"), 6, &["set `retain` to 86760s"]),
        (token("{ audience = [\"a\"] }\ntolerance = \"60m\""), 6, &["90000s", "set `retain` to 90060s"]),
        ("tolerance = \"5m\"".into(), 3, &["no secrets, no public_keys and no jwks"]),
    ] {
        let text = check(&folder, &config(&keys, &set("")), 1);
        assert!(text.starts_with("error: ") && text.contains(&format!("gateway.toml:{line}: ")), "{keys}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        for word in words {
            assert!(text.contains(word), "no {word:?} in: {text}");
        }
    }
}

#[test]
fn a_key_that_is_pinned_twice_is_named() {
    let (one, other) = (key(1).public(), key(2).public());
    let keys = format!(
        "public_keys = [\n\"{one}\",\n\"{other}\",\n{{ key = \"{}\", label = \"again\" }},\n]",
        one.trim_end_matches('=')
    );
    let text = check(&folder(), &config(&keys, &set("")), 0);
    assert!(text.contains("gateway.toml:7: this public key is listed twice"), "{text}");
    assert_eq!(text.matches("warning").count(), 1, "{text}");
}

#[test]
fn sources_with_the_same_url_share_one_set_of_options() {
    let folder = folder();
    for more in [", max_stale = \"1h\"", ", ca = \"ca.pem\""] {
        let text = check(&folder, &config(&set(""), &set(more)), 1);
        assert!(text.contains("gateway.toml:20: ") && text.contains("share one key set"), "{text}");
        check(&folder, &config(&set(more), &set(more)), 0);
        // The host's case makes no other URL; the path's does.
        let upper = set(more).replace("keys.example.com", "KEYS.example.com");
        check(&folder, &config(&set(""), &upper), 1);
        check(&folder, &config(&set(""), &set(more).replace("jwks.json", "Jwks.json")), 0);
    }
}
