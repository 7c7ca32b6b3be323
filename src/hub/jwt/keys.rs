//! An issuer's public keys.

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};

/// A public key and its only algorithm.
#[derive(Debug, Clone)]
pub(super) struct VerificationKey {
    pub(super) algorithm: Algorithm,
    pub(super) public: DecodingKey,
    /// The issuer's name of the key.
    id: Option<String>,
}

impl VerificationKey {
    /// Returns true unless a token's key id is another.
    pub(super) fn matches(&self, id: Option<&str>) -> bool {
        self.id.as_deref().zip(id).is_none_or(|(own, other)| own == other)
    }
}

/// The start of the last line of a PEM block.
const END: &str = "-----END ";

/// Bytes of an uncompressed point on P-256. Other curves have other lengths.
const P256_POINT_BYTES: usize = 65;

/// Reads a JWK set, or blocks of PEM.
pub(super) fn parse(text: &str) -> Result<Vec<VerificationKey>, String> {
    let keys = if text.trim_start().starts_with('{') { from_jwks(text) } else { from_pem(text) }?;
    if keys.is_empty() { Err("it has no key for RS256, ES256 or EdDSA".into()) } else { Ok(keys) }
}

/// Reads a JWK set. Skips keys of other types, which the sets of issuers often have.
fn from_jwks(text: &str) -> Result<Vec<VerificationKey>, String> {
    let set: JwkSet = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let key = |jwk: &Jwk| {
        let algorithm = algorithm(jwk)?;
        let id = jwk.common.key_id.clone();
        let public = DecodingKey::from_jwk(jwk).map_err(|error| error.to_string());
        Some(public.map(|public| VerificationKey { algorithm, public, id }))
    };
    set.keys.iter().filter_map(key).collect()
}

/// Returns the algorithm of a key; `None` if it is not supported.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        _ => return None,
    };
    let matches =
        jwk.common.key_algorithm.is_none_or(|stated| stated == KeyAlgorithm::from(algorithm));
    let signs = jwk.common.public_key_use != Some(PublicKeyUse::Encryption);
    (matches && signs).then_some(algorithm)
}

fn from_pem(text: &str) -> Result<Vec<VerificationKey>, String> {
    let mut keys = Vec::new();
    let mut block = String::new();
    for line in text.lines() {
        block.push_str(line);
        block.push('\n');
        if line.starts_with(END) {
            if block.contains("PRIVATE KEY") {
                return Err("it has a private key, which only the issuer may have".into());
            }
            keys.push(key_of_block(block.as_bytes())?);
            block.clear();
        }
    }
    Ok(keys)
}

fn key_of_block(pem: &[u8]) -> Result<VerificationKey, String> {
    let kinds = [
        (Algorithm::RS256, DecodingKey::from_rsa_pem(pem)),
        (Algorithm::ES256, DecodingKey::from_ec_pem(pem)),
        (Algorithm::EdDSA, DecodingKey::from_ed_pem(pem)),
    ];
    let is_supported = |algorithm, key: &DecodingKey| {
        algorithm != Algorithm::ES256
            || key.try_get_as_bytes().is_ok_and(|point| point.len() == P256_POINT_BYTES)
    };
    let found = kinds.into_iter().find_map(|(algorithm, key)| {
        Some((algorithm, key.ok().filter(|k| is_supported(algorithm, k))?))
    });
    let (algorithm, public) =
        found.ok_or("a block is not a public key of RSA, P-256 or Ed25519")?;
    Ok(VerificationKey { algorithm, public, id: None })
}
