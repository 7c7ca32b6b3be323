//! What one shows and proves in TLS: certificates and the key of the first.

use std::{fmt, path::Path, sync::Arc};

use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};

use super::{files, unusable};
use crate::error::SystemError;

/// A certificate, those that vouch for it, and its private key, which does not show in `Debug`.
#[derive(Clone)]
pub struct Credentials(Arc<CertifiedKey>);

impl Credentials {
    /// Credentials that an authority gave: a certificate with its chain, and its key, both in PEM.
    /// Reads files: not for an async task.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, where others can read the key, and where the two
    /// do not belong together.
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

    /// Credentials of a chain of certificates and the key of its first.
    ///
    /// # Errors
    ///
    /// If the key is of no known kind, or not the certificate's.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, SystemError> {
        CertifiedKey::from_der(chain, key, &ring::default_provider())
            .map(|certified| Self(Arc::new(certified)))
            .map_err(|problem| SystemError::caused(problem.to_string(), problem.into()))
    }

    /// What the TLS library wants of either end of a connection.
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
