//! Secrets that cannot be used, and secrets in places where names belong.

use super::{GOOD, assert_refused, change, folder, text_of};

use crate::common::{OTHER_SECRET, SECRET, run};

#[test]
fn a_secret_that_cannot_be_used_is_refused_with_what_it_looks_like() {
    let folder = folder();
    for (entry, words) in [
        ("{ env = \"NOT_SET_ANYWHERE\" }", &["NOT_SET_ANYWHERE", "is not set"][..]),
        ("{ file = \"nowhere.secret\" }", &["nowhere.secret", "cannot be read"]),
        ("{ file = \"version.secret\" }", &["version.secret", "`v1,`", "remove"]),
        ("{ file = \"quotes.secret\" }", &["quotes.secret", "quotation marks"]),
        ("{ file = \"spaces.secret\" }", &["spaces.secret", "white space"]),
        ("{ file = \"two-lines.secret\" }", &["two-lines.secret", "newline"]),
        ("{ file = \"public.secret\" }", &["public.secret", "public key"]),
        ("{ file = \"cut.secret\" }", &["cut.secret", "truncated"]),
        ("{ file = \"short.secret\" }", &["short.secret", "3 bytes"]),
        ("{ file = \"empty.secret\" }", &["empty.secret", "empty"]),
        ("{ file = \"bom.secret\" }", &["bom.secret", "byte order mark"]),
        ("{ file = \"utf16.secret\" }", &["utf16.secret", "UTF-16"]),
        ("{ file = \"utf16le.secret\" }", &["utf16le.secret", "UTF-16"]),
        ("{ file = \"binary.secret\" }", &["binary.secret", "not text"]),
        ("{ file = \"folder.secret\" }", &["folder.secret", "a directory"]),
        ("{ file = \"large.secret\" }", &["large.secret", "larger than 64 KiB"]),
        ("{ file = \"/dev/zero\" }", &["/dev/zero", "larger than 64 KiB"]),
        (
            "{ file = \"/run/secrets/Gemini2026WebhookSecretKey\" }",
            &["/run/secrets/Gemini2026WebhookSecretKey cannot be read"],
        ),
        ("{ file = \"Gemini2026WebhookSecretKey\" }", &["/Gemini2026WebhookSecretKey cannot be read"]),
        ("{ env = \"GeminiWebhookSecret2026\" }", &["GeminiWebhookSecret2026 is not set"]),
        ("{ env = \"A\", file = \"b\" }", &["{ env = \"NAME\" } or { file = \"PATH\" }"]),
        ("{ label = \"a\" }", &["{ env = \"NAME\" } or { file = \"PATH\" }"]),
        ("{ env = \"\" }", &["`env`: the string is empty"]),
        ("{ env = 7 }", &["`env` is an integer; it must be a non-empty string"]),
        (
            "{ env = \"TEST_SECRET\", expires = \"2999-01-01T00:00:00Z\" }",
            &["unknown key \"expires\"; did you mean \"expires_at\"?"],
        ),
        ("{ env = \"TEST_SECRET\", expires_at = \"soon\" }", &["a time in UTC"]),
        ("{ env = \"TEST_SECRET\", expires_at = 2999-01-01 }", &["a time in UTC"]),
    ] {
        let config = change("{ env = \"TEST_SECRET\" }", entry);
        assert_refused(&folder, &config, Some(6), words);
    }
    let label = change("{ env = \"TEST_SECRET\" }", "{ env = \"TEST_SECRET\", label = \"two words\" }");
    assert_refused(&folder, &label, Some(5), &["label"]);
}

#[test]
fn a_secret_that_was_pasted_into_the_configuration_is_never_shown_again() {
    let folder = folder();
    let bare = OTHER_SECRET.trim_start_matches("whsec_");
    for secret in [SECRET, OTHER_SECRET, bare] {
        let pasted = format!("\"{secret}\"");
        // As the value of every key, and in every place of a list or a table.
        let values = [
            "[\"127.0.0.1:18080\"]",
            "\"127.0.0.1:18080\"",
            "\"127.0.0.1:19901\"",
            "[{ env = \"TEST_SECRET\" }]",
            "{ env = \"TEST_SECRET\" }",
            "\"TEST_SECRET\"",
            "\"5m\"",
            "\"60s\"",
            "1000",
            "\"/gemini\"",
            "\"hooks.example.com\"",
            "\"gemini\"",
            "[\"http://127.0.0.1:3000\"]",
            "\"http://127.0.0.1:3000\"",
            "[\"batch.*\"]",
            "\"1MiB\"",
            "\"10s\"",
            "\"30s\"",
        ];
        let mut configs: Vec<_> = values.into_iter().map(|value| change(value, &pasted)).collect();
        // Instead of a whole table, as the value of a key that is not there, and as a name.
        configs.extend(
            [
                "server = $",
                "sources = $",
                "routes = $",
                "routes = [$]",
                "$ = 1",
                "[sources]\ngemini = $",
                "[sources.gemini]\nreplay = $",
                "[sources.gemini]\npublic_keys = $",
                "[sources.gemini]\njwks = $",
                "[sources.gemini]\ntoken = $",
                "[sources.gemini]\npublic_keys = [$]",
                "[sources.gemini]\npublic_keys = [{ key = $ }]",
                "[sources.gemini]\npublic_keys = [{ $ = 1 }]",
                "[sources.gemini]\njwks = { url = $ }",
                "[sources.gemini]\njwks = { url = \"https://a\", ca = $ }",
                "[sources.gemini]\njwks = { url = \"https://a\", max_stale = $ }",
                "[sources.gemini]\njwks = { url = \"https://a\", $ = 1 }",
                "[sources.gemini]\njwks = { url = \"https://a\" }\ntoken = { audience = $ }",
                "[sources.gemini]\njwks = { url = \"https://a\" }\ntoken = { audience = [\"a\"], $ = 1 }",
                "[sources.gemini]\njwks = { url = \"https://a\" }\ntoken = { danger_body_binding = $ }",
                "[sources.gemini]\ntoken = { audience = [$] }",
                "[sources.gemini]\nsecret = $",
                "[sources.gemini]\n$ = 1",
                "[sources.gemini]\nsecrets = [[$]]",
                "[sources.gemini]\nsecrets = $",
                "[sources.gemini]\nsecrets = [{ file = $ }]",
                "[sources.gemini]\nsecrets = [{ value = $ }]",
                "[sources.gemini]\nsecrets = [{ $ = 1 }]",
                "[sources.gemini]\nsecrets = [{ env = \"TEST_SECRET\", expires_at = $ }]",
                "[sources.$]\n",
                "[sources.$]\nsecrets = [{ env = \"TEST_SECRET\", label = \"a b\" }]",
                "[sources.$.replay]\nlease = \"60s\"",
                "[sources.gemini]\nreplay = { retain = $ }",
                "[store]\nengine = $",
                "[store]\nengine = \"sqlite\"\npath = $\nmax_size = $",
                "[sources.gemini]\n = $",
                "gemini = $ $",
                "[sources.gemini]\nsecrets = [{ env = \"TEST_SECRET\" }]\nsecrets = [$]",
                "[sources.gemini]\ntolerance = 1\n$ = 1\n$ = 2",
            ]
            .map(|text| {
                let server =
                    if text.starts_with("server") { "" } else { "\n[server]\nlisten = [\"127.0.0.1:18080\"]\n" };
                if text.starts_with('[') { format!("{server}{text}\n") } else { format!("{text}\n{server}") }
                    .replace('$', &pasted)
            }),
        );
        for config in configs {
            text_of(&run(folder.path(), &config, &["--check"]), 1);
        }
    }
}

#[test]
fn the_name_of_a_file_is_shown_whatever_it_looks_like() {
    let folder = folder();
    let name = "q7Vb1xN0c2Lk9sQe4Rz8Wm3Jp6Yt5Uh2";
    std::fs::write(folder.path().join(name), "\"quoted\"").expect("a file");
    let config = change("{ env = \"TEST_SECRET\" }", &format!("{{ file = \"{name}\" }}"));
    assert_refused(&folder, &config, Some(6), &[name, "quotation marks"]);
    std::fs::write(folder.path().join(name), SECRET).expect("a file");
    let config = change("{ env = \"TEST_SECRET\" }", &format!("{{ file = \"{name}\" }}, {{ env = \"TEST_SECRET\" }}"));
    let text = text_of(&run(folder.path(), &config, &["--check"]), 0);
    assert!(text.contains("TEST_SECRET is the same as the secret in /") && text.contains(name), "{text}");
}

#[test]
fn a_name_that_would_be_shown_must_not_be_a_secret() {
    let folder = folder();
    let label = format!("{{ env = \"TEST_SECRET\", label = \"{SECRET}\" }}");
    assert_refused(&folder, &change("{ env = \"TEST_SECRET\" }", &label), Some(6), &["label"]);
    let name = GOOD
        .replace("sources.gemini", &format!("sources.\"{SECRET}\""))
        .replace("source = \"gemini\"", &format!("source = \"{SECRET}\""));
    assert_refused(&folder, &name, Some(5), &["name"]);
    let hex = "D41D8CD98F00B204E9800998ECF8427E";
    for (from, to) in [
        ("{ env = \"TEST_SECRET\" }", format!("{{ env = \"TEST_SECRET\", label = \"{hex}\" }}")),
        ("{ env = \"TEST_SECRET\" }", format!("{{ env = \"{hex}\" }}")),
        ("{ env = \"TEST_SECRET\" }", format!("{{ file = \"{hex} \" }}")),
        ("\"hooks.example.com\"", format!("\"{hex}\"")),
        ("source = \"gemini\"", format!("source = \"{hex}\"")),
        ("\"/gemini\"", format!("\"/whsec_{hex}\"")),
        ("tolerance =", format!("tolerance = \"{hex}\" #")),
        ("tolerance =", format!("{hex} =")),
    ] {
        let text = text_of(&run(folder.path(), &change(from, &to), &["--check"]), 1);
        assert!(!text.contains(hex), "{text}");
    }
}
