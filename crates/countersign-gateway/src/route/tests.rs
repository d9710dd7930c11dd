use super::*;

fn find(routes: &[(Option<&str>, &str)], host: Option<&str>, uri: &str) -> Option<usize> {
    let entry = |(number, (host, path)): (usize, &(Option<&str>, &str))| {
        (host.map(|host| Host::parse(host).unwrap()), PathPattern::parse(path).unwrap(), number)
    };
    let table = Table::new(routes.iter().enumerate().map(entry));
    let mut request = http::Request::post(uri);
    if let Some(host) = host {
        request = request.header(HOST, host);
    }
    table.find(&request.body(()).unwrap().into_parts().0).copied()
}

#[test]
fn a_path_matches_exactly_or_below_a_prefix() {
    let routes = [(None, "/gemini"), (None, "/x/*"), (None, "/x/y/*"), (None, "/x/y/z")];
    for (path, route) in [
        ("/gemini", Some(0)),
        ("/gemini?a=1", Some(0)),
        ("/gemini/", None),
        ("/Gemini", None),
        ("/x", None),
        ("/x/", Some(1)),
        ("/x/a/b", Some(1)),
        ("/x/y/a", Some(2)),
        ("/x/y/z", Some(3)),
        ("/xy", None),
    ] {
        assert_eq!(find(&routes, None, path), route, "{path}");
    }
}

#[test]
fn a_path_that_can_be_read_twice_matches_nothing() {
    let routes = [(None, "/*"), (None, "/x")];
    for path in [
        "/x/../y",
        "/./x",
        "/x/..",
        "/x/%2e%2E/y",
        "/x%2Fy",
        "/x%5cy",
        "/x/.%2e/y",
        "/..;/x",
        "/x\\y",
        "//x",
        "/y/%252e%252e/x",
        "/y/%25",
        "/y/%00",
        "/y/%09",
        "/y/%0d%0a",
        "/y/%1F",
        "/y/%7f",
        "/y/%3b",
        "/y/a%3Bb",
        "/y/%3fa",
        "/y/%23a",
        "/y/%ff",
        "/y/%c0%af",
        "/y/%c0%ae%c0%ae/x",
        "/y/%c1%9c",
        "/y/%e0%80%af",
        "/y/%ed%a0%80",
        "/y/%f4%90%80%80",
        "/y/%c3",
        "/y/%",
        "/y/%2",
        "/y/%zz",
        "/y/%u002e%u002e/x",
        "/y/%+2",
        "/y/...",
        "/y/.%20./x",
        "/y/..%20/x",
        "/y/%20/x",
        "/y/.;a=b/x",
        "/y/..;a/x",
        "/y/%ef%bc%8f",
        "/y/%ef%bc%8e%ef%bc%8e/x",
        "/y/%e2%80%a5/x",
        "/y/%ef%b9%92",
        "/y/%ef%bc%9b",
        "/y/%e2%88%95",
        "/y/.%c2%ad./x",
        "/y/.%e2%80%8b./x",
        "/y/%ef%bb%bf",
        "/y/%c2%85",
        "/y/%ef%bc%85",
        "/y/%c2%a5",
        "/y/%cd%be",
        "/y/caf%C3%A9",
        "/y/%E6%97%A5",
        "/y/%e3%85%a4",
        "/y/.%E3%85%A4./x",
        "/y/%f0%9d%85%b3",
        "/y/%22",
        "/y/%3C",
        "/y/%7b",
        "/y/%7C",
        "/y/%60",
        "/y/%5e",
        "/y/%5B",
        "/y/\"",
        "/y/{}",
        "/y/|",
        "/y/^",
        "/y/..:a/x",
    ] {
        let uri = format!("http://h{path}");
        if uri.parse::<http::Uri>().is_ok() {
            assert_eq!(find(&routes, None, &uri), None, "{path}");
        }
    }
    for path in [
        "/z/..y/.z./a.b",
        "/y/a%20b",
        "/y//z",
        "/y/z;a=b",
        "/y/%7Eme",
        "/y/a%2eb",
        "/y/a+b:c@d,e=f&g$h!i*j(k)l'm",
        "/y/z/",
        "/y/%3A",
        "/y/3b",
        "/",
    ] {
        assert_eq!(find(&routes, None, path), Some(0), "{path}");
    }
}

#[test]
fn a_path_that_a_backend_could_read_as_another_route_matches_nothing() {
    let routes = [(None, "/*"), (None, "/x/*"), (None, "/x/y"), (None, "/x/z/*"), (None, "/X/q"), (Some("h"), "/w")];
    for path in [
        "/x/%79",
        "/x/Y",
        "/x/y/",
        "/x//y",
        "/x/y;v=1",
        "/x/;/y",
        "/x/y.",
        "/x/y%20",
        "/x/Z/a",
        "/x//z/a",
        "/x/z;a/b",
        "/%78/a",
        "/X/a",
        "/x;a/b",
        "/x/Q",
        "/x/y//",
        "/x/y::$DATA",
        "/x/y:80",
        "/x/y%3A80",
        "/x/z:1/a",
        "/x:80/a",
        "/x/y.json",
        "/x/Y.html",
        "/x/y%2Ejson",
        "/x/y,a",
        "/x/y+a",
        "/x/y@a",
        "/x/y.a/b",
        "/x/%20y",
        "/x;a/y.json",
        "/x/y;a/b",
        "/x/adm%C4%B1n",
        "/x/%C5%BF",
        "/x/%C2%AAy",
        "/x/y%CC%87",
    ] {
        assert_eq!(find(&routes, None, path), None, "{path}");
    }
    for (path, route) in [
        ("/x/y", 2),
        ("/x/yy", 1),
        ("/x/a", 1),
        ("/x/z", 1),
        ("/x/z/a", 3),
        ("/x/z/y", 3),
        ("/y", 0),
        ("/X/q", 4),
        ("/x/", 1),
        ("/w;a", 0),
        ("/x/a;b//c", 1),
        ("/x/y-z", 1),
        ("/x/y_z", 1),
        ("/x/y1.json", 1),
        ("/x/a.y", 1),
        ("/x/a/y", 1),
        ("/x/y/z", 1),
        ("/x//y/z", 1),
    ] {
        assert_eq!(find(&routes, None, path), Some(route), "{path}");
    }
    // A route of the host that the request names counts, and so does its reading.
    assert_eq!(find(&routes, Some("h"), "/w"), Some(5));
    assert_eq!(find(&[(Some("h"), "/*"), (Some("h"), "/w"), (None, "/v")], Some("h"), "/W"), None);
    assert_eq!(find(&[(Some("h"), "/*"), (Some("h"), "/w"), (None, "/v")], Some("h"), "/V"), Some(0));
    // A file's extension may be left out, and a verb is not cut off the route's own path.
    let files = [(None, "/x/*"), (None, "/x/y.php"), (None, "/x/v:cancel"), (None, "/x/.a")];
    for path in ["/x/y", "/x/y/z", "/x/y.php/z", "/x/y.PHP5/..", "/x/V:Cancel"] {
        assert_eq!(find(&files, None, path), None, "{path}");
    }
    for (path, route) in [
        ("/x/y.html", 0),
        ("/x/y.php5", 0),
        ("/x/v", 0),
        ("/x/v/a", 0),
        ("/x/", 0),
        ("/x/y.php", 1),
        ("/x/v:cancel/a", 0),
    ] {
        assert_eq!(find(&files, None, path), Some(route), "{path}");
    }
    // A prefix of its own says what continues an exact path.
    let own = [(None, "/*"), (None, "/x"), (None, "/x/*"), (None, "/x/y"), (None, "/x/y/*"), (None, "/")];
    for (path, route) in
        [("/x/a", 2), ("/x/y/a", 4), ("/x/y/", 9), ("/x/", 9), ("/a", 0), ("/x.json", 9), ("/x/y.a", 9)]
    {
        assert_eq!(find(&own, None, path), Some(route).filter(|route| *route < 9), "{path}");
    }
    // Prefixes that differ in case only do not shadow each other.
    for (path, route) in [("/a/x", 0), ("/A/x", 1)] {
        assert_eq!(find(&[(None, "/a/*"), (None, "/A/*")], None, path), Some(route));
    }
}

/// Decodes as leniently as any backend: what is no escape stays, `%u` is understood, bytes that are not UTF-8
/// are read in the overlong form, backslashes are slashes, and a NUL ends the text.
fn leniently_decoded(path: &[u8]) -> Vec<u8> {
    let hex = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    let (mut bytes, mut rest) = (Vec::new(), path);
    while let [first, after_one @ ..] = rest {
        let (byte, after) = match rest {
            [b'%', b'u' | b'U', b'0', b'0', a, b, after @ ..] if hex(&[*a, *b]).is_some() => (hex(&[*a, *b]), after),
            [b'%', a, b, after @ ..] if hex(&[*a, *b]).is_some() => (hex(&[*a, *b]), after),
            _ => (Some(*first), after_one),
        };
        bytes.extend(byte);
        rest = after;
    }
    let (mut plain, mut rest) = (Vec::new(), &bytes[..]);
    while let [first, after_one @ ..] = rest {
        let (byte, after) = match rest {
            [0, ..] => break,
            [high @ (0xC0 | 0xC1), low, after @ ..] => (((high & 1) << 6) | (low & 0x3F), after),
            [b'\\', after @ ..] => (b'/', after),
            _ => (*first, after_one),
        };
        plain.push(byte);
        rest = after;
    }
    plain
}

#[test]
fn what_matches_a_prefix_lies_below_it_however_it_is_decoded() {
    let pieces = [
        "/",
        "/",
        "/",
        ".",
        "..",
        "%2e",
        "%2E",
        "%2f",
        "%5c",
        "\\",
        "%25",
        "%252e",
        "%3b",
        ";",
        ";a=b",
        "%00",
        "%0a",
        "%7f",
        "%c0%ae",
        "%c0%af",
        "%c1%9c",
        "%ff",
        "%e2%80%a5",
        "%",
        "%u002e",
        "%u",
        "a",
        "b.c",
        "%20",
        "%61",
        "x",
        "%C3%A9",
        "%3f",
        "%23",
        "+",
        "~",
        ":",
    ];
    let routes = [(None, "/x/*"), (None, "/x/y/*")];
    let mut random = fastrand::Rng::with_seed(9);
    let mut matched = 0;
    for _ in 0..200_000 {
        let tail: String = (0..random.usize(1..8)).map(|_| pieces[random.usize(..pieces.len())]).collect();
        let path = format!("/x/{tail}");
        if format!("http://h{path}").parse::<http::Uri>().is_err()
            || find(&routes, None, &format!("http://h{path}")).is_none()
        {
            continue;
        }
        matched += 1;
        let once = leniently_decoded(path.as_bytes());
        for read in [leniently_decoded(&once), once] {
            let text = String::from_utf8(read).expect("what matches is UTF-8, also once it is decoded");
            // Cut at a query or fragment, and read with and without parameters.
            for text in [text.as_str(), text.split(['?', '#']).next().expect("a part")] {
                assert!(text.starts_with("/x/"), "{path}: {text}");
                for segment in text.split('/') {
                    let name = segment.split(';').next().expect("a part");
                    assert!(!matches!(name.trim(), "." | "..") && !matches!(segment, "." | ".."), "{path}: {text}");
                }
            }
            assert!(!text.bytes().any(|byte| byte.is_ascii_control()), "{path}: {text}");
        }
    }
    assert!(matched > 5_000, "{matched} of 200000 paths were tested");
}

#[test]
fn a_host_matches_whatever_its_case_and_port() {
    let routes = [
        (None, "/x"),
        (Some("Hooks.Example.com"), "/x"),
        (Some("[0:0:0:0:0:0:0:1]"), "/x"),
        (Some("[2001:DB8::a]"), "/x"),
    ];
    for (host, route) in [
        (Some("hooks.example.com"), 1),
        (Some("HOOKS.example.com:8080"), 1),
        (Some("hooks.example.com."), 1),
        (Some("evil-hooks.example.com"), 0),
        (Some("[::1]:8080"), 2),
        (Some("[0::1]"), 2),
        (Some("[::2]"), 0),
        (Some("[2001:db8:0::A]"), 3),
        (None, 0),
    ] {
        assert_eq!(find(&routes, host, "/x"), Some(route), "{host:?}");
    }
    assert_eq!(find(&routes, Some("other"), "http://hooks.example.com/x"), Some(1));
}

#[test]
fn what_cannot_match_is_refused_when_it_is_written() {
    for wrong in [
        "",
        "x",
        "/x*",
        "/*/x",
        "/a?b",
        "/a/../b",
        "/a b",
        "/a%2fb",
        "//x/*",
        "//*",
        "/hooks/{id}",
        "/hooks/:id",
        "/hooks/:id/x",
        "/hooks/<id>",
        "/hooks/(.+)$",
        "/^hook",
        "/hook$",
        "/hooks/.+",
        "/hooks/$id",
        "/hooks/[id]",
        "/http://h/hook",
        "https://h/hook",
        "/a|b",
        "/caf%C3%A9",
        "/%7Bid%7D",
        "/hooks/**",
    ] {
        assert!(PathPattern::parse(wrong).is_err(), "{wrong}");
    }
    assert!(PathPattern::parse(&"/x".repeat(3000)).is_err());
    for good in ["/", "/*", "/a//b", "/v1/x:cancel", "/a.b-c_d~e/*", "/a%20b", "/a@b", "/a$b", "/a,b;c=d"] {
        assert!(PathPattern::parse(good).is_ok(), "{good}");
    }
    for wrong in ["", "http://a", "a:80", "a/b", "a b", "::1", "[::1]:80", "[::1", "[::g]", "[h]", "[::1].", "*.h"] {
        assert!(Host::parse(wrong).is_err(), "{wrong}");
    }
    assert_eq!(Host::parse("[0:0:0:0:0:0:0:1]").unwrap().to_string(), "[::1]");
}
