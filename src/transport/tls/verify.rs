//! Verifiers that check keys instead of authorities.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};

use crate::model::{Certificate, Fingerprint, KeyMismatch};

fn parse(certificate: &CertificateDer<'_>) -> Result<Certificate, rustls::Error> {
    Certificate::parse(certificate).map_err(refusal)
}

fn refusal(why: impl std::error::Error + Send + Sync + 'static) -> rustls::Error {
    rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(why))))
}

/// Implements the signature checks by the library's own.
macro_rules! signatures_as_usual {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            verify_tls12_signature(message, certificate, signed, &self.algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            verify_tls13_signature(message, certificate, signed, &self.algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.algorithms.supported_schemes()
        }
    };
}

/// Accepts every client key. The signature of the handshake proves that the caller has it; whose it
/// is, the users of the [`Certificate`] decide.
#[derive(Debug)]
pub(super) struct AnyClientKey {
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    pub(super) mandatory: bool,
}

impl ClientCertVerifier for AnyClientKey {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _vouchers: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        parse(certificate).map(|_| ClientCertVerified::assertion())
    }

    signatures_as_usual!();
}

/// Accepts the server key `want`, or every key if that is `None`. Checks neither names nor dates.
#[derive(Debug)]
pub(super) struct ServerKey {
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    pub(super) want: Option<Fingerprint>,
}

impl ServerCertVerifier for ServerKey {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _vouchers: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let got = parse(certificate)?.fingerprint();
        match self.want {
            Some(want) if want != got => Err(refusal(KeyMismatch { want, got })),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    signatures_as_usual!();
}
