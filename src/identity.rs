//! Identities: the own key, and the keys of others.
//!
//! 1. A hub and a client create a key at their first start (ECDSA on P-256, which every TLS stack
//!    supports) and store it in two files: [`KEY_FILE`], which only the owner may read, and
//!    [`CERTIFICATE_FILE`], which is public. Whoever has the key file *is* that peer or hub. It is
//!    never overwritten.
//! 2. The certificate is self-signed and proves nothing but the key. Its common name is the
//!    fingerprint, because OpenSSL and BoringSSL look up root certificates by subject: with one
//!    subject for all they would know only one peer. Its alternative names are [`TLS_NAME`] and
//!    names of the machine itself, for callers that insist on a name.
//! 3. People compare the [`Fingerprint`] of the key. The contact book ([`Contacts`]) stores the
//!    known keys of others.

mod contacts;
mod credentials;
pub(crate) mod files;
pub(crate) mod permissions;
#[cfg(feature = "hub")]
mod secret;

use std::path::Path;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject};
use sha2::{Digest, Sha256};

pub use contacts::{
    Contact, ContactBook, Contacts, ContactsError, KeyCheck, KnownHub, MAX_CONTACTS, MAX_HUBS,
    MAX_MUTED, MAX_NOTE_BYTES,
};
pub use credentials::Credentials;

pub use crate::model::TLS_NAME;
#[cfg(feature = "hub")]
pub(crate) use secret::{SecretHash, hash_secret, new_secret};

use crate::{
    error::SystemError,
    model::{Certificate, Fingerprint},
};
use files::Readers;

/// The file with the private key, PKCS #8 in PEM.
pub const KEY_FILE: &str = "identity.key";

/// The file with the certificate, in PEM.
pub const CERTIFICATE_FILE: &str = "identity.crt";

/// A key pair with its certificate.
#[derive(Debug, Clone)]
pub struct Identity {
    certificate: Certificate,
    credentials: Credentials,
}

impl Identity {
    /// Creates an identity in memory. Errors if the machine has no random numbers.
    pub fn generate() -> Result<Self, SystemError> {
        let key = new_key()?;
        Self::of(&key, certify(&key)?.der())
    }

    /// Loads the identity in `directory`, and creates it if there is none. A crash, or a second
    /// process at the same time, leaves one complete identity. Blocks on the disk. Errors if a file
    /// cannot be read or created, if others can read the key, or if the files hold no identity.
    /// Existing files are never overwritten. In a read-only directory, a missing certificate is made
    /// in memory.
    pub fn load_or_create(directory: &Path) -> Result<Self, SystemError> {
        let (key_path, path) = (directory.join(KEY_FILE), directory.join(CERTIFICATE_FILE));
        // The key is written first: a certificate without a key means that the key was lost.
        if path.exists() && !key_path.exists() {
            return Err(SystemError::new(format!(
                "{} exists, but its key {} does not: restore the key, or remove the certificate to \
                 get another identity, which peers do not know yet",
                path.display(),
                key_path.display()
            ))
            .at(&key_path));
        }
        files::create_directory(directory)?;
        let key = load_or_create_key(&key_path)?;
        let pem = match files::read(&path)? {
            Some(pem) => pem,
            // It proves nothing but the key, so another one with the same key does as well.
            None if !files::is_writable(directory) => certify(&key)?.pem(),
            None => files::write_new(&path, &certify(&key)?.pem(), Readers::All)?,
        };
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| unusable(&path, e))?;
        Self::of(&key, &der).map_err(|e| unusable(&path, e))
    }

    /// Loads the identity in `directory`, if there is one; creates nothing. Blocks on the disk.
    /// Errors as [`Self::load_or_create`].
    pub fn load(directory: &Path) -> Result<Option<Self>, SystemError> {
        let is_whole =
            [KEY_FILE, CERTIFICATE_FILE].iter().all(|file| directory.join(file).exists());
        if is_whole { Self::load_or_create(directory).map(Some) } else { Ok(None) }
    }

    fn of(key: &KeyPair, der: &CertificateDer<'static>) -> Result<Self, SystemError> {
        let secret = PrivatePkcs8KeyDer::from(key.serialized_der().to_vec());
        let credentials = Credentials::new(vec![der.clone()], secret.into())?;
        let certificate = Certificate::parse(der)
            .map_err(|problem| SystemError::because("the certificate is invalid", problem))?;
        Ok(Self { certificate, credentials })
    }

    /// Returns the certificate, which is shown to others.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Returns the fingerprint of the key, which people compare.
    pub fn fingerprint(&self) -> Fingerprint {
        self.certificate.fingerprint()
    }

    /// Returns the credentials for TLS.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }
}

fn new_key() -> Result<KeyPair, SystemError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
        .map_err(|error| SystemError::because("cannot make a key", error))
}

fn load_or_create_key(path: &Path) -> Result<KeyPair, SystemError> {
    let pem = match files::read_secret(path)? {
        Some(pem) => pem,
        None => files::write_new(path, &new_key()?.serialize_pem(), Readers::Owner)?,
    };
    KeyPair::from_pkcs8_pem_and_sign_algo(&pem, &PKCS_ECDSA_P256_SHA256)
        .map_err(|_| unusable(path, "no P-256 key in PKCS #8 PEM"))
}

/// Creates the certificate of a key in a form that grpc-core, node, Go, OpenSSL and webpki all
/// accept: with a name, explicitly not an authority, for client and server, and without an end.
fn certify(key: &KeyPair) -> Result<rcgen::Certificate, SystemError> {
    let fingerprint = Fingerprint::from_bytes(Sha256::digest(key.subject_public_key_info()).into());
    let failed = |error| SystemError::because("cannot make a certificate", error);
    let names = [TLS_NAME, "localhost", "127.0.0.1", "::1"].map(String::from);
    let mut params = CertificateParams::new(names).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, fingerprint.hex());
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.self_signed(key).map_err(failed)
}

/// The error of a damaged file, which is not overwritten.
fn unusable(
    path: &Path,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> SystemError {
    let cause = cause.into();
    let advice = "repair it or restore it from a copy; it is not overwritten";
    SystemError::caused(format!("{} cannot be used: {cause}; {advice}", path.display()), cause)
        .at(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn problem(directory: &Path) -> String {
        Identity::load_or_create(directory).unwrap_err().to_string()
    }

    #[test]
    fn an_identity_is_created_once() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("a/b");
        let made = Identity::load_or_create(&directory).unwrap();
        let again = Identity::load_or_create(&directory).unwrap();
        assert_eq!(made.certificate(), again.certificate());
        assert_ne!(made.fingerprint(), Identity::generate().unwrap().fingerprint());
    }

    #[test]
    fn loading_an_identity_creates_none() {
        let home = tempfile::tempdir().unwrap();
        assert!(Identity::load(home.path()).unwrap().is_none());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
        let made = Identity::load_or_create(home.path()).unwrap();
        let found = Identity::load(home.path()).unwrap().unwrap();
        assert_eq!(found.certificate(), made.certificate());
    }

    #[test]
    fn a_lost_certificate_is_recreated_for_the_same_key() {
        let home = tempfile::tempdir().unwrap();
        let made = Identity::load_or_create(home.path()).unwrap();
        fs::remove_file(home.path().join(CERTIFICATE_FILE)).unwrap();
        let again = Identity::load_or_create(home.path()).unwrap();
        assert_eq!(made.fingerprint(), again.fingerprint());
    }

    #[test]
    fn a_lost_key_is_not_recreated() {
        let home = tempfile::tempdir().unwrap();
        Identity::load_or_create(home.path()).unwrap();
        fs::remove_file(home.path().join(KEY_FILE)).unwrap();
        assert!(problem(home.path()).contains("restore the key"));
        assert!(!home.path().join(KEY_FILE).exists());
    }

    #[test]
    fn damaged_files_are_not_overwritten() {
        for file in [KEY_FILE, CERTIFICATE_FILE] {
            for content in [&b""[..], b"hello", b"\xff\xfe"] {
                let home = tempfile::tempdir().unwrap();
                Identity::load_or_create(home.path()).unwrap();
                let path = home.path().join(file);
                fs::write(&path, content).unwrap();
                assert!(problem(home.path()).contains(file), "{}", problem(home.path()));
                assert_eq!(fs::read(&path).unwrap(), content);
            }
        }
    }

    #[test]
    fn a_certificate_of_another_key_is_refused() {
        let [one, two] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        Identity::load_or_create(one.path()).unwrap();
        Identity::load_or_create(two.path()).unwrap();
        let path = |home: &tempfile::TempDir| home.path().join(CERTIFICATE_FILE);
        fs::copy(path(&one), path(&two)).unwrap();
        assert!(problem(two.path()).contains("KeyMismatch"), "{}", problem(two.path()));
    }

    #[test]
    fn concurrent_starts_create_one_identity() {
        let home = tempfile::tempdir().unwrap();
        let start = std::sync::Barrier::new(8);
        let made = std::thread::scope(|scope| {
            let make = || {
                start.wait();
                Identity::load_or_create(home.path()).unwrap().certificate().clone()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(made.iter().all(|certificate| *certificate == made[0]));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2, "nothing else is left behind");
    }

    #[cfg(unix)]
    #[test]
    fn the_key_file_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("home");
        Identity::load_or_create(&directory).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let key = directory.join(KEY_FILE);
        assert_eq!((mode(&directory), mode(&key)), (0o700, 0o600));
        for shared in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&key, fs::Permissions::from_mode(shared)).unwrap();
            assert!(problem(&directory).contains("chmod 600"), "{shared:o}");
        }
        fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
        Identity::load_or_create(&directory).unwrap();
    }

    #[test]
    fn debug_hides_the_key() {
        let home = tempfile::tempdir().unwrap();
        let shown = format!("{:?}", Identity::load_or_create(home.path()).unwrap());
        let key = fs::read_to_string(home.path().join(KEY_FILE)).unwrap();
        assert!(key.lines().all(|line| !shown.contains(line)), "{shown}");
    }

    #[test]
    fn an_authoritys_credentials_are_loaded_with_their_chain() {
        let [one, two] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        Identity::load_or_create(one.path()).unwrap();
        Identity::load_or_create(two.path()).unwrap();
        let certificate = fs::read_to_string(one.path().join(CERTIFICATE_FILE)).unwrap();
        let chain = one.path().join("chain.pem");
        fs::write(&chain, certificate.repeat(2)).unwrap();
        let own = Credentials::load(&chain, &one.path().join(KEY_FILE)).unwrap();
        assert_eq!(own.certified_key().cert.len(), 2);

        let load =
            |chain: &Path, key: &Path| Credentials::load(chain, key).unwrap_err().to_string();
        assert!(load(&chain, &two.path().join(KEY_FILE)).contains("KeyMismatch"));
        assert!(load(&chain, &two.path().join("none")).contains("does not exist"));
        assert!(load(&two.path().join("none"), &chain).contains("does not exist"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&chain, fs::Permissions::from_mode(0o644)).unwrap();
            assert!(load(&chain, &chain).contains("chmod 600"), "this is no secret");
        }
        fs::write(&chain, "").unwrap();
        load(&chain, &one.path().join(KEY_FILE));
    }
}
