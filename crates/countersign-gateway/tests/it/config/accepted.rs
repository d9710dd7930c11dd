//! Valid configurations.

use super::{GOOD, change, folder, text_of};

use crate::common::run;

/// Valid configurations without any doubt.
pub(crate) fn accepted() -> Vec<String> {
    vec![
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
        change("admin =", "trusted_proxies = [\"10.0.0.0/8\", \"fd00::/8\", \"192.0.2.7\", \"::1\"]\nadmin ="),
        change("tolerance =", "preset = \"polar\"\nduplicates = \"forward\"\nheaders = \"either\"\ntolerance ="),
        change("tolerance = \"5m\"", "preset = \"standard\""),
        change("{ env = \"TEST_SECRET\" }", "{ env = \"TEST_SECRET\", encoding = \"prefix\" }"),
        change("[\"127.0.0.1:18080\"]", "[\"127.0.0.1:18080\", { address = \"[::1]:18080\", proxy_protocol = true }]"),
        change("[\"127.0.0.1:18080\"]", "[{ address = \"127.0.0.1:18080\", proxy_protocol = false }]"),
        change("http://127.0.0.1:3000", "https://[::1]"),
        change("http://127.0.0.1:3000", "h2c://backend:3000/hooks"),
        change("http://127.0.0.1:3000", "unix:/run/app.sock"),
        change(
            "http://127.0.0.1:3000\"]",
            "h2://backend\"]\nupstream_tls = { ca = \"tls.chain.pem\", server_name = \"a.example\" }",
        ),
        change(
            "http://127.0.0.1:3000\"]",
            "https://backend\"]\nupstream_tls = { certificate = { chain = \"tls.chain.pem\", key = \"tls.key.pem\" } }",
        ),
        change("events =", "title_case_headers = true\nevents ="),
        change("events =", "probe = \"204\"\nevents ="),
        change("events =", "max_in_flight = 1\nevents ="),
        change("events =", "strip_prefix = \"/gemini/\"\nevents ="),
        change("http://127.0.0.1:3000", "http://127.0.0.1:3000/hooks/"),
        change(
            "[\"127.0.0.1:18080\"]",
            "[{ address = \"127.0.0.1:18080\", tls = { client_ca = \"tls.chain.pem\", certificates = [{ chain = \
             \"tls.chain.pem\", key = \"tls.key.pem\" }] } }]",
        ),
        change("events =", "set_headers = { x-a = \"b c\", x-key = { env = \"TEST_SECRET\" } }\nevents ="),
        change(
            "[[routes]]",
            "[assertion]\nissuer = \"https://gateway.example\"\naudience = \"backend\"\nlifetime = \"5m\"\n\
             key = { file = \"tls.key.pem\" }\n\n[[routes]]\nassertion = true",
        ),
        change("upstream = [\"http://127.0.0.1:3000\"]\n", "delivery = \"inbox\"\nunmatched = \"reject\"\n").replace(
            "[sources.gemini]\n",
            "[store]\nengine = \"sqlite\"\npath = \"store.db\"\nmax_messages = 1\nmax_ids = 1\n\
             keep = { done = \"1h\", dead = \"90d\" }\n\n[sources.gemini]\n",
        ) + "[[routes.destinations]]\nname = \"all\"\nupstream = [\"http://127.0.0.1:3000\"]\n\
             [[routes.destinations]]\nname = \"nightly.eu\"\nevents = [\"*\"]\nmetadata = { job = \"nightly-*\" }\n\
             upstream = [\"https://127.0.0.1:3000\"]\nrate = \"90/s\"\nburst = 5\nmax_in_flight = 2\n\
             upstream_timeout = \"5m\"\nretry = \"idempotent\"\nset_headers = { x-a = \"b\" }\n\
             redelivery = { first = \"1m\" }\n",
        // Sizes in bytes.
        change("\"1MiB\"", "1048576"),
        change("\"1MiB\"", "\"1 MiB\""),
    ]
}

#[test]
fn a_good_configuration_passes_the_check() {
    let folder = folder();
    for config in accepted() {
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
        (
            change("tolerance =", "preset = \"openai\"\ntolerance ="),
            "the store remembers 100,000 ids for 73 h, which is enough for 22 deliveries a minute\n",
        ),
        (change("tolerance =", "preset = \"resend\"\ntolerance ="), "the store remembers 100,000 ids for 30 h,"),
    ] {
        let text = text_of(&run(folder.path(), &config, &["--check"]), 0);
        assert!(text.contains(line), "{text}");
    }
}
