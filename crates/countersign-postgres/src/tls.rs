//! TLS for connections to the server.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::builder::BuildError;

pub(crate) fn client(ca: Option<&[u8]>) -> Result<MakeRustlsConnect, BuildError> {
    let invalid = |error: &dyn ToString| BuildError::Ca(error.to_string());
    let mut roots = RootCertStore::empty();
    match ca {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                roots.add(certificate.map_err(|error| invalid(&error))?).map_err(|error| invalid(&error))?;
            }
            if roots.is_empty() {
                return Err(invalid(&"the text has no certificate"));
            }
        }
        // Without any, a connection with TLS fails, and one without it is not affected.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid(&error))?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}
