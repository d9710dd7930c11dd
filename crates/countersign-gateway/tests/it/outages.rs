//! Key sets that cannot be fetched: known keys stay in use, and other sources are not delayed.

use crate::common::{
    Authority, BODY, Backend, InProcess, Publish, Publisher, Reply, Running, Wire, delivery, free_address, keys,
    signed_by, source, until,
};
use http::StatusCode;

const WIRE: Wire = Wire::Http1Length;
/// Forty times the size limit of a key set.
const TEN_MEGABYTES: usize = 10 * 1024 * 1024;

fn assert_unavailable(reply: &Reply) {
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "keys_unavailable"));
    assert!(reply.header("retry-after").is_some_and(|after| after.parse::<u32>().is_ok()), "{reply:?}");
}

async fn readiness(gateway: &InProcess) -> (u16, String) {
    let reply = gateway.get("/readyz").await;
    (reply.status.as_u16(), String::from_utf8(reply.body.to_vec()).expect("text"))
}

#[tokio::test]
async fn the_last_good_set_serves_whatever_its_publisher_does() {
    let (backend, authority, elsewhere) =
        (Backend::start().await, Authority::new(), Publisher::start(keys(&[9])).await);
    let redirect = format!("HTTP/1.1 302 Found\r\nlocation: http://localhost:{}/keys\r\n\r\n", elsewhere.port());
    let faults = [
        ("status", Publish::answer("500 Internal Server Error", "text/plain", "down")),
        ("timeout", Publish::Hang),
        ("too_large", Publish::answer("200 OK", "application/json", vec![b' '; TEN_MEGABYTES])),
        ("not_a_key_set", Publish::answer("200 OK", "text/html", "<!doctype html><title>down</title>")),
        ("no_usable_key", keys(&[])),
        ("interrupted", Publish::Bytes(Vec::new())),
        ("tls", Publish::WrongCertificate),
        ("redirect", Publish::Bytes(redirect.into_bytes())),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).expect("a file");
    let (mut sources, mut publishers) = (String::new(), Vec::new());
    for (reason, _) in &faults {
        let (publisher, more) = if *reason == "tls" {
            (Publisher::with_tls(keys(&[1, 2]), &authority).await, format!(", ca = \"{}\"", ca.display()))
        } else {
            (Publisher::start(keys(&[1, 2])).await, String::new())
        };
        sources += &source(reason, &publisher.entry(&more), &backend);
        publishers.push(publisher);
    }
    let gateway = InProcess::start(&sources).ready().await;

    let (gateway, mut genuine) = (&gateway, 0);
    let mut pass = async |path: &str| {
        genuine += 1;
        let reply = gateway.send(&signed_by(2, &format!("msg_{genuine}")).to(path), WIRE).await;
        assert_eq!((reply.status, reply.outcome()), (StatusCode::OK, None), "{path}");
    };
    for ((reason, fault), publisher) in faults.into_iter().zip(&publishers) {
        let path = format!("/{reason}");
        pass(&path).await;
        publisher.publish(fault);
        // An unknown key makes the gateway fetch the key set.
        let forged = signed_by(9, "msg_forged").to(&path);
        let looking = tokio::spawn(gateway.send(&forged, WIRE));
        until("it looks", async || publisher.requests() >= 2).await;
        pass(&path).await;
        if reason == "timeout" {
            continue;
        }
        let reply = looking.await.expect("an answer");
        assert_unavailable(&reply);
        assert_unavailable(&gateway.send(&forged, WIRE).await);
        pass(&path).await;
        let failures = format!("countersign_key_fetch_failures_total{{source=\"{reason}\",reason=\"{reason}\"}}");
        assert!(gateway.metric(&failures).await >= Some(1.0), "{}", gateway.metrics().await);
        assert_eq!(gateway.figure("key_set_keys", reason).await, Some(2.0), "{reason}");
        let output = gateway.output();
        let said = |port: u16| {
            let lines = output.lines().filter(|line| line.contains("cannot be fetched"));
            lines.filter(|line| line.contains(&format!(":{port}/"))).count()
        };
        assert_eq!(said(publisher.port()), 1, "{reason}: {output}");
    }
    assert_eq!(readiness(gateway).await, (200, "ready\n".into()));
    assert_eq!(elsewhere.requests(), 0);
}

#[tokio::test]
async fn a_key_set_that_is_not_there_at_the_start_holds_only_its_source_up() {
    let (backend, address) = (Backend::start().await, free_address());
    let secret = "secrets = [{ env = \"TEST_SECRET\" }]\n";
    let set = format!("jwks = {{ url = \"http://{address}/keys\" }}\n");
    let sources = [
        source("hook", secret, &backend),
        source("remote", &set, &backend),
        source("both", &[secret, &set].concat(), &backend),
    ];
    let gateway = InProcess::start(&sources.concat());
    assert_eq!(readiness(&gateway).await, (503, "no key set yet for `remote`\n".into()));

    let try_send = async |path: &str| gateway.send(&signed_by(1, "msg_1").to(path), WIRE).await;
    let all_wires = Wire::ALL.map(|wire| (wire, signed_by(1, "msg_1").to("/remote")));
    for (wire, sent) in &all_wires {
        assert_unavailable(&gateway.send(sent, *wire).await);
    }
    assert_unavailable(&try_send("/both").await);
    for path in ["/hook", "/both"] {
        let reply = gateway.send(&delivery("msg_2", BODY).to(path), WIRE).await;
        assert_eq!((reply.status, reply.outcome()), (StatusCode::OK, None), "{path}");
    }
    assert_eq!(gateway.figure("key_set_keys", "remote").await, Some(0.0));
    assert_eq!(gateway.figure("key_set_age_seconds", "remote").await, None);

    let publisher = Publisher::at(address, keys(&[1])).await;
    until("it is ready", async || readiness(&gateway).await.0 == 200).await;
    // The rejected messages are still new.
    for path in ["/remote", "/both"] {
        let reply = try_send(path).await;
        assert_eq!((reply.status, reply.outcome()), (StatusCode::OK, None), "{path}");
    }
    assert_eq!((publisher.requests(), backend.seen().len()), (1, 4));
    assert_eq!(gateway.output().matches("cannot be fetched").count(), 1, "{}", gateway.output());
}

#[tokio::test]
async fn nobody_waits_long_for_a_publisher_that_hangs_at_the_start() {
    let backend = Backend::start().await;
    let publisher = Publisher::start(Publish::Hang).await;
    let sources = [
        source("hook", "secrets = [{ env = \"TEST_SECRET\" }]\n", &backend),
        source("remote", &publisher.entry(""), &backend),
    ];
    let gateway = InProcess::start(&sources.concat());
    let waiting = tokio::spawn(gateway.send(&signed_by(1, "msg_1").to("/remote"), WIRE));
    let reply = gateway.send(&delivery("msg_2", BODY), WIRE).await;
    assert_eq!((reply.status, reply.outcome()), (StatusCode::OK, None));
    // Nothing is sent or received from now on.
    tokio::time::pause();
    assert_unavailable(&waiting.await.expect("no panic"));
    assert_eq!(backend.seen().len(), 1);
}
