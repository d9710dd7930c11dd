//! Facts that a certificate states: when it expires, and its subject.

use std::fmt::Write as _;

use countersign::UnixTime;
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// When the certificate expires. `None` if it cannot be read.
pub(crate) fn expires_at(certificate: &CertificateDer<'_>) -> Option<UnixTime> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let end = certificate.tbs_certificate.validity.not_after.to_unix_duration();
    Some(UnixTime::from_secs(end.as_secs()))
}

/// The subject as a distinguished name (RFC 4514) in ASCII, for example `CN=billing,O=Example`. `None` if it is empty or
/// the certificate cannot be read.
pub(crate) fn subject(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let subject = certificate.tbs_certificate.subject.to_string();
    (!subject.is_empty()).then(|| ascii(&subject))
}

/// Writes each other byte as a backslash and two hexadecimal digits, as RFC 4514 allows.
fn ascii(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, b' '..=b'~') {
            ascii.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(ascii, "\\{byte:02x}");
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign_test::tls::Authority;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    fn read(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    #[test]
    fn a_certificate_states_when_it_expires() {
        let authority = Authority::new();
        // As UTCTime and, from 2050 on, as GeneralizedTime.
        for seconds in [1_800_000_000, 4_000_000_000] {
            let (chain, _) = authority.issue_until(&["a.example"], Duration::from_secs(seconds));
            assert_eq!(expires_at(&read(&chain)), Some(UnixTime::from_secs(seconds)));
        }
        assert_eq!(expires_at(&CertificateDer::from(vec![0x30, 0])), None);
    }

    #[test]
    fn a_subject_begins_with_its_most_specific_part_and_is_escaped() {
        let authority = Authority::new();
        for (organization, name, expected) in [
            ("Example", "billing", Some("CN=billing,O=Example")),
            ("M\u{fc}ller, \"A\" + B", "x\r\ny", Some("CN=x\\0d\\0ay,O=M\\c3\\bcller\\, \\\"A\\\" \\+ B")),
        ] {
            let (chain, _) = authority.issue_to(organization, name);
            assert_eq!(subject(&read(&chain)).as_deref(), expected);
        }
        assert_eq!(subject(&CertificateDer::from(vec![0x30, 0])), None);
    }
}
