//! An issuer's public keys.

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};

/// A public key and the one algorithm it is used with.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) public: DecodingKey,
    /// What the issuer calls it.
    id: Option<String>,
}

impl Key {
    /// Whether a token that names its key may be signed with this one.
    pub(super) fn may_be(&self, id: Option<&str>) -> bool {
        self.id.as_deref().zip(id).is_none_or(|(own, named)| own == named)
    }
}

/// What ends a block of PEM, whatever is in it.
const END: &str = "-----END ";

/// Bytes of a point on P-256, not compressed: other curves have other lengths.
const P256_POINT_BYTES: usize = 65;

/// Reads a JWK set, or blocks of PEM.
pub(super) fn parse(text: &str) -> Result<Vec<Key>, String> {
    let keys = if text.trim_start().starts_with('{') { from_jwks(text) } else { from_pem(text) }?;
    match keys.is_empty() {
        true => Err("there is no key for RS256, ES256 or EdDSA in it".into()),
        false => Ok(keys),
    }
}

/// Keys of other kinds, which sets of issuers may well hold, are passed over.
fn from_jwks(text: &str) -> Result<Vec<Key>, String> {
    let set: JwkSet = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let key = |jwk: &Jwk| {
        let algorithm = algorithm(jwk)?;
        let id = jwk.common.key_id.clone();
        let public = DecodingKey::from_jwk(jwk).map_err(|error| error.to_string());
        Some(public.map(|public| Key { algorithm, public, id }))
    };
    set.keys.iter().filter_map(key).collect()
}

/// What a key may be used with; `None`: with nothing that is believed here.
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
    let said = jwk.common.key_algorithm.is_none_or(|said| said == KeyAlgorithm::from(algorithm));
    let signs = jwk.common.public_key_use != Some(PublicKeyUse::Encryption);
    (said && signs).then_some(algorithm)
}

fn from_pem(text: &str) -> Result<Vec<Key>, String> {
    let mut keys = Vec::new();
    let mut block = String::new();
    for line in text.lines() {
        block.push_str(line);
        block.push('\n');
        if line.starts_with(END) {
            if block.contains("PRIVATE KEY") {
                return Err("it holds a private key, which only the issuer may have".into());
            }
            keys.push(of_block(block.as_bytes())?);
            block.clear();
        }
    }
    Ok(keys)
}

fn of_block(pem: &[u8]) -> Result<Key, String> {
    let kinds = [
        (Algorithm::RS256, DecodingKey::from_rsa_pem(pem)),
        (Algorithm::ES256, DecodingKey::from_ec_pem(pem)),
        (Algorithm::EdDSA, DecodingKey::from_ed_pem(pem)),
    ];
    let is_right = |algorithm, key: &DecodingKey| {
        algorithm != Algorithm::ES256
            || key.try_get_as_bytes().is_ok_and(|point| point.len() == P256_POINT_BYTES)
    };
    let found = kinds.into_iter().find_map(|(algorithm, key)| {
        Some((algorithm, key.ok().filter(|k| is_right(algorithm, k))?))
    });
    let (algorithm, public) = found.ok_or("a block is no public key of RSA, P-256 or Ed25519")?;
    Ok(Key { algorithm, public, id: None })
}
