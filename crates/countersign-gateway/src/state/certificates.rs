//! Reads the certificates and keys of listeners, and those for upstreams.

use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use zeroize::Zeroizing;

use super::expiry::Expiry;
use crate::certificate;
use crate::config::{CertificateSpec, KeyPath, ListenSpec, Problem, Route, TlsSpec, hide};
use crate::serve::Tls;
use crate::upstream::UpstreamTls;

/// The most bytes that a file of certificates or a key may have.
const MAX_FILE: usize = 1024 * 1024;

/// TLS of each listener, in their order. `None` for those without. `expiries` gets when the certificates expire.
pub(super) fn read(
    listen: &[ListenSpec],
    folder: &Path,
    expiries: &mut Vec<Expiry>,
) -> Result<Vec<Option<Arc<Tls>>>, Problem> {
    let one = |(position, spec): (usize, &ListenSpec)| {
        let at = KeyPath::listener(position).key("tls");
        spec.tls.as_ref().map(|spec| tls(spec, &at, folder, expiries).map(Arc::new)).transpose()
    };
    listen.iter().enumerate().map(one).collect()
}

fn tls(spec: &TlsSpec, at: &KeyPath, folder: &Path, expiries: &mut Vec<Expiry>) -> Result<Tls, Problem> {
    let TlsSpec { certificates, client_ca } = spec;
    let certified = certificates.iter().enumerate().map(|(position, certificate)| {
        certified(certificate, &at.key("certificates").entry(position), folder, expiries).map(Arc::new)
    });
    let certified = certified.collect::<Result<Vec<_>, _>>()?;
    let clients = client_ca.as_ref().map(|file| PemFile::read(file, at.key("client_ca"), folder)?.authorities());
    Tls::new(certified, clients.transpose()?).map_err(|error| Problem::at(at, error))
}

/// TLS towards the upstreams of this route. `None` if none of them uses it. `expiries` gets when its certificate expires.
pub(super) fn of_upstreams(
    route: &Route,
    at: &KeyPath,
    folder: &Path,
    expiries: &mut Vec<Expiry>,
) -> Result<Option<UpstreamTls>, Problem> {
    if !route.upstream.iter().any(|upstream| upstream.scheme.is_tls()) {
        return Ok(None);
    }
    let (at, spec, mut files) = (at.key("upstream_tls"), route.upstream_tls.as_ref(), DefaultHasher::new());
    let roots = match spec.and_then(|spec| spec.ca.as_ref()) {
        Some(file) => {
            let file = PemFile::read(file, at.key("ca"), folder)?;
            file.bytes.hash(&mut files);
            file.authorities()?
        }
        None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
    };
    let client = match spec.and_then(|spec| spec.certificate.as_ref()) {
        Some(certificate) => {
            for file in [&certificate.chain, &certificate.key] {
                PemFile::read(file, at.key("certificate"), folder)?.bytes.hash(&mut files);
            }
            Some(certified(certificate, &at.key("certificate"), folder, expiries)?)
        }
        None => None,
    };
    let server_name = spec.and_then(|spec| spec.server_name.clone());
    let tls = UpstreamTls::new(&roots, client, server_name, files.finish());
    tls.map(Some).map_err(|error| Problem::at(&at, error))
}

fn certified(
    spec: &CertificateSpec,
    at: &KeyPath,
    folder: &Path,
    expiries: &mut Vec<Expiry>,
) -> Result<CertifiedKey, Problem> {
    let chain = PemFile::read(&spec.chain, at.key("chain"), folder)?;
    let certificates = chain.certificates()?;
    let first = certificates.iter().filter_map(certificate::expires_at).min();
    // Several listeners may name the same file.
    if let Some(expires_at) = first.filter(|_| expiries.iter().all(|known| known.file != chain.shown)) {
        expiries.push(Expiry { at: chain.at.clone(), file: chain.shown.clone(), expires_at });
    }
    let key_file = PemFile::read(&spec.key, at.key("key"), folder)?;
    let key = key_file.key()?;
    let key = aws_lc_rs::default_provider().key_provider.load_private_key(key);
    let key = key.map_err(|error| key_file.problem(&format!("cannot be used as a private key: {error}")))?;
    let certified = CertifiedKey::new(certificates, key);
    match certified.keys_match() {
        // Keys whose public half is unknown cannot be compared.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let message = format!(
                "is not the key of the first certificate in {}: name the key and chain of one \
                                   certificate, with its own certificate first",
                chain.shown
            );
            Err(key_file.problem(&message).showing(chain.shown))
        }
        Err(error) => Err(chain.problem(&format!("begins with a certificate that cannot be used: {error}"))),
    }
}

/// A file in PEM that a key of the configuration names.
struct PemFile {
    at: KeyPath,
    shown: String,
    bytes: Zeroizing<Vec<u8>>,
}

impl PemFile {
    fn read(file: &str, at: KeyPath, folder: &Path) -> Result<Self, Problem> {
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

    /// At least one certificate.
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Problem> {
        let all = CertificateDer::pem_slice_iter(&self.bytes).collect::<Result<Vec<_>, _>>();
        let all = all.map_err(|error| self.problem(&format!("is not valid PEM: {error}")))?;
        if all.is_empty() {
            return Err(self.problem("has no certificate: name a PEM file with `-----BEGIN CERTIFICATE-----`"));
        }
        Ok(all)
    }

    fn authorities(&self) -> Result<RootCertStore, Problem> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            let added = roots.add(certificate);
            added.map_err(|error| self.problem(&format!("has a certificate that cannot be used: {error}")))?;
        }
        Ok(roots)
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, Problem> {
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|error| match error {
            PemError::NoItemsFound => {
                self.problem("has no private key: name a PEM file with `-----BEGIN PRIVATE KEY-----`, and no password")
            }
            // Other errors may repeat a part of the file.
            _ => self.problem("is not valid PEM"),
        })
    }

    fn problem(&self, why: &str) -> Problem {
        Problem::at(&self.at, format!("{} {why}", self.shown)).showing(self.shown.clone())
    }
}
