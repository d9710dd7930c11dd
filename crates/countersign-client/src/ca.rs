//! The certificate authorities that a client trusts.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Certificate authorities. A clone is cheap and shares them.
#[derive(Clone)]
pub struct CaBundle(Arc<RootCertStore>);

impl CaBundle {
    /// The Mozilla root certificates that are compiled in.
    pub fn mozilla() -> Self {
        Self(Arc::new(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()))
    }

    /// The certificates of a PEM file, and no others. Text between them is ignored.
    ///
    /// # Errors
    /// Returns an error if a certificate is malformed, or if there is none.
    pub fn from_pem(pem: &[u8]) -> Result<Self, CaError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| CaError::Malformed(error.to_string()))?;
            roots.add(certificate).map_err(|error| CaError::Malformed(error.to_string()))?;
        }
        if roots.is_empty() { Err(CaError::Empty) } else { Ok(Self(Arc::new(roots))) }
    }

    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.0)
    }
}

impl Default for CaBundle {
    /// [`CaBundle::mozilla`].
    fn default() -> Self {
        Self::mozilla()
    }
}

impl fmt::Debug for CaBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaBundle({} certificates)", self.0.len())
    }
}

/// A PEM file has no usable certificate authorities.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CaError {
    /// The file contains no certificate.
    #[error("the file contains no certificate (`-----BEGIN CERTIFICATE-----`)")]
    Empty,
    /// A certificate is malformed.
    #[error("the file contains a malformed certificate: {0}")]
    Malformed(String),
}
