//! X.509 certificates, which carry public keys in TLS.

use std::{fmt, sync::Arc};

use rustls::{pki_types::CertificateDer, server::ParsedCertificate};
use sha2::{Digest, Sha256};

use super::{Fingerprint, Invalid};

mod der;
mod profile;

pub use profile::{CertificateField, ProfileError};

/// The maximum length of a certificate in DER, in bytes. Ours have about 500; an RSA key of 4,096
/// bits and a long list of names still fit.
pub const MAX_CERTIFICATE_BYTES: usize = 4096;

/// The DNS name in every certificate of ours, for callers in other languages that have to check one
/// (`grpc.ssl_target_name_override`, `grpcurl -authority`). Our own callers check the key instead.
pub const TLS_NAME: &str = "peer.chat.internal";

/// A parsed X.509 certificate.
///
/// Only its key counts, not its signature, dates and names: the TLS handshake proves that the other
/// side has the key. [`Self::check_profile`] checks the rest, for those who use it. Certificates are equal if their bytes are; compare fingerprints to tell
/// whether they have the same key.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Arc<[u8]>,
    fingerprint: Fingerprint,
}

impl Certificate {
    /// Parses a certificate in DER. Errors if it is longer than [`MAX_CERTIFICATE_BYTES`], or not
    /// an X.509 certificate of version 3.
    pub fn parse(der: &[u8]) -> Result<Self, Invalid> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(Invalid::because(format!(
                "a certificate must not be longer than {MAX_CERTIFICATE_BYTES} bytes; this one \
                 has {}",
                der.len()
            )));
        }
        let raw = CertificateDer::from(der);
        let parsed = ParsedCertificate::try_from(&raw)
            .map_err(|_| Invalid::because("not an X.509 certificate of version 3 in DER"))?;
        let key = Sha256::digest(parsed.subject_public_key_info());
        Ok(Self { der: der.into(), fingerprint: Fingerprint::from_bytes(key.into()) })
    }

    /// Returns the certificate in DER.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// Returns the fingerprint of its key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&self.fingerprint).finish()
    }
}

/// A key that differs from the known one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key is another one: expected {want}, got {got}")]
pub struct KeyMismatch {
    /// The expected key.
    pub want: Fingerprint,
    /// The key that was shown.
    pub got: Fingerprint,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made() -> (Vec<u8>, Vec<u8>) {
        let key = rcgen::KeyPair::generate().unwrap();
        let made = rcgen::CertificateParams::new(vec!["a".into()]).unwrap().self_signed(&key);
        (made.unwrap().der().to_vec(), rcgen::PublicKeyData::subject_public_key_info(&key))
    }

    #[test]
    fn the_fingerprint_is_of_the_key() {
        let (der, key) = made();
        let certificate = Certificate::parse(&der).unwrap();
        assert_eq!(certificate.as_der(), der);
        assert_eq!(certificate.fingerprint().as_bytes()[..], Sha256::digest(key)[..]);
    }

    #[test]
    fn invalid_certificates_are_refused() {
        let (der, _) = made();
        for bad in [&[][..], b"hello", &der[..der.len() - 1], &[der.as_slice(), b"x"].concat()] {
            assert!(Certificate::parse(bad).unwrap_err().0.contains("not an X.509"));
        }
        let long = vec![0; MAX_CERTIFICATE_BYTES + 1];
        assert!(Certificate::parse(&long).unwrap_err().0.contains("4096"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, at: usize, byte: u8) {
            let _ = Certificate::parse(&bytes);
            let mut der = made().0;
            let at = at % der.len();
            der[at] = byte;
            let _ = Certificate::parse(&der);
        }
    }
}
