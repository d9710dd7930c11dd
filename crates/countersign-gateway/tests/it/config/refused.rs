//! Invalid configurations.

use super::{GOOD, assert_refused, change, folder};

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
        ("[\"127.0.0.1:18080\"]", "[{ proxy_protocol = true }]", 2, &["missing key \"address\""]),
        (
            "[\"127.0.0.1:18080\"]",
            "[\n{ address = \"127.0.0.1:18080\", proxy = true }]",
            3,
            &["unknown key \"proxy\"; did you mean \"proxy_protocol\"?"],
        ),
        ("[\"127.0.0.1:18080\"]", "[{ address = \"localhost:80\" }]", 2, &["`address`", "an IP and a port"]),
        ("[\"127.0.0.1:18080\"]", "[\"localhost:80\"]", 2, &["`listen`", "an IP and a port"]),
        ("[\"127.0.0.1:18080\"]", "[80]", 2, &["an entry of `listen` is an integer", "a table with `address`"]),
        (
            "[\"127.0.0.1:18080\"]",
            "[{ address = \"127.0.0.1:18080\" },\n{ address = \"127.0.0.1:18080\" }]",
            3,
            &["taken by `listen` already"],
        ),
        ("[\"127.0.0.1:18080\"]", "[\"unix:gateway.sock\"]", 2, &["`listen`", "begins with a slash"]),
        ("[\"127.0.0.1:18080\"]", "[\"systemd:\"]", 2, &["`listen`", "FileDescriptorName="]),
        ("[\"127.0.0.1:18080\"]", "[\"unix:/g.sock\",\n\"unix:/g.sock\"]", 3, &["unix:/g.sock twice"]),
        ("[\"127.0.0.1:18080\"]", "[{ address = \"unix:/g.sock\", mode = \"rw\" }]", 2, &["`mode`", "\"0660\""]),
        (
            "[\"127.0.0.1:18080\"]",
            "[{ address = \"127.0.0.1:18080\", mode = \"0660\" }]",
            2,
            &["`mode` is for Unix sockets"],
        ),
        ("admin =", "client_limits = { burst = 3 }\nadmin =", 3, &["`burst` is for `rejected`"]),
        ("admin =", "client_limits = { rejected = \"3\" }\nadmin =", 3, &["`rejected`", "like \"90/s\""]),
        ("admin =", "client_limits = { connections = 0 }\nadmin =", 3, &["`connections`", "allow one at least"]),
        ("events =", "assertion = true\nevents =", 18, &["`assertion = true`", "[assertion]", "`issuer`"]),
        ("[[routes]]", "[assertion]\n[[routes]]", 13, &["missing key \"issuer\" in [assertion]"]),
        ("[[routes]]", "[assertion]\nissuer = \"a\"\nlifetime = \"25h\"\n[[routes]]", 15, &["between 1 s and 24 h"]),
        ("[[routes]]", "[assertion]\nissuer = \"a\"\nkey = \"b\"\n[[routes]]", 15, &["`key`"]),
        ("[[routes]]", "[assertion]\nissuer = \"a\"\nkey = {}\n[[routes]]", 15, &["not written here but named"]),
        (
            "[[routes]]",
            "[assertion]\nissuer = \"a\"\nkey = { file = \"good.secret\" }\n[[routes]]",
            15,
            &["good.secret", "no private key in PKCS#8"],
        ),
        ("events =", "rate = \"0/s\"\nevents =", 18, &["`rate`", "between 1 and 1000000"]),
        ("events =", "burst = 9\nevents =", 18, &["`burst` is for a route with `rate`"]),
        ("path = \"/gemini\"\n", "", 13, &["missing key \"path\" in [[routes]]"]),
        ("source = \"gemini\"\n", "", 13, &["missing key \"source\" in [[routes]]"]),
        ("capacity = 100000", "capacity = -1", 11, &["`capacity`", "between 1 and"]),
        ("capacity = 100000", "capacity = 0", 11, &["between 1 and"]),
        ("capacity = 100000", "store = \"redis\"", 11, &["unknown key \"store\""]),
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
        (
            "admin =",
            "trusted_proxies = [\"10.0.0.1/8\"]\nadmin =",
            3,
            &["the network of this address is \"10.0.0.0/8\""],
        ),
        ("admin =", "trusted_proxies = [\"::ffff:10.0.0.0/104\"]\nadmin =", 3, &["write it as IPv4"]),
        ("admin =", "trusted_proxies = [\"proxy\"]\nadmin =", 3, &["an IP address or a network"]),
        ("tolerance =", "preset = \"stripe\"\ntolerance =", 7, &["`preset`", "\"openai\"", "\"standard\""]),
        ("tolerance =", "duplicates = \"drop\"\ntolerance =", 7, &["\"acknowledge\" or \"forward\""]),
        ("{ env =", "{ encoding = \"hex\", env =", 6, &["\"base64\", \"raw\""]),
        ("events =", "probe = \"200\"\nevents =", 18, &["`probe`", "the only response is \"204\""]),
        ("events =", "max_in_flight = 0\nevents =", 18, &["`max_in_flight`", "allow one at least"]),
        ("events =", "set_headers = { webhook_id = \"a\" }\nevents =", 18, &["`webhook_id` is signed"]),
        ("events =", "set_headers = { countersign-a = \"a\" }\nevents =", 18, &["gateway's own"]),
        ("events =", "set_headers = { x-a = { env = \"NOT_SET\" } }\nevents =", 18, &["NOT_SET is not set"]),
        ("events =", "set_headers = { x-a = 1 }\nevents =", 18, &["must be a text, or a secret"]),
        ("events =", "grpc = \"yes\"\nevents =", 18, &["`grpc` is a string; it must be a boolean"]),
        ("events =", "untyped = \"drop\"\nevents =", 18, &["\"forward\" or \"reject\""]),
        ("events = [\"batch.*\"]", "untyped = \"reject\"", 18, &["a route with `events`"]),
        ("path = \"/gemini\"", "path = \"/a%25/*\"", 14, &["matches nothing"]),
        ("path = \"/gemini\"", "path = \"/a/%ff/*\"", 14, &["matches nothing"]),
        // values of the wrong type
        ("tolerance = \"5m\"", "tolerance = 5", 7, &["`tolerance` is an integer; it must be a duration like \"30s\""]),
        ("\"1MiB\"", "1.5", 19, &["`body_limit` is a float; it must be a size"]),
        ("\"1MiB\"", "-1", 19, &["`body_limit`: a size is not negative"]),
        ("[\"http://127.0.0.1:3000\"]", "[3000]", 17, &["an entry of `upstream` is an integer; it must be a URL"]),
        ("[[routes]]", "[routes]", 13, &["`routes` is a table; each route begins with [[routes]]"]),
        ("{ env =", "{ envv =", 6, &["unknown key \"envv\"; did you mean \"env\"?"]),
        // arrays in place of tables
        (
            "[sources.gemini]",
            "[[sources]]",
            5,
            &["`sources` is an array; each source begins with its name, as in [sources.gemini]"],
        ),
        ("[server]\n", "server = [[\"127.0.0.1:18080\"]]\n[other]\n", 1, &["`server` is an array; it must be a table"]),
        (
            "[{ env = \"TEST_SECRET\" }]",
            "[[\"TEST_SECRET\"]]",
            6,
            &["an entry of `secrets` is an array", "{ env = \"NAME\" }"],
        ),
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
        ("http://127.0.0.1:3000", "ftp://a", 17, &["begins with http://, https://, h2c://"]),
        ("http://127.0.0.1:3000", "unix:app.sock", 17, &["begins with a slash"]),
        ("http://127.0.0.1:3000", "https://a?b=c", 17, &["no query"]),
        ("events =", "upstream_tls = { ca = \"tls.chain.pem\" }\nevents =", 18, &["no upstream of the route uses TLS"]),
        (
            "http://127.0.0.1:3000\"]",
            "https://a\"]\nupstream_tls = { ca = \"missing.pem\" }",
            18,
            &["missing.pem", "cannot be read"],
        ),
        (
            "http://127.0.0.1:3000\"]",
            "https://a\"]\nupstream_tls = { server_name = \"a b\" }",
            18,
            &["`server_name`", "host names and IP addresses"],
        ),
        ("http://127.0.0.1:3000", "http://a/path?q", 17, &["no query"]),
        ("http://127.0.0.1:3000", "http://a/../b", 17, &["dot segments"]),
        ("http://127.0.0.1:3000", "http://a/b/*", 17, &["leave out `*`"]),
        ("[\"http://127.0.0.1:3000\"]", "[\"http://a/b\",\n\"http://c\"]", 18, &["the same path"]),
        ("events =", "strip_prefix = \"/gem\"\nevents =", 18, &["not every path of the route /gemini"]),
        ("events =", "strip_prefix = \"/\"\nevents =", 18, &["nothing would be left out"]),
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
        ("http://127.0.0.1:3000", "http://a#b", 17, &["no query and no fragment"]),
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
        ("events =", "eject = { after = 1001 }\nevents =", 18, &["`after`", "0 to turn ejection off"]),
        ("events =", "eject = { for = \"1h\" }\nevents =", 18, &["`for`", "3600s", "300s"]),
        ("events =", "eject = { time = \"1h\" }\nevents =", 18, &["unknown key \"time\""]),
        ("events =", "health_check = { path = \"healthz\" }\nevents =", 18, &["`path`", "begins with a slash"]),
        ("events =", "health_check = { every = \"500ms\" }\nevents =", 18, &["1s", "500ms", "`every`"]),
        ("events =", "retry = \"always\"\nevents =", 18, &["`retry`", "\"unsent\" or \"idempotent\""]),
        (
            "upstream_timeout = \"30s\"",
            "upstream_timeout = \"31s\"\nretry = \"idempotent\"",
            21,
            &["31s", "60s", "two upstreams"],
        ),
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
fn what_would_let_a_replay_through_or_nothing_at_all_is_refused() {
    let folder = folder();
    // A timestamp is good from 5 min before to 5 min after: who forgets earlier forwards a replay.
    assert_refused(&folder, &change("capacity = 100000", "retain = \"9m\""), Some(11), &["540s", "600s", "tolerance"]);
    assert_refused(&folder, &change("[\"batch.*\"]", "[]"), Some(18), &["\"*\""]);
}

#[test]
fn an_inbox_needs_a_store_and_responds_before_its_backend() {
    let folder = folder();
    let store = "[store]\nengine = \"sqlite\"\npath = \"a.db\"\n";
    for (head, keys, line, words) in [
        ("", "delivery = \"inbox\"", 18, "an inbox needs a durable store"),
        (
            "[store]\nengine = \"redis\"\nurl = { env = \"A\" }\n",
            "delivery = \"inbox\"",
            21,
            "an inbox needs a durable store",
        ),
        ("", "delivery = \"later\"", 18, "write \"direct\" or \"inbox\""),
        ("", "redelivery = {}", 18, "`redelivery` is for `delivery = \"inbox\"`"),
        (store, "grpc = true\ndelivery = \"inbox\"", 22, "a gRPC call needs the response"),
        (store, "redelivery = { first = \"2h\" }\ndelivery = \"inbox\"", 21, "use a shorter `first`"),
    ] {
        let text = change("events =", &format!("{keys}\nevents ="));
        let text = text.replace("[sources.gemini]", &format!("{head}[sources.gemini]"));
        assert_refused(&folder, &text, Some(line), &[words]);
    }
}

#[test]
fn what_is_asked_for_missing_jobs_fits_together_and_names_no_key() {
    let folder = folder();
    let key = "api_key = { env = \"A\" }";
    for (delivery, table, words) in [
        ("direct", key.to_owned(), "is for `delivery = \"inbox\"`"),
        ("inbox", "every = \"5m\"".to_owned(), "missing key \"api_key\""),
        ("inbox", "api_key = \"AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY\"".to_owned(), "{ env = \"NAME\" }"),
        ("inbox", format!("{key}, since = \"7d\""), "deliveries are kept for 7 days"),
        ("inbox", format!("{key}, every = \"10ms\""), "once a second at most"),
        ("inbox", format!("{key}, since = \"1h\", grace = \"1h\""), "shorter than `since`"),
        ("inbox", format!("{key}, base_url = \"http://api.example.com\""), "unencrypted"),
    ] {
        let keys = format!("delivery = \"{delivery}\"\nreconcile = {{ {table} }}\nevents =");
        let text = change("events =", &keys);
        let store = "[store]\nengine = \"sqlite\"\npath = \"a.db\"\n";
        let text = text.replace("[sources.gemini]", &format!("{store}[sources.gemini]"));
        assert_refused(&folder, &text, Some(22), &[words]);
    }
}

#[test]
fn an_inbox_does_not_forward_duplicates() {
    let text = change("tolerance = \"5m\"", "duplicates = \"forward\"")
        .replace("events =", "delivery = \"inbox\"\nevents =")
        .replace("[sources.gemini]", "[store]\nengine = \"sqlite\"\npath = \"store.db\"\n[sources.gemini]");
    assert_refused(&folder(), &text, Some(21), &["an inbox stores each message once", "use \"direct\""]);
}

#[test]
fn destinations_that_cannot_work_are_refused_with_their_line() {
    let folder = folder();
    let good = "[[routes.destinations]]\nname = \"a\"\nupstream = [\"http://127.0.0.1:3000\"]\n";
    let route = "delivery = \"inbox\"\n";
    for (keys, destinations, line, words) in [
        ("", good, 24, &["destinations need `delivery = \"inbox\"`"][..]),
        (
            "delivery = \"inbox\"\nunmatched = \"keep\"\nupstream = [\"http://127.0.0.1:3000\"]\n",
            "",
            21,
            &["`unmatched` is for a route with"],
        ),
        ("delivery = \"inbox\"\nunmatched = \"drop\"\n", good, 21, &["write \"keep\" or \"reject\""]),
        ("delivery = \"inbox\"\nupstream = [\"http://127.0.0.1:3000\"]\n", good, 21, &["leave this out"]),
        (route, "", 16, &["name one upstream at least"]),
        (route, &good.repeat(2), 29, &["another destination is named `a`"]),
        (route, "[[routes.destinations]]\nname = \"a\"\n", 25, &["name one upstream at least"]),
        (route, &good.replace("name = \"a\"\n", ""), 25, &["missing key \"name\" in [[routes.destinations]]"]),
        (route, &good.replace("name", "nam"), 26, &["unknown key \"nam\" in [[routes.destinations]]"]),
        (route, &good.replace("\"a\"", "\"a/b\""), 26, &["`name`", "1 to 64 letters"]),
        (route, &good.replace("[\"http://127.0.0.1:3000\"]", "[]"), 27, &["name one upstream at least"]),
        (route, &good.replace("127.0.0.1:3000", "127.0.0.1:18080"), 27, &["the upstream is the gateway itself"]),
        (route, &format!("{good}events = [\"b*\"]"), 28, &["invalid event pattern"]),
        (route, &format!("{good}metadata = {{ job = \"\" }}"), 28, &["an empty text"]),
        (route, &format!("{good}metadata = [\"job\"]"), 28, &["`metadata` is an array; it must be a table"]),
        (route, &format!("{good}burst = 3"), 28, &["`burst` is for a destination with `rate`"]),
        (route, &format!("{good}redelivery = {{ first = \"2h\" }}"), 28, &["use a shorter `first`"]),
        (route, &format!("{good}assertion = true"), 28, &["needs the table [assertion]"]),
        (route, &format!("{good}strip_prefix = \"/other\""), 28, &["not every path of the route"]),
        (route, "[[routes.destinations]]\nname = \"a\"\npull = {}\n", 27, &["set `pull` in [server]"]),
        (route, &format!("{good}pull = {{}}"), 28, &["leave one out"]),
        (route, "[[routes.destinations]]\nname = \"a\"\npull = true\n", 27, &["`pull`"]),
        (route, "destinations = { name = \"a\" }", 25, &["each destination begins with [[routes.destinations]]"]),
    ] {
        let store = "[store]\nengine = \"sqlite\"\npath = \"a.db\"\n";
        let text = change("upstream = [\"http://127.0.0.1:3000\"]\n", keys) + destinations;
        assert_refused(
            &folder,
            &text.replace("[sources.gemini]", &format!("{store}[sources.gemini]")),
            Some(line),
            words,
        );
    }
}

#[test]
fn a_store_that_cannot_work_is_refused_with_its_line() {
    let folder = folder();
    for (store, line, words) in [
        ("engine = \"mysql\"", 6, &["`engine`", "\"redis\" and \"postgres\""][..]),
        ("engine = \"redis\"", 5, &["needs a `url`", "`sentinel` or `cluster`"]),
        ("engine = \"redis\"\nurl = { env = \"A\" }\ncluster = [{ env = \"B\" }]", 5, &["exclude each other"]),
        ("engine = \"redis\"\ncluster = []", 5, &["name one at least"]),
        ("engine = \"redis\"\ncluster = [{}]", 5, &["each address is named"]),
        ("engine = \"redis\"\ncluster = [\"redis://a\"]", 7, &["`cluster"]),
        ("engine = \"redis\"\nsentinel = { master = \"main\", urls = [] }", 5, &["name one at least"]),
        ("engine = \"redis\"\nsentinel = { urls = [{ env = \"A\" }] }", 7, &["missing key \"master\""]),
        ("engine = \"redis\"\nsentinel = [\"main\"]", 7, &["`sentinel` is an array; it must be a table"]),
        ("engine = \"redis\"\ncluster = [{ file = \"none\" }]", 7, &["none"]),
        ("engine = \"postgres\"\nurl = { env = \"A\" }\ncluster = [{ env = \"B\" }]", 5, &["for `engine = \"redis\"`"]),
        ("engine = \"postgres\"\nurl = { env = \"A\", file = \"B\" }", 5, &["needs a `url`"]),
        ("engine = \"sqlite\"\npath = \"a.db\"\nurl = { env = \"A\" }", 5, &["`url` and `ca` are for"]),
        ("engine = \"sqlite\"\npath = \"a.db\"\nca = \"a.pem\"", 5, &["`ca` are for"]),
        ("engine = \"postgres\"\nurl = { file = \"url\" }\nca = \"no.pem\"", 8, &["no.pem", "cannot be read"]),
        ("engine = \"sqlite\"", 5, &["needs a `path`"]),
        ("path = \"a.db\"", 5, &["for `engine = \"sqlite\"`"]),
        ("keep = { done = \"1h\" }", 5, &["`keep` and `max_messages` are for an inbox"]),
        ("engine = \"redis\"\nurl = { env = \"A\" }\nmax_messages = 5", 5, &["are for an inbox"]),
        ("engine = \"sqlite\"\npath = \"a.db\"\nmax_messages = 0", 8, &["`max_messages`", "allow one at least"]),
        ("engine = \"sqlite\"\npath = \"a.db\"\nkeep = [\"1h\"]", 8, &["`keep` is an array; it must be a table"]),
        ("engine = \"sqlite\"\npath = \"no/a.db\"", 7, &["no/a.db", "its directory does not exist: create it"]),
    ] {
        let text = change("[sources.gemini]", &format!("[store]\n{store}\n[sources.gemini]"));
        assert_refused(&folder, &text, Some(line), words);
    }
}
