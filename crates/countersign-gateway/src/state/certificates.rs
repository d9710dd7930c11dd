//! Reads the certificates and keys of listeners, and those for upstreams.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::sync::Arc;

use rustls::InconsistentKeys;
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;

use super::expiry::Expiry;
use super::pem_file::PemFile;
use crate::certificate;
use crate::config::{CertificateSpec, KeyPath, ListenSpec, Problem, Route, TlsSpec};
use crate::serve::Tls;
use crate::upstream::UpstreamTls;

/// TLS of each listener, in their order. `None` for those without. `expiries` gets when the certificates expire.
pub(super) fn read(
    listen: &[ListenSpec],
    folder: &Path,
    expiries: &mut Vec<Expiry>,
) -> Result<Vec<Option<Arc<Tls>>>, Problem> {
    let one = |(position, spec)| of_listener(spec, &KeyPath::listener(position), folder, expiries);
    listen.iter().enumerate().map(one).collect()
}

/// TLS of this listener. `None` without it.
pub(super) fn of_listener(
    spec: &ListenSpec,
    at: &KeyPath,
    folder: &Path,
    expiries: &mut Vec<Expiry>,
) -> Result<Option<Arc<Tls>>, Problem> {
    spec.tls.as_ref().map(|spec| tls(spec, &at.key("tls"), folder, expiries).map(Arc::new)).transpose()
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
        Some(ca) => {
            let file = PemFile::of_authorities(ca, at.key("ca"), folder)?;
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
