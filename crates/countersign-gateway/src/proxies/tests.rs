use http::HeaderName;

use super::*;
use std::net::IpAddr;

use crate::connection::{Address, Scheme};

/// What is known of a request from this address with these headers: address, scheme, host and port.
fn facts(peer: &str, headers: &[(&str, &str)]) -> String {
    let networks = ["10.0.0.0/8", "fd00::/8", "192.0.2.7/32"].map(|network| network.parse().unwrap());
    let pair = |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    let headers: HeaderMap = headers.iter().map(pair).collect();
    let connection = if peer == "unix:" {
        Connection::new(Address::Unix, Scheme::Http)
    } else {
        Connection::new(peer.parse::<IpAddr>().unwrap(), Scheme::Http)
    };
    let reported = TrustedProxies::new(networks, true).reported(&connection, &headers);
    assert!(reported.as_ref().is_none_or(|reported| reported.proxy() == Some(connection.peer())));
    let connection = reported.unwrap_or(connection);
    let host = connection.host().map_or("-", |host| host.to_str().unwrap());
    let port = connection.port().map_or("-".to_owned(), |port| port.to_string());
    format!("{} {} {host} {port}", connection.peer(), connection.scheme().as_str())
}

#[test]
fn clients_of_unix_sockets_are_proxies_if_they_are_trusted() {
    let headers = [(FOR, "192.0.2.9"), (PROTO, "https")];
    assert_eq!(facts("unix:", &headers), "192.0.2.9 https - -");
    assert_eq!(facts("unix:", &[]), "unix: http - -");
    let connection = Connection::new(Address::Unix, Scheme::Http);
    let map = HeaderMap::from_iter([(HeaderName::from_static(FOR), "192.0.2.9".parse().unwrap())]);
    assert!(TrustedProxies::new(["0.0.0.0/0".parse().unwrap()], false).reported(&connection, &map).is_none());
}

const FOR: &str = "x-forwarded-for";
const PROTO: &str = "x-forwarded-proto";
const HOST: &str = "x-forwarded-host";
const PORT: &str = "x-forwarded-port";
const FORWARDED: &str = "forwarded";

#[test]
fn only_a_trusted_proxy_is_believed() {
    let headers = [(FOR, "198.51.100.1"), (PROTO, "https"), (HOST, "h.example"), (PORT, "443")];
    let forwarded = [(FORWARDED, "for=198.51.100.1;proto=https;host=\"h.example:443\"")];
    for (peer, is_believed) in [
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("fd00::1", true),
        ("192.0.2.7", true),
        ("192.0.2.8", false),
        ("11.0.0.1", false),
        ("fe00::1", false),
    ] {
        let unknown = format!("{peer} http - -");
        assert_eq!(facts(peer, &headers), if is_believed { "198.51.100.1 https h.example 443" } else { &unknown });
        assert_eq!(
            facts(peer, &forwarded),
            if is_believed { "198.51.100.1 https h.example:443 443" } else { &unknown }
        );
    }
}

#[test]
fn the_client_is_the_last_address_that_is_not_trusted() {
    for (headers, expected) in [
        // The beginning of the chain is the client's own word.
        (&[(FOR, "127.0.0.1, 198.51.100.1, 10.0.0.2")][..], "198.51.100.1 http - -"),
        (&[(FOR, "garbage, 198.51.100.1")], "198.51.100.1 http - -"),
        (&[(FOR, "198.51.100.9"), (FOR, "198.51.100.1, 192.0.2.7"), (FOR, "10.0.0.3")], "198.51.100.1 http - -"),
        (&[(FOR, "10.0.0.9, 10.0.0.2")], "10.0.0.9 http - -"),
        (&[(FOR, "198.51.100.1:5000")], "198.51.100.1 http - -"),
        (&[(FOR, "[2001:db8::1]:5000, fd00::2")], "2001:db8::1 http - -"),
        (&[(FOR, "::ffff:198.51.100.1")], "198.51.100.1 http - -"),
        (&[(FOR, "unknown, 10.0.0.2")], "10.0.0.2 http - -"),
        (&[(FOR, "unknown")], "10.0.0.1 http - -"),
        (&[(FORWARDED, "for=127.0.0.1, for=198.51.100.1, for=10.0.0.2")], "198.51.100.1 http - -"),
        (&[(FORWARDED, "for=198.51.100.1"), (FORWARDED, "For=\"[fd00::2]:80\";by=10.0.0.1")], "198.51.100.1 http - -"),
        (&[(FORWARDED, "for=198.51.100.1:80 ; proto=HTTPS")], "198.51.100.1 https - -"),
        (&[(FORWARDED, "for=_hidden;proto=https, for=10.0.0.2;proto=http")], "10.0.0.2 https - -"),
        (&[(FORWARDED, "proto=https")], "10.0.0.1 https - -"),
        (&[(FORWARDED, "for=\"198.51.100.1\";note=\"a,b;for=\\\"x\\\"\"")], "198.51.100.1 http - -"),
        (&[(FORWARDED, ", ,for=198.51.100.1;;,")], "198.51.100.1 http - -"),
        // Scheme and host belong to the client's element, if each proxy adds one, and else to the last proxy.
        (&[(FOR, "1.1.1.1, 198.51.100.1, 10.0.0.2"), (PROTO, "http, https, http")], "198.51.100.1 https - -"),
        (&[(FOR, "198.51.100.1, 10.0.0.2"), (HOST, "forged, a, h.example")], "198.51.100.1 http h.example -"),
        (&[(PROTO, "https")], "10.0.0.1 https - -"),
        (&[(HOST, "h.example:8443")], "10.0.0.1 http h.example:8443 8443"),
    ] {
        assert_eq!(facts("10.0.0.1", headers), expected, "{headers:?}");
    }
    let long = [&"1.1.1.1, ".repeat(1000), "198.51.100.1", &", 10.0.0.2".repeat(63)].concat();
    assert_eq!(facts("10.0.0.1", &[(FOR, &long)]), "198.51.100.1 http - -");
    let long = ["for=1.1.1.1, ".repeat(1000), "for=198.51.100.1".into(), ", for=10.0.0.2".repeat(63)].concat();
    assert_eq!(facts("10.0.0.1", &[(FORWARDED, &long)]), "198.51.100.1 http - -");
}

#[test]
fn the_connection_counts_if_the_headers_are_malformed_or_contradict_each_other() {
    for headers in [
        &[(FOR, "198.51.100.1, nobody")][..],
        &[(FOR, "198.51.100.1:99999")],
        &[(FOR, "[2001:db8::1]80")],
        &[(FOR, "198.51.100.1"), (PROTO, "gopher")],
        &[(FOR, "198.51.100.1"), (HOST, "a b")],
        &[(FOR, "198.51.100.1"), (HOST, "user@h.example")],
        &[(FOR, "198.51.100.1"), (PORT, "0")],
        &[(FOR, "198.51.100.1"), (PORT, "+80")],
        &[(FORWARDED, "for=\"198.51.100.1")],
        &[(FORWARDED, "for=198.51.100.1;for=198.51.100.2")],
        &[(FORWARDED, "for=")],
        &[(FORWARDED, "for")],
        &[(FORWARDED, "for=198.51.100.1 proto=https")],
        &[(FORWARDED, "for=\"198.51.100.1\"x")],
        &[(FORWARDED, "=198.51.100.1")],
        &[(FORWARDED, "for=2001:db8::g")],
        // The proxy writes one of them, and the client the other.
        &[(FOR, "198.51.100.1"), (FORWARDED, "for=127.0.0.1")],
        &[(FOR, "198.51.100.1"), (PROTO, "http"), (FORWARDED, "for=198.51.100.1;proto=https")],
        &[(HOST, "a.example"), (FORWARDED, "for=198.51.100.1;host=b.example")],
        &[],
        &[(FOR, ""), (FORWARDED, "")],
    ] {
        assert_eq!(facts("10.0.0.1", headers), "10.0.0.1 http - -", "{headers:?}");
    }
    let agreeing = [(FOR, "198.51.100.1"), (HOST, "H.example"), (FORWARDED, "for=198.51.100.1;host=h.example")];
    assert_eq!(facts("10.0.0.1", &agreeing), "198.51.100.1 http h.example -");
}
