//! Whose certificates are trusted.

use countersign_client::{CaBundle, CaError, Client, Error};

use crate::server::{Act, Server};
use crate::{PATIENT, get};
use countersign_test::tls::Authority;

#[tokio::test]
async fn https_proves_who_the_server_is() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let cases = [
        ("good", Some(ours.server("localhost", false)), true),
        ("of another authority", Some(theirs.server("localhost", false)), false),
        ("for another name", Some(ours.server("example.com", false)), false),
        ("expired", Some(ours.server("localhost", true)), false),
        ("no TLS", None, false),
    ];
    let client = Client::builder().ca(CaBundle::from_pem(ours.pem().as_bytes()).unwrap()).timeout(PATIENT).build();
    for (name, tls, is_trusted) in cases {
        let server = Server::with(tls, Act::ok(b"secret")).await;
        let outcome = get(&client, &server.url("https")).await;
        match outcome {
            Ok((status, body)) => {
                assert_eq!((status.as_u16(), &body[..], is_trusted), (200, &b"secret"[..], true), "{name}");
            }
            Err(error) => assert!(matches!(error, Error::Tls(_)) && !is_trusted, "{name}: {error:?}"),
        }
        assert_eq!(server.heads().len(), usize::from(is_trusted), "{name}: nothing is sent to a stranger");
    }
}

#[tokio::test]
async fn a_private_authority_is_not_trusted_unless_configured() {
    let authority = Authority::new();
    let server = Server::with(Some(authority.server("localhost", false)), Act::ok(b"")).await;
    let outcome = get(&Client::builder().timeout(PATIENT).build(), &server.url("https")).await;
    assert!(matches!(outcome, Err(Error::Tls(_))), "{outcome:?}");
}

#[test]
fn a_bundle_without_a_usable_certificate_is_an_error() {
    assert_eq!(CaBundle::from_pem(b"no PEM").err(), Some(CaError::Empty));
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(CaBundle::from_pem(broken), Err(CaError::Malformed(_))));
    // One broken certificate among good ones is an error as well, not a smaller bundle.
    let mixed = [Authority::new().pem().as_bytes(), broken].concat();
    assert!(matches!(CaBundle::from_pem(&mixed), Err(CaError::Malformed(_))));
}
