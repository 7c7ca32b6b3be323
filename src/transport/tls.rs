//! TLS 1.3 with pinned keys.
//!
//! Both ends present a certificate and sign the handshake with its key; rustls checks these
//! signatures as usual. Only the trust differs from the web: not "does an authority vouch for this
//! name?" but "is this the known key?" ([`Trust::Pinned`]), and on the server "which key is this?"
//! ([`ClientKeys`]).
//!
//! There is no resumption: a session ticket would replace the proof of the key.

mod verify;

use std::sync::Arc;

use rustls::{
    ClientConfig, ServerConfig, client::Resumption, crypto::ring, pki_types::CertificateDer,
    server::NoServerSessionStorage, sign::SingleCertAndKey, version::TLS13,
};

use verify::{AnyClientKey, ServerKey};

use crate::{error::SystemError, identity::Credentials, model::Fingerprint};

/// The ALPN name of the only protocol inside.
pub(super) const ALPN_H2: &[u8] = b"h2";

type Result<T, E = SystemError> = std::result::Result<T, E>;

/// Whether a server requires a key of its callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKeys {
    /// Any key, or none.
    Optional,
    /// Any key.
    Mandatory,
}

/// Which server a client trusts.
#[derive(Debug, Clone)]
pub enum Trust {
    /// The server with this key, whatever its certificate says.
    Pinned(Fingerprint),
    /// The server whose name an authority vouches for.
    Authorities(Authorities),
}

/// Trusted certificate authorities.
#[derive(Debug, Clone)]
pub struct Authorities(Arc<rustls::RootCertStore>);

impl Authorities {
    /// Returns the authorities that this machine trusts. They are not bundled, so that a company's
    /// own authority counts, and a distrusted one stops to, without a new release. Honours
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR`. Blocks on the disk. Errors if there are none.
    pub fn of_this_machine() -> Result<Self> {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "some certificates of authorities cannot be read");
        }
        Self::new(found.certs)
    }

    /// Returns authorities with these certificates. Errors if none of the certificates can be used.
    pub fn new(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(certificates);
        if roots.is_empty() {
            return Err(SystemError::new(
                "no certificates of authorities: install them (often a package named \
                 ca-certificates), or use a join link with a fingerprint",
            ));
        }
        Ok(Self(Arc::new(roots)))
    }
}

/// Returns the TLS configuration of a server. Errors if the TLS library refuses the credentials.
pub fn server_config(own: &Credentials, clients: ClientKeys) -> Result<Arc<ServerConfig>> {
    let provider = Arc::new(ring::default_provider());
    let verifier = AnyClientKey {
        algorithms: provider.signature_verification_algorithms,
        mandatory: clients == ClientKeys::Mandatory,
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(resolver(own));
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

/// Returns the TLS configuration of a client, with its own key if it has one. Errors if the TLS
/// library refuses the credentials.
pub fn client_config(own: Option<&Credentials>, trust: &Trust) -> Result<Arc<ClientConfig>> {
    client_config_for(own, Some(trust))
}

/// Returns the TLS configuration to ask a server for its key, whichever it is.
pub(super) fn asking_config() -> Result<Arc<ClientConfig>> {
    client_config_for(None, None)
}

fn client_config_for(
    own: Option<&Credentials>,
    trust: Option<&Trust>,
) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?;
    let by_key = |want| Arc::new(ServerKey { algorithms, want });
    let builder = match trust {
        Some(Trust::Authorities(roots)) => builder.with_root_certificates(roots.0.clone()),
        Some(Trust::Pinned(want)) => {
            builder.dangerous().with_custom_certificate_verifier(by_key(Some(*want)))
        }
        None => builder.dangerous().with_custom_certificate_verifier(by_key(None)),
    };
    let mut config = match own {
        Some(own) => builder.with_client_cert_resolver(resolver(own)),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn resolver(own: &Credentials) -> Arc<SingleCertAndKey> {
    Arc::new(own.certified_key().into())
}

fn unusable(error: rustls::Error) -> SystemError {
    SystemError::because("cannot set up TLS", error)
}

#[cfg(test)]
mod tests {
    use rustls::sign::CertifiedKey;
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;
    use crate::{
        identity::{Identity, TLS_NAME},
        model::Certificate,
    };

    /// Returns the results of both ends for a handshake, and the key that the server saw.
    async fn shake(
        server: Arc<ServerConfig>,
        client: Arc<ClientConfig>,
    ) -> (Result<Option<Fingerprint>, String>, Result<(), String>) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (near, far) = tokio::io::duplex(64 * 1024);
        let serve = async {
            let mut stream = TlsAcceptor::from(server).accept(far).await?;
            stream.write_all(b"!").await?;
            let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            Ok(shown.map(|der| Certificate::parse(der).unwrap().fingerprint()))
        };
        let call = async {
            let name = TLS_NAME.try_into().unwrap();
            let mut stream = TlsConnector::from(client).connect(name, near).await?;
            // A server refuses a key only after the client's handshake is done.
            stream.read_u8().await.map(drop)
        };
        let (served, called): (std::io::Result<_>, std::io::Result<_>) = tokio::join!(serve, call);
        (served.map_err(|e| e.to_string()), called.map_err(|e| e.to_string()))
    }

    fn pinned(who: &Identity) -> Trust {
        Trust::Pinned(who.fingerprint())
    }

    #[tokio::test]
    async fn the_server_learns_the_clients_key() {
        let (hub, alice) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        for keys in [ClientKeys::Optional, ClientKeys::Mandatory] {
            let (served, called) = shake(
                server_config(hub.credentials(), keys).unwrap(),
                client_config(Some(alice.credentials()), &pinned(&hub)).unwrap(),
            )
            .await;
            assert_eq!((served, called), (Ok(Some(alice.fingerprint())), Ok(())));
        }
    }

    #[tokio::test]
    async fn a_server_can_require_a_key() {
        let hub = Identity::generate().unwrap();
        let nobody = client_config(None, &pinned(&hub)).unwrap();
        let open = server_config(hub.credentials(), ClientKeys::Optional).unwrap();
        assert_eq!(shake(open, nobody.clone()).await, (Ok(None), Ok(())));
        let closed = server_config(hub.credentials(), ClientKeys::Mandatory).unwrap();
        let (served, called) = shake(closed, nobody).await;
        assert!(served.is_err());
        assert!(called.unwrap_err().contains("CertificateRequired"));
    }

    #[tokio::test]
    async fn another_server_is_refused_and_named() {
        let (hub, other) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let (served, called) = shake(
            server_config(other.credentials(), ClientKeys::Optional).unwrap(),
            client_config(None, &pinned(&hub)).unwrap(),
        )
        .await;
        assert!(served.is_err());
        let called = called.unwrap_err();
        for key in [hub.fingerprint(), other.fingerprint()] {
            assert!(called.contains(&key.to_string()), "{called}");
        }
    }

    /// Somebody else's certificate with one's own key.
    fn stolen(certificate: &Identity, key: &Identity) -> Arc<SingleCertAndKey> {
        let shown = CertificateDer::from(certificate.certificate().as_der().to_vec());
        let signer = key.credentials().certified_key().key.clone();
        Arc::new(CertifiedKey::new(vec![shown], signer).into())
    }

    #[tokio::test]
    async fn a_certificate_without_its_key_is_refused() {
        let [hub, alice, mallory] = [(); 3].map(|()| Identity::generate().unwrap());
        let server = server_config(hub.credentials(), ClientKeys::Optional).unwrap();
        let client = client_config(Some(alice.credentials()), &pinned(&hub)).unwrap();

        let mut as_alice = ClientConfig::clone(&client);
        as_alice.client_auth_cert_resolver = stolen(&alice, &mallory);
        let (served, called) = shake(server.clone(), Arc::new(as_alice)).await;
        assert!(served.unwrap_err().contains("BadSignature"));
        assert!(called.is_err());

        let mut as_hub = ServerConfig::clone(&server);
        as_hub.cert_resolver = stolen(&hub, &mallory);
        let (served, called) = shake(Arc::new(as_hub), client).await;
        assert!(served.is_err());
        assert!(called.unwrap_err().contains("BadSignature"));
    }

    #[tokio::test]
    async fn an_authority_vouches_for_names() {
        let authority = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = params.self_signed(&authority).unwrap();
        let issuer = rcgen::Issuer::new(params, authority);
        let issue = |name: &str| {
            let key = rcgen::KeyPair::generate().unwrap();
            let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
            let leaf = params.signed_by(&key, &issuer).unwrap();
            Credentials::new(vec![leaf.into()], key.into()).unwrap()
        };
        let trust = Trust::Authorities(Authorities::new([root.into()]).unwrap());
        let call = |credentials: Credentials| {
            let server = server_config(&credentials, ClientKeys::Optional).unwrap();
            shake(server, client_config(None, &trust).unwrap())
        };
        assert_eq!(call(issue(TLS_NAME)).await, (Ok(None), Ok(())));
        assert!(
            call(issue("elsewhere.example")).await.1.unwrap_err().contains("elsewhere.example")
        );
        let unknown = Identity::generate().unwrap().credentials().clone();
        assert!(call(unknown).await.1.unwrap_err().contains("UnknownIssuer"));
        assert!(Authorities::new([]).is_err());
    }
}
