//! Files in PEM: certificates, authorities and keys.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::config::{AuthoritiesSpec, KeyPath, Problem, hide};

/// The most bytes that a file of certificates or a key may have.
const MAX_FILE: usize = 1024 * 1024;

/// A file in PEM that a key of the configuration names.
pub(super) struct PemFile {
    pub(super) at: KeyPath,
    pub(super) shown: String,
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

impl PemFile {
    pub(super) fn read(file: &str, at: KeyPath, folder: &Path) -> Result<Self, Problem> {
        let shown = folder.join(hide::path(file, folder)).display().to_string();
        let mut pem = Self { at, shown, bytes: Zeroizing::new(Vec::new()) };
        let path = folder.join(file);
        let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
        let read = || {
            let file = File::open(&path).map_err(unreadable)?;
            let about = file.metadata().map_err(unreadable)?;
            if about.is_dir() {
                return Err("is a directory: name the file in it".to_owned());
            }
            let size = usize::try_from(about.len()).unwrap_or(usize::MAX).min(MAX_FILE);
            // Room for all of it from the start: a vector that grew would leave copies of a key behind.
            let mut bytes = Zeroizing::new(Vec::with_capacity(size + 1));
            file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
            if bytes.len() > MAX_FILE {
                return Err("is larger than 1 MiB: name a file with one certificate chain or key".to_owned());
            }
            Ok(bytes)
        };
        pem.bytes = read().map_err(|why| pem.problem(&why))?;
        Ok(pem)
    }

    /// The authorities in this file, or those that this machine trusts.
    pub(super) fn of_authorities(spec: &AuthoritiesSpec, at: KeyPath, folder: &Path) -> Result<Self, Problem> {
        let file = match spec {
            AuthoritiesSpec::File(file) => Self::read(file, at, folder)?,
            AuthoritiesSpec::System => Self::of_system(at)?,
        };
        // Each certificate has to be usable.
        file.authorities().map(|_| file)
    }

    /// The authorities that this machine trusts. Those that cannot be used are left out: nobody chose them one by one.
    fn of_system(at: KeyPath) -> Result<Self, Problem> {
        let found = rustls_native_certs::load_native_certs();
        let is_usable = |certificate: &&CertificateDer<'_>| RootCertStore::empty().add((*certificate).clone()).is_ok();
        let bytes: String = found.certs.iter().filter(is_usable).map(|certificate| to_pem(certificate)).collect();
        if bytes.is_empty() {
            let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
            let message = format!(
                "this machine has no certificate authorities{why}: install them (ca-certificates), or name a file; \
                 without this key, the public ones are trusted that are compiled in"
            );
            return Err(Problem::at(&at, message));
        }
        Ok(Self { at, shown: "the machine's list of authorities".into(), bytes: Zeroizing::new(bytes.into_bytes()) })
    }

    /// At least one certificate.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Problem> {
        let all = CertificateDer::pem_slice_iter(&self.bytes).collect::<Result<Vec<_>, _>>();
        // The error may repeat a part of the file.
        let all = all.map_err(|_| self.problem("is not valid PEM"))?;
        if all.is_empty() {
            return Err(self.problem("has no certificate: name a PEM file with `-----BEGIN CERTIFICATE-----`"));
        }
        Ok(all)
    }

    pub(super) fn authorities(&self) -> Result<RootCertStore, Problem> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            let added = roots.add(certificate);
            added.map_err(|error| self.problem(&format!("has a certificate that cannot be used: {error}")))?;
        }
        Ok(roots)
    }

    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, Problem> {
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|error| match error {
            PemError::NoItemsFound => {
                self.problem("has no private key: name a PEM file with `-----BEGIN PRIVATE KEY-----`, and no password")
            }
            // Other errors may repeat a part of the file.
            _ => self.problem("is not valid PEM"),
        })
    }

    pub(super) fn problem(&self, why: &str) -> Problem {
        Problem::at(&self.at, format!("{} {why}", self.shown)).showing(self.shown.clone())
    }
}

fn to_pem(certificate: &[u8]) -> String {
    // The parser does not need shorter lines.
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(certificate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_the_same_after_it_was_written_as_pem() {
        for length in [1, 2, 3, 5000] {
            let certificate = vec![7; length];
            let read: Vec<_> = CertificateDer::pem_slice_iter(to_pem(&certificate).as_bytes()).collect();
            assert_eq!(read.len(), 1);
            assert_eq!(read[0].as_ref().unwrap().as_ref(), certificate);
        }
    }
}
