//! What is wrong in a configuration is said with its line and what to do, and never with a secret.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use crate::common::{OTHER_SECRET, SECRET, finished, free_address, run, secret_of};
use tempfile::TempDir;

/// A good configuration; every bad one below differs from it in one place.
const GOOD: &str = r#"[server]
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

fn folder() -> TempDir {
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

/// How many bytes of memory this machine has.
fn memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").expect("the figures of Linux");
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:")).expect("the total");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
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

#[test]
fn a_good_configuration_passes_the_check() {
    let folder = folder();
    for config in [
        GOOD.to_owned(),
        change(
            "{ env = \"TEST_SECRET\" }",
            "{ file = \"good.secret\", label = \"old\", expires_at = \"2999-01-01T00:00:00Z\" }",
        ),
        change("{ env = \"TEST_SECRET\" }", "{ file = \"crlf.secret\", expires_at = 2999-01-01T00:00:00Z }"),
        change("host = \"hooks.example.com\"\n", ""),
        change("events =", "untyped = \"reject\"\ngrpc = true\nforward_headers = [\"X-Forwarded-For\"]\nevents ="),
        change("http://127.0.0.1:3000", "http://[::1]:3000/"),
        // Shorter than the default of `connect_timeout`, which then is as short.
        change("upstream_timeout = \"30s\"", "upstream_timeout = \"2s\""),
        change("upstream_timeout =", "connect_timeout = \"30s\"\nupstream_idle_timeout = \"50ms\"\nupstream_timeout ="),
    ] {
        let text = text_of(&run(folder.path(), &config, &["--check"]), 0);
        assert!(
            text.contains("gateway.toml: configuration OK (1 route, 1 source)") && !text.contains("warning"),
            "{text}"
        );
    }
}

#[test]
fn the_check_says_how_many_deliveries_a_store_has_room_for() {
    let folder = folder();
    for (config, line) in [
        (
            change("capacity = 100000\n", ""),
            "source \"gemini\": the store remembers 1,000,000 ids for 25 h, which is enough for 11 deliveries a second\n",
        ),
        (
            change("capacity = 100000", "capacity = 100000\nretain = \"73h\""),
            "source \"gemini\": the store remembers 100,000 ids for 73 h, which is enough for 22 deliveries a minute\n",
        ),
    ] {
        let text = text_of(&run(folder.path(), &config, &["--check"]), 0);
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn what_deserves_a_second_look_is_a_warning() {
    let folder = folder();
    let secrets = |entries: &str| change("secrets = [{ env = \"TEST_SECRET\" }]", &format!("secrets = [{entries}]"));
    let second = |secret: &str| {
        GOOD.replacen("[[routes]]", &format!("[sources.unused]\nsecrets = [{{ {secret} }}]\n[[routes]]"), 1)
    };
    for (config, line, words) in [
        (change("{ env = \"TEST_SECRET\" }", "{ file = \"weak.secret\" }"), 6, "weak.secret is shorter"),
        (change("capacity = 100000", "retain = \"1h\""), 11, "24 h"),
        (second("env = \"OTHER_SECRET\""), 13, "no route uses the source `unused`"),
        (change("events =", "forward_headers = [\"x-mine\"]\nevents ="), 18, "`x-mine`"),
        (
            change("capacity = 100000", "capacity = 1000"),
            11,
            "1,000 ids for 25 h, which is enough for 40 deliveries an hour",
        ),
        // secrets
        (
            secrets("{ env = \"TEST_SECRET\" },\n{ env = \"TEST_SECRET\" }"),
            7,
            "TEST_SECRET is the same as the secret in TEST_SECRET",
        ),
        (
            secrets("{ env = \"TEST_SECRET\" },\n{ file = \"same.secret\" }"),
            7,
            "same.secret is the same as the secret in TEST_SECRET",
        ),
        (
            secrets("{ file = \"url.secret\", expires_at = \"2999-01-01T00:00:00Z\" }, { file = \"standard.secret\" }"),
            6,
            "standard.secret is the same as the secret in ",
        ),
        (second("env = \"TEST_SECRET\""), 14, "of the source `gemini`"),
        (
            secrets("{ env = \"TEST_SECRET\", expires_at = \"2020-01-01T00:00:00Z\" }"),
            6,
            "all secrets of `gemini` have expired",
        ),
        (change("{ env = \"TEST_SECRET\" }", "{ file = \"twice.secret\" }"), 6, "another `whsec_…`"),
        (change("admin =", "max_connections = 1000000000000000000\nadmin ="), 3, "would not start"),
        (change("{ env = \"TEST_SECRET\" }", "{ file = \"open.secret\" }"), 6, "anybody on this machine can replace"),
        (change("[\"batch.*\"]", "[\"*\"]\nuntyped = \"reject\""), 19, "`untyped` is for a filter"),
        (change("admin =", "head_timeout = \"1ns\"\nadmin ="), 3, "`head_timeout` is only 1ns"),
        (change("admin =", "idle_timeout = \"1M\"\nadmin ="), 3, "`idle_timeout` is 1month"),
        (change("admin =", "write_timeout = \"366d\"\nadmin ="), 3, "`write_timeout` is 1year"),
        (change("admin =", "shutdown_timeout = \"1ns\"\nadmin ="), 3, "`shutdown_timeout` is only 1ns"),
        (
            change("body_limit =", "upstream_idle_timeout = \"1ns\"\nbody_limit ="),
            19,
            "`upstream_idle_timeout` is only 1ns",
        ),
        (change("body_limit =", "connect_timeout = \"1ns\"\nbody_limit ="), 19, "`connect_timeout` is only 1ns"),
        (change("\"1MiB\"", "\"1B\""), 19, "`body_limit` is 1 bytes"),
        (change("http://127.0.0.1:3000", "http://backend:443"), 17, "the port of https"),
        (change("127.0.0.1:3000\"", "127.0.0.1:3000\", \"http://localhost:3000\""), 17, "listed twice"),
        (change("127.0.0.1:3000\"", "backend:3000\", \"http://backend.:3000\""), 17, "listed twice"),
        (change("127.0.0.1:3000\"", "127.0.0.1:3000\", \"http://[::ffff:127.0.0.1]:3000\""), 17, "listed twice"),
        (change("127.0.0.1:3000\"", "[::1]:3000\", \"http://[0:0:0:0:0:0:0:1]:3000\""), 17, "listed twice"),
        (change("{ env = \"TEST_SECRET\" }", "{ file = \"hex.secret\" }"), 6, "looks like hex"),
        (change("{ env = \"TEST_SECRET\" }", "{ file = \"placeholder.secret\" }"), 6, "a placeholder"),
        (change("{ env = \"TEST_SECRET\" }", "{ file = \"zeros.secret\" }"), 6, "a regular pattern"),
        (change("{ env = \"TEST_SECRET\" }", "{ file = \"published.secret\" }"), 6, "a published example"),
        // limits
        (
            change("tolerance = \"5m\"", "tolerance = \"2days\"").replace("capacity = 100000", "retain = \"5days\""),
            7,
            "`tolerance` is 2days",
        ),
        (change("tolerance = \"5m\"", "tolerance = \"1s\""), 7, "`tolerance` is only 1s"),
        (change("admin =", "threads = 4000\nadmin ="), 3, "4000 threads"),
        (change("admin =", "shutdown_timeout = \"2h\"\nadmin ="), 3, "`shutdown_timeout` is 2h"),
        (change("admin =", "body_budget = \"1TiB\"\nadmin ="), 3, "`body_budget` may take"),
        (change("body_limit = \"1MiB\"", "body_limit = \"1TiB\""), 19, "`body_limit` may take"),
        (change("capacity = 100000", "capacity = 2147483648"), 11, "`capacity` may take"),
        (change("lease = \"60s\"", "lease = \"48h\""), 10, "`lease` is 2days"),
        (change("body_timeout = \"10s\"", "body_timeout = \"1ms\""), 20, "`body_timeout` is only 1ms"),
        (change("body_timeout = \"10s\"", "body_timeout = \"3h\""), 20, "`body_timeout` is 3h"),
        (change("upstream_timeout = \"30s\"", "upstream_timeout = \"1ms\""), 21, "`upstream_timeout` is only 1ms"),
        // addresses
        (change("127.0.0.1:19901", "0.0.0.0:19901"), 3, "not on loopback"),
        (change("127.0.0.1:19901", "[::]:19901"), 3, "not on loopback"),
        (change("\"http://127.0.0.1:3000\"", "\"http://A:80\", \"http://a\""), 17, "listed twice"),
        // events
        (change("[\"batch.*\"]", "[\"batch.*\", \"batch.succeeded\"]"), 18, "\"batch.succeeded\" are in \"batch.*\""),
        (change("[\"batch.*\"]", "[\"batch.a.*\", \"batch.*\"]"), 18, "\"batch.a.*\" are in \"batch.*\""),
        (change("[\"batch.*\"]", "[\"a\", \"*\"]"), 18, "\"a\" are in \"*\""),
        (change("[\"batch.*\"]", "[\"a\", \"a\"]"), 18, "listed twice"),
        (change("[\"batch.*\"]", "[\"batch..a\"]"), 18, "an empty part"),
    ] {
        // On a machine that has so much of it, it is no mistake.
        if words.ends_with("may take") && memory() > 100 << 30 {
            continue;
        }
        let text = text_of(&run(folder.path(), &config, &["--check"]), 0);
        assert!(text.contains(words) && text.contains("configuration OK"), "{text}");
        assert!(text.starts_with("warning: ") && text.contains(&format!("gateway.toml:{line}: ")), "{text}");
    }
}

#[test]
fn a_bad_configuration_is_refused_with_its_line_and_what_to_do() {
    let folder = folder();
    for (from, to, line, words) in [
        // not TOML, or not this file's keys
        ("[server]", "[server", 1, &[][..]),
        ("admin =", "admn =", 3, &["unknown key \"admn\" in [server]; did you mean \"admin\"?"]),
        (
            "tolerance =",
            "tolerence =",
            7,
            &["unknown key \"tolerence\" in [sources.gemini]; did you mean \"tolerance\"?"],
        ),
        ("lease =", "leese =", 10, &["unknown key \"leese\" in [sources.gemini.replay]; did you mean \"lease\"?"]),
        ("body_limit =", "bodylimit =", 19, &["unknown key \"bodylimit\" in [[routes]]; did you mean \"body_limit\"?"]),
        (
            "[sources.gemini.replay]",
            "[sources.gemini.reply]",
            9,
            &["unknown key \"reply\"", "did you mean \"replay\"?"],
        ),
        ("path = \"/gemini\"\n", "", 13, &["missing field `path`"]),
        ("source = \"gemini\"\n", "", 13, &["missing field `source`"]),
        ("capacity = 100000", "capacity = -1", 11, &[]),
        ("capacity = 100000", "capacity = 0", 11, &["between 1 and"]),
        ("capacity = 100000", "store = \"redis\"", 11, &["\"memory\""]),
        ("events =", "forward_headers = [\"countersign-key\"]\nevents =", 18, &["`countersign-key`", "gateway's own"]),
        ("events =", "forward_headers = [\"x-real-ip\", \"COUNTERSIGN_X\"]\nevents =", 18, &["gateway's own"]),
        ("events =", "forward_headers = [\"x-real-ip\",\n\"webhook_id\"]\nevents =", 19, &["`webhook_id`", "signed"]),
        ("events =", "forward_headers = [\"Connection\"]\nevents =", 18, &["one connection"]),
        ("events =", "forward_headers = [\"content-length\"]\nevents =", 18, &["framing"]),
        (
            "events =",
            "forward_headers = [\"x_forwarded_for\"]\nevents =",
            18,
            &["another spelling of `x-forwarded-for`"],
        ),
        ("events =", "forward_headers = [\"x-goog-*\"]\nevents =", 18, &["name of one header"]),
        ("events =", "forward_headers = [\"x real ip\"]\nevents =", 18, &["name of one header"]),
        ("events =", "grpc = \"yes\"\nevents =", 18, &["expected a boolean"]),
        ("events =", "untyped = \"drop\"\nevents =", 18, &["`forward`", "`reject`"]),
        ("events = [\"batch.*\"]", "untyped = \"reject\"", 18, &["a route with `events`"]),
        ("path = \"/gemini\"", "path = \"/a%25/*\"", 14, &["matches nothing"]),
        ("path = \"/gemini\"", "path = \"/a/%ff/*\"", 14, &["matches nothing"]),
        // values that mean nothing
        ("127.0.0.1:18080", "localhost", 2, &["\"127.0.0.1:8080\""]),
        ("[\"127.0.0.1:18080\"]", "[]", 2, &["listen on one address at least"]),
        ("127.0.0.1:19901", "9901", 3, &["an IP and a port"]),
        ("tolerance = \"5m\"", "tolerance = \"5\"", 7, &["a number and a unit"]),
        ("tolerance = \"5m\"", "tolerance = \"0s\"", 7, &["zero"]),
        ("\"1MiB\"", "\"much\"", 19, &["\"64KiB\""]),
        ("\"/gemini\"", "\"gemini\"", 14, &["begins with a slash"]),
        ("\"/gemini\"", "\"/a/../b\"", 14, &["matches nothing"]),
        ("\"hooks.example.com\"", "\"https://hooks.example.com\"", 15, &["without scheme and port"]),
        ("\"batch.*\"", "\"*.failed\"", 18, &["`prefix.*`"]),
        ("http://127.0.0.1:3000", "127.0.0.1:3000", 17, &["\"http://127.0.0.1:3000\""]),
        ("http://127.0.0.1:3000", "https://a", 17, &["https", "not supported yet"]),
        ("http://127.0.0.1:3000", "http://a/path", 17, &["no path"]),
        ("http://127.0.0.1:3000", "http://user:pass@a", 17, &["no user name"]),
        ("[\"http://127.0.0.1:3000\"]", "[]", 17, &["one upstream at least"]),
        ("127.0.0.1:18080", "127.0.0.1:0", 2, &["port 0"]),
        ("127.0.0.1:18080", "224.0.0.1:18080", 2, &["no machine has this address"]),
        ("127.0.0.1:18080", "240.0.0.1:18080", 2, &["no machine has this address"]),
        ("127.0.0.1:18080", "255.255.255.255:18080", 2, &["no machine has this address"]),
        ("127.0.0.1:18080", "0.0.0.1:18080", 2, &["no machine has this address"]),
        ("127.0.0.1:18080", "[fe80::1]:18080", 2, &["no machine has this address"]),
        ("127.0.0.1:19901", "[ff02::1]:18080", 3, &["no machine has this address"]),
        ("http://127.0.0.1:3000", "http://240.0.0.1", 17, &["no machine can be reached"]),
        ("http://127.0.0.1:3000", "http://[fe80::1]", 17, &["no machine can be reached"]),
        ("\"batch.*\"", "\"a,b\"", 18, &["a text of its own"]),
        ("127.0.0.1:19901", "127.0.0.1:0", 3, &["port 0"]),
        ("127.0.0.1:19901", "127.0.0.1:18080", 3, &["`admin`", "taken by `listen`"]),
        ("127.0.0.1:19901", "0.0.0.0:18080", 3, &["overlaps with 127.0.0.1:18080"]),
        ("127.0.0.1:19901", "[::]:18080", 3, &["overlaps with 127.0.0.1:18080"]),
        ("127.0.0.1:19901", "[::ffff:127.0.0.1]:18080", 3, &["the same as 127.0.0.1:18080"]),
        ("\"127.0.0.1:18080\"", "\"127.0.0.1:18080\",\n\"127.0.0.1:18080\"", 3, &["`listen`", "taken"]),
        ("\"127.0.0.1:18080\"", "\"127.0.0.1:18080\",\n\"0.0.0.0:18080\"", 3, &["overlaps"]),
        ("\"127.0.0.1:18080\"", "\"0.0.0.0:18080\", \"[::]:18080\"", 2, &["overlaps"]),
        ("\"hooks.example.com\"", "\"hooks..example.com\"", 15, &["no request names this host"]),
        ("\"hooks.example.com\"", "\"0.0.0.0\"", 15, &["no request names this host"]),
        ("\"hooks.example.com\"", "\"[\"", 15, &["no request names this host"]),
        ("http://127.0.0.1:3000", "http://h:99999", 17, &["from 1 to 65535"]),
        ("http://127.0.0.1:3000", "http://h:65536", 17, &["from 1 to 65535"]),
        ("http://127.0.0.1:3000", "http://h:0", 17, &["from 1 to 65535"]),
        ("http://127.0.0.1:3000", "http://h:", 17, &["from 1 to 65535"]),
        ("http://127.0.0.1:3000", "http://[::1]:", 17, &["from 1 to 65535"]),
        ("http://127.0.0.1:3000", "http://256.0.0.1", 17, &["the host of an upstream"]),
        ("http://127.0.0.1:3000", "http://a..b", 17, &["the host of an upstream"]),
        ("http://127.0.0.1:3000", "http://a#b", 17, &["no path"]),
        ("http://127.0.0.1:3000", "http://0.0.0.0:3000", 17, &["an address to listen on"]),
        ("http://127.0.0.1:3000", "http://127.0.0.1:18080", 17, &["the gateway itself", "127.0.0.1:18080"]),
        ("http://127.0.0.1:3000", "http://LOCALHOST:18080/", 17, &["the gateway itself"]),
        ("http://127.0.0.1:3000", "http://127.0.0.1:19901", 17, &["the gateway itself", "127.0.0.1:19901"]),
        ("\"1MiB\"", "\"10TB\"", 19, &["is the unit right"]),
        ("\"1MiB\"", "\"0\"", 19, &["the size is zero"]),
        ("admin =", "body_budget = \"10TB\"\nadmin =", 3, &["is the unit right"]),
        ("admin =", "threads = 100000\nadmin =", 3, &["at most 4096"]),
        ("admin =", "threads = 0\nadmin =", 3, &["one thread at least"]),
        ("tolerance = \"5m\"", "tolerance = \"999ms\"", 7, &["whole seconds"]),
        ("tolerance = \"5m\"", "tolerance = \"300years\"", 7, &["longer than a year"]),
        ("lease = \"60s\"", "lease = \"100years\"", 10, &["longer than a year"]),
        ("\"10s\"", "\"0s\"", 20, &["zero"]),
        ("\"batch.*\"", "\" batch.succeeded\"", 18, &["white space"]),
        ("\"batch.*\"", "\"\"", 18, &["invalid event pattern"]),
        // values that do not go together
        ("source = \"gemini\"", "source = \"gemimi\"", 16, &["there is no source", "`gemini`"]),
        ("\"30s\"", "\"61s\"", 21, &["61s", "60s", "retry"]),
        ("lease = \"60s\"", "lease = \"29s\"", 21, &["30s", "29s"]),
        (
            "upstream_timeout =",
            "connect_timeout = \"31s\"\nupstream_timeout =",
            21,
            &["31s", "30s", "`upstream_timeout`"],
        ),
        ("upstream_timeout = \"30s\"", "upstream_timeout = \"2s\"\nconnect_timeout = \"3s\"", 22, &["3s", "2s"]),
        ("upstream_timeout =", "connect_timeout = \"0s\"\nupstream_timeout =", 21, &["zero"]),
        ("upstream_timeout =", "upstream_idle_timeout = \"2\"\nupstream_timeout =", 21, &["a number and a unit"]),
        (
            "upstream_timeout =",
            "upstream_idle_timout = \"2s\"\nupstream_timeout =",
            21,
            &["did you mean \"upstream_idle_timeout\"?"],
        ),
        ("secrets = [{ env = \"TEST_SECRET\" }]", "", 5, &["no secrets"]),
        ("secrets = [{ env = \"TEST_SECRET\" }]", "secrets = []", 5, &["no secrets"]),
        ("admin =", "body_budget = \"1MB\"\nadmin =", 3, &["1048576 bytes", "never fit"]),
        ("admin =", "body_budget = \"lots\"\nadmin =", 3, &["\"64KiB\""]),
    ] {
        assert_refused(&folder, &change(from, to), Some(line), words);
    }
    let again = format!(
        "{GOOD}[[routes]]\npath = \"/gemini\"\nhost = \"HOOKS.example.com\"\nsource = \"gemini\"\nupstream = [\"http://a\"]\n"
    );
    assert_refused(&folder, &again, Some(23), &["same host and path"]);
    let none = GOOD.split("[[routes]]").next().expect("the part before the routes");
    assert_refused(&folder, none, None, &["no [[routes]]"]);
}

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
        ("{ env = \"\" }", &["`env` is a text"]),
        ("{ env = 7 }", &["`env` is a text"]),
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
                "[sources.gemini]\nreplay = { store = $ }",
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

#[test]
fn what_would_let_a_replay_through_or_nothing_at_all_is_refused() {
    let folder = folder();
    // A timestamp is good from 5 min before to 5 min after: who forgets earlier forwards a replay.
    assert_refused(&folder, &change("capacity = 100000", "retain = \"9m\""), Some(11), &["540s", "600s", "tolerance"]);
    assert_refused(&folder, &change("[\"batch.*\"]", "[]"), Some(18), &["\"*\""]);
}

#[test]
fn a_file_that_is_not_there_or_not_text_is_said_so() {
    let folder = folder();
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-gateway"));
    let text = text_of(&finished(command.arg("--config").arg(folder.path().join("none.toml"))), 1);
    assert!(text.contains("none.toml: cannot be read"), "{text}");
    std::fs::write(folder.path().join("binary.toml"), [0xff, 0xfe]).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-gateway"));
    let text = text_of(&finished(command.arg("--config").arg(folder.path().join("binary.toml"))), 1);
    assert!(text.contains("binary.toml: cannot be read"), "{text}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-gateway"));
    assert!(text_of(&finished(&mut command), 2).contains("--config"));
}

#[test]
fn an_address_that_is_taken_is_named() {
    let folder = folder();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = listener.local_addr().expect("a bound listener").to_string();
    for (key, other) in [("127.0.0.1:18080", "127.0.0.1:19901"), ("127.0.0.1:19901", "127.0.0.1:18080")] {
        let config = change(key, &taken).replacen(other, &free_address().to_string(), 1);
        let text = text_of(&run(folder.path(), &config, &[]), 1);
        assert!(text.contains(&format!("cannot listen on {taken}")), "{text}");
    }
}
