//! Configurations that are allowed but probably not meant.

use super::{GOOD, change, folder, text_of};

use crate::common::run;

/// How many bytes of memory this machine has.
fn memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").expect("the figures of Linux");
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:")).expect("the total");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// Each with the line of its warning, and words of it.
fn cases() -> Vec<(String, usize, &'static str)> {
    let secrets = |entries: &str| change("secrets = [{ env = \"TEST_SECRET\" }]", &format!("secrets = [{entries}]"));
    let second = |secret: &str| {
        GOOD.replacen("[[routes]]", &format!("[sources.unused]\nsecrets = [{{ {secret} }}]\n[[routes]]"), 1)
    };
    vec![
        (change("{ env = \"TEST_SECRET\" }", "{ file = \"weak.secret\" }"), 6, "weak.secret is shorter"),
        (change("capacity = 100000", "retain = \"1h\""), 11, "24 h"),
        (second("env = \"OTHER_SECRET\""), 13, "no route uses the source `unused`"),
        (
            change("events =", "health_check = { every = \"1h\" }\nevents ="),
            18,
            "`every` is 1h: each address of the upstreams gets a request that often",
        ),
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
        (change("admin =", "trusted_proxies = [\"0.0.0.0/0\"]\nadmin ="), 3, "can claim any address"),
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
    ]
}

/// Configurations that are allowed.
pub(crate) fn doubtful() -> Vec<String> {
    cases().into_iter().map(|(config, _, _)| config).collect()
}

#[test]
fn what_deserves_a_second_look_is_a_warning() {
    let folder = folder();
    for (config, line, words) in cases() {
        // On a machine that has so much of it, it is no mistake.
        if words.ends_with("may take") && memory() > 100 << 30 {
            continue;
        }
        let text = text_of(&run(folder.path(), &config, &["--check"]), 0);
        assert!(text.contains(words) && text.contains("configuration OK"), "{text}");
        assert!(text.starts_with("warning: ") && text.contains(&format!("gateway.toml:{line}: ")), "{text}");
    }
}
