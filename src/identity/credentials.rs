//! TLS credentials: a chain of certificates and the key of its first.

use std::{fmt, path::Path, sync::Arc};

use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};

use super::{files, unusable};
use crate::error::SystemError;

/// A certificate with its chain and its private key, which `Debug` does not show.
#[derive(Clone)]
pub struct Credentials(Arc<CertifiedKey>);

impl Credentials {
    /// Loads credentials that an authority issued: a chain of certificates and a key, both in PEM.
    /// Blocks on the disk. Errors if a file cannot be read, if others can read the key, or if key
    /// and certificate do not match.
    pub fn load(certificates: &Path, key: &Path) -> Result<Self, SystemError> {
        let missing =
            |path: &Path| SystemError::new(format!("{} does not exist", path.display())).at(path);
        let pem = files::read(certificates)?.ok_or_else(|| missing(certificates))?;
        let chain = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|problem| unusable(certificates, problem))?;
        let pem = files::read_secret(key)?.ok_or_else(|| missing(key))?;
        let secret = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|problem| unusable(key, problem))?;
        Self::new(chain, secret).map_err(|problem| {
            let files = format!("{} and {}", certificates.display(), key.display());
            SystemError::because(files, problem).at(key)
        })
    }

    /// Creates credentials from a chain of certificates and the key of its first. Errors if the
    /// kind of the key is not supported, or it is not the certificate's.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, SystemError> {
        CertifiedKey::from_der(chain, key, &ring::default_provider())
            .map(|certified| Self(Arc::new(certified)))
            .map_err(|problem| SystemError::caused(problem.to_string(), problem.into()))
    }

    /// Returns the credentials for the TLS library.
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        self.0.clone()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("certificates", &self.0.cert.len())
            .finish_non_exhaustive()
    }
}
