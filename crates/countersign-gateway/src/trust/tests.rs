//! Every spelling of every name.

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::folded::Folded;
use super::names::{CONTENT, FORWARDED, FRAMING, HOP_BY_HOP, SIGNED, VOUCHING};
use super::request::{ClientHeaders, each_of_way};
use super::*;
use crate::connection::{Connection, Scheme};
use crate::steering::{GROUPS, HARMLESS};

fn headers(names: &[&str]) -> HeaderMap {
    let pair = |name: &&str| (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static("x"));
    names.iter().map(pair).collect()
}

/// The headers that remain of these names.
fn left(names: &[&str], opened: &Opened) -> Vec<String> {
    passing(&headers(names), opened)
}

/// The headers of a client that a backend gets.
fn passing(headers: &HeaderMap, opened: &Opened) -> Vec<String> {
    let client = ClientHeaders::new(headers, opened);
    let mut passing: Vec<_> =
        headers.keys().filter(|name| client.passes(name)).map(|name| name.as_str().to_owned()).collect();
    passing.sort_unstable();
    passing
}

/// The headers that say who is connected.
fn way(client: &HeaderMap, opened: &Opened, connection: Option<&Connection>, host: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    each_of_way(client, opened, connection, host, &mut |name, value| {
        headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value).unwrap());
    });
    headers
}

/// Spellings that some server or framework maps to the same variable.
fn spellings(name: &str) -> Vec<String> {
    let with = |separator: &str| name.replace('-', separator);
    let separators = ["_", ".", "!", "~", "--", "__", "-_", "+", "'", "|", ""].map(with);
    let around = ["-", "_", "."].map(|edge| [format!("{edge}{name}"), format!("{name}{edge}")]).concat();
    let mixed =
        [name.replacen('-', "_", 1), name.to_ascii_uppercase().replace('-', "_"), format!("HTTP_{}", with("_"))];
    separators.into_iter().chain(around).chain(mixed).filter(|spelling| spelling != name).collect()
}

#[test]
fn no_other_spelling_of_a_name_that_counts_is_left() {
    let exact = SIGNED.iter().chain(&CONTENT).chain(&FRAMING).chain(&HOP_BY_HOP).chain(&VOUCHING).chain(&FORWARDED);
    for name in exact {
        for spelling in spellings(name.as_str()) {
            // A name without a separator has no spelling without one.
            if spelling.eq_ignore_ascii_case(name.as_str()) {
                continue;
            }
            assert_eq!(left(&[&spelling], &Opened::default()), [""; 0], "{spelling}");
        }
    }
    for name in ["webhook%2did", "countersign%2dsource", "countersign", "counter-sign-verdict", "countersign.x"] {
        assert_eq!(left(&[name], &Opened::default()), [""; 0], "{name}");
    }
}

#[test]
fn what_neither_vouches_nor_steers_is_left() {
    let names = [
        "accept",
        "authorization",
        "ce-type",
        "content-encoding",
        "content-language",
        "content-type",
        "cookie",
        "countersignature",
        "countersigned",
        "idempotency-key",
        "traceparent",
        "user-agent",
        "via",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
        "webhook-topic",
        "x-countersign-verdict",
        "x-github-event",
        "x-request-id",
        "x_other",
    ];
    assert_eq!(left(&names, &Opened::default()), names);
}

/// The names that a group removes, as they are listed.
fn members(group: &crate::steering::Group) -> Vec<String> {
    let separator = |part: &str| if part.contains('_') { '_' } else { '-' };
    let starting = group.families.iter().chain(group.words);
    let starting = starting.map(|part| match part.strip_suffix(['-', '_', '.']) {
        Some(_) => format!("{part}any"),
        None => format!("{part}{}any", separator(part)),
    });
    let ending = group.suffixes.iter().flat_map(|part| [(*part).to_owned(), format!("any-{part}")]);
    group.names.iter().map(|name| (*name).to_owned()).chain(starting).chain(ending).collect()
}

#[test]
fn what_steers_a_backend_is_removed_in_every_spelling_unless_it_is_opened() {
    for group in &GROUPS {
        assert!(group.reason.ends_with('.') && !members(group).is_empty());
        for name in members(group) {
            let mut opened = Opened::default();
            assert_eq!(left(&[&name], &opened), [""; 0], "{name}");
            let in_a_word = group.words.iter().any(|word| name.starts_with(word));
            for spelling in spellings(&name) {
                // Without its separator, the beginning may belong to another word.
                if !(in_a_word && spelling == name.replace('-', "")) {
                    assert_eq!(left(&[&spelling], &opened), [""; 0], "{spelling}");
                }
            }
            assert_eq!(opened.open(&name), Ok(true), "{name}");
            assert_eq!(left(&[&name, "accept"], &opened).len(), 2, "{name}");
            for spelling in spellings(&name).iter().filter(|spelling| !spelling.eq_ignore_ascii_case(&name)) {
                let other = left(&[spelling], &opened);
                assert_eq!(other, [""; 0], "only the name that was opened passes");
            }
        }
        for family in group.families {
            assert_eq!(left(&[&format!("{}any", family.trim_end_matches('-'))], &Opened::default()), [""; 0]);
        }
    }
    let parts = |group: &crate::steering::Group| [group.names, group.families, group.words, group.suffixes].concat();
    assert!(GROUPS.iter().flat_map(parts).all(|name| name.len() < Folded::MAX));
    assert!(VOUCHING.iter().all(|name| name.as_str().len() < Folded::MAX));
}

#[test]
fn another_spelling_of_an_opened_name_is_removed() {
    let long = format!("x-{}", "long-".repeat(12) + "tenant");
    for name in ["x-mine", "x_mine", "x-real-ip", "x-amzn-trace-id", "http-x-mine", &long] {
        let mut opened = Opened::default();
        assert!(opened.open(name).is_ok());
        assert_eq!(left(&[name, "x-other"], &opened).len(), 2, "{name}");
        let others = [spellings(name), spellings(&name.replace('_', "-"))].concat();
        for spelling in others.iter().filter(|spelling| !spelling.eq_ignore_ascii_case(name)) {
            assert_eq!(left(&[spelling], &opened), [""; 0], "{spelling}");
        }
        let other = format!("{name}-2");
        let in_a_family = matches!(name, "x-real-ip" | "x-amzn-trace-id");
        assert!(in_a_family || left(&[&other], &opened) == [other.clone()], "{other}");
    }
}

#[test]
fn only_the_spelling_that_a_proxy_sets_can_be_opened() {
    let mut opened = Opened::default();
    for group in &GROUPS {
        for name in members(group) {
            for spelling in spellings(&name) {
                let known = spelling.to_ascii_lowercase();
                // Some are known in two spellings, or belong to another family.
                if !GROUPS.iter().any(|group| members(group).contains(&known))
                    && spelling.contains(['.', '!', '~', '|', '+', '\'', '%'])
                    && !name.contains('.')
                {
                    assert!(opened.open(&spelling).is_err(), "{spelling}");
                }
            }
        }
    }
    for name in [
        "x_real_ip",
        "x-real_ip",
        "x--real-ip",
        "xrealip",
        "x-real-ip-",
        "HTTP_X_REAL_IP",
        "http-x-real-ip",
        "x%2dreal-ip",
        "x%2dmine",
        "x-mine%",
        "remote_user",
        "x_forwarded_port",
        "x-forwarded_port",
        "x.forwarded.for",
        "x_user_id",
        "x-amzn_trace_id",
        "wsra",
        "$wsother",
        "any_real_ip",
        "-",
    ] {
        assert!(opened.open(name).is_err(), "{name}");
    }
    assert_eq!(opened, Opened::default());
    for name in ["SM_USER", "OIDC_CLAIM_email", "SSL_CLIENT_S_DN", "X-IISNode-AUTH_USER", "$WSRA", "X-Vendor-Client-IP"]
    {
        assert_eq!(opened.open(name), Ok(true), "{name}");
    }
    for (first, second) in [("x-mine", "x-mine"), ("x-mine", "X-Mine"), ("x-mine", "x_mine"), ("x_mine", "HTTP_X_MINE")]
    {
        let mut opened = Opened::default();
        assert_eq!(opened.open(first), Ok(false));
        let error = opened.open(second).expect_err("the same name");
        assert!(error.contains(second), "{error}");
    }
}

#[test]
fn the_headers_of_proxies_and_platforms_are_removed() {
    let names = "WL-Proxy-SSL WL-Proxy-Client-Cert WL-Proxy-Client-Keysize $WSRU $WSRA $WSCC $WSSC $WSSN $WSIS \
        MS-ASPNETCORE-CLIENTCERT MS-ASPNETCORE-WINAUTHTOKEN MS-ASPNETCORE-TOKEN DISGUISED-HOST WAS-DEFAULT-HOSTNAME \
        X-IISNode-AUTH_USER X-IISNode-LOGON_USER logon-user auth-user auth-type SSL_CIPHER SSL_SESSION_ID HTTPS \
        Tailscale-User-Login X-Auth-CouchDB-UserName X-ProxiedEntitiesChain X-Trino-User X-Presto-User X-Hasura-Role \
        es-security-runas-user SM_UNIVERSALID SM_SERVERSESSIONID iv-user-l iv-server-name OAM_REMOTE_USER osso-user-dn \
        cas-user eppn Impersonate-User X-JWT-Assertion X-Vouch-IdP-Claims-Sub x-auth-token x-auth-given-name \
        teleport-jwt-assertion x-vercel-oidc-token x-sso-user x-role x-roles x-groups x-tenant-id x-principal \
        x-ldap-user x-openid-sub x-tls-version ssl-protocol x-client-verified x-client-cn x-client-s-dn x-cert \
        x-certificate Fastly-SSL x-url x-uri x-path x-base-path x-path-prefix x-prefix x-ingress-path x-override-url \
        x-http-path-override x-real-host x-real-port x-port x-server-name server-name server-port request-uri \
        request-method query-string document-root destination _method method x-http-verb x-rest-method \
        x-tunneled-method l5d-dst-override l5d-client-id content-profile accept-profile x-true-client-ip \
        x-cf-connecting-ip x-source-ip x-ip incap-client-ip cdn-src-ip cdn-real-ip x-sucuri-clientip \
        cloudfront-viewer-address x-google-real-ip x-webobjects-remote-addr remote-port x-remote-host x-invoke-status \
        x-invoke-error x-prerender-revalidate x-amzn-request-context x-amzn-lambda-context \
        x-google-internal-skipadmincheck dapr-app-id x-accel-expires x-accel-internal";
    for name in names.split_ascii_whitespace() {
        assert_eq!(left(&[name], &Opened::default()), [""; 0], "{name}");
    }
}

#[test]
fn harmless_headers_pass() {
    let names = "accept accept-charset accept-encoding accept-language aeg-event-type authorization authentication-info \
        b3 baggage cache-control ce-id ce-source ce-specversion ce-time ce-type cf-ray content-digest \
        content-disposition content-encoding content-language content-location content-md5 content-type cookie date \
        digest dnt from grpc-encoding grpc-timeout idempotency-key if-match linear-signature origin \
        paypal-transmission-id pragma prefer priority range referer request-id sec-fetch-mode sentry-trace \
        serverless signature signature-input small stripe-signature traceparent tracestate uber-trace-id user-agent \
        via webhook-topic x-amz-sns-message-type x-api-key x-appwrite-webhook-user-id x-author x-authorization \
        x-b3-traceid x-cloud-trace-context x-correlation-id x-datadog-trace-id x-event-key x-github-delivery \
        x-github-event x-github-hook-id x-gitlab-event x-goog-channel-id x-goog-resource-state x-grpc-web \
        x-hook-secret x-hub-signature x-hub-signature-256 x-realm x-request-id x-requested-with x-shopify-topic \
        x-signature-ed25519 x-slack-signature x-twilio-signature x-wc-webhook-topic x-zm-signature";
    let mut names: Vec<_> = names.split_ascii_whitespace().chain(HARMLESS).collect();
    names.sort_unstable();
    assert_eq!(left(&names, &Opened::default()), names);
}

#[test]
fn a_header_that_no_client_may_set_cannot_be_opened() {
    let mut opened = Opened::default();
    for name in [
        "countersign-verdict",
        "Countersign_X",
        "countersign",
        "HTTP_COUNTERSIGN_KEY",
        "webhook-id",
        "webhook_id",
        "Webhook-Signature",
        "connection",
        "te",
        "upgrade",
        "proxy-authorization",
        "host",
        "content-length",
        "content_length",
        "expect",
        "x_forwarded_for",
        "content_type",
        "x-*",
        "*",
        "",
        "a b",
        "x:y",
        "gr\u{fc}n",
    ] {
        assert!(opened.open(name).is_err(), "{name}");
    }
    assert_eq!(opened, Opened::default());
    assert_eq!((opened.open("X-Real-IP"), opened.open("x-mine")), (Ok(true), Ok(false)));
}

#[test]
fn what_concerns_one_connection_goes_no_further_and_takes_nothing_along() {
    let mut hop = headers(&[
        "x-mine",
        "te",
        "x-other",
        "http2-settings",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
        "content-type",
        "content-encoding",
        "x-real-ip",
    ]);
    let list =
        "close, X-Mine, Webhook-Id,webhook-timestamp , webhook-signature, content-type, Content-Encoding, x-real-ip";
    hop.insert(CONNECTION, HeaderValue::from_static(list));
    let mut opened = Opened::default();
    assert_eq!(opened.open("x-real-ip"), Ok(true));
    let left = passing(&hop, &opened);
    let kept = ["webhook-id", "webhook-signature", "webhook-timestamp", "x-other", "x-real-ip"];
    assert_eq!(left, [&["content-encoding", "content-type"][..], &kept].concat());

    // No byte of a list hides what else is on it.
    for list in [&b"\xff, x-mine"[..], b"\xff,x-mine", b"x-mine ,\xe9", b",,\tX-Mine\t,", b"a b, x-mine"] {
        let mut hop = headers(&["x-mine", "x-other"]);
        hop.insert(CONNECTION, HeaderValue::from_bytes(list).unwrap());
        assert_eq!(passing(&hop, &Opened::default()), ["x-other"], "{list:?}");
    }

    let sender = SenderHeaders::new(&[b"x-mine", b"a ,Content-Type"]);
    for (name, passes) in [
        ("content-type", true),
        ("x-other", true),
        ("countersignature", true),
        ("x-mine", false),
        ("a", false),
        ("keep-alive", false),
        ("content-length", false),
        ("countersign-outcome", false),
        ("http_counter.sign_key", false),
    ] {
        assert_eq!(sender.pass(&name.parse().unwrap()), passes, "{name}");
    }
}

fn connection(peer: &str) -> Connection {
    Connection::new(peer.parse::<std::net::IpAddr>().unwrap(), Scheme::Http)
}

#[test]
fn what_the_client_says_of_its_way_counts_only_if_it_was_opened() {
    let sender = connection("192.0.2.9");
    for (opens, expected) in [
        (&[][..], ["192.0.2.9", "http", "h"]),
        (&["x-forwarded-for"], ["x, 192.0.2.9", "http", "h"]),
        (&["x-forwarded-proto", "x-forwarded-host"], ["192.0.2.9", "x", "x"]),
    ] {
        let mut opened = Opened::default();
        assert!(opens.iter().all(|name| opened.open(name) == Ok(true)));
        let client = headers(&["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"]);
        let headers = way(&client, &opened, Some(&sender), Some("h"));
        let values = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"].map(|name| headers[name].clone());
        assert_eq!(values, expected, "{opens:?}");
    }
    let unknown = way(&HeaderMap::new(), &Opened::default(), None, None);
    assert!(!unknown.contains_key("x-forwarded-for") && !unknown.contains_key("x-forwarded-host"));
}

/// The lines of an opened header that a backend receives for these lines.
fn forwarded(name: &str, lines: &[&[u8]]) -> HeaderValue {
    let mut opened = Opened::default();
    assert_eq!(opened.open(name), Ok(true));
    let pair = |line: &&[u8]| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(line).unwrap());
    let headers = way(&lines.iter().map(pair).collect(), &opened, Some(&connection("192.0.2.9")), Some("h"));
    assert_eq!(headers.get_all(name).iter().count(), 1);
    headers[name].clone()
}

#[test]
fn no_byte_of_a_client_takes_an_address_out_of_the_chain() {
    for (lines, expected) in [
        (&[&b"\xff, 192.0.2.1"[..]][..], "unknown, 192.0.2.1, 192.0.2.9"),
        (&[b"\xff", b"192.0.2.1"], "unknown, 192.0.2.1, 192.0.2.9"),
        (&[b"a\tb,192.0.2.1,\xe9"], "unknown, 192.0.2.1, unknown, 192.0.2.9"),
        (&[b"192.0.2.1 ,\t192.0.2.2"], "192.0.2.1, 192.0.2.2, 192.0.2.9"),
        (&[b"", b" , ,192.0.2.1,,", b""], "192.0.2.1, 192.0.2.9"),
        (&[b""], "192.0.2.9"),
        (&[], "192.0.2.9"),
    ] {
        assert_eq!(forwarded("x-forwarded-for", lines), expected, "{lines:?}");
    }
}

#[test]
fn of_several_hosts_or_schemes_the_last_is_the_one_of_the_proxy() {
    for (name, otherwise) in [("x-forwarded-host", "h"), ("x-forwarded-proto", "http")] {
        for (lines, expected) in [
            (&[&b"forged"[..], b"front"][..], "front"),
            (&[b"forged, front"], "front"),
            (&[b"\xff", b"front", b""], "front"),
            (&[b"front"], "front"),
            (&[b"", b" ,"], otherwise),
            (&[], otherwise),
        ] {
            assert_eq!(forwarded(name, lines), expected, "{name} {lines:?}");
        }
    }
}
