//! Tokens of an external issuer: valid ones admit, and every invalid one is refused.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chinwag::{
    proto::{ListPeersRequest, RegisterRequest},
    transport::Channel,
};
use ring::{
    hmac,
    rand::SystemRandom,
    rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};

use crate::support::{
    hub::{TestHub, command},
    keyed::{connect, enter, new_key, register_on},
    peer::{self, Session, named},
    refusal::why,
};

const ISSUER: &str = "https://id.example";

/// Generated for this test only: `ring` cannot generate RSA keys.
const RSA_KEY: &str = include_str!("../jwt/rsa-key-of-a-test.pem");

/// A signer of tokens.
enum Signer {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair, String),
    Ed(Ed25519KeyPair, String),
}

impl Signer {
    fn rsa() -> Self {
        let der = PrivatePkcs8KeyDer::from_pem_slice(RSA_KEY.as_bytes()).unwrap();
        Self::Rsa(RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap())
    }

    fn ec() -> Self {
        let made = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let (der, random) = (made.serialize_der(), SystemRandom::new());
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &random);
        Self::Ec(key.unwrap(), made.public_key_pem())
    }

    fn ed() -> Self {
        let made = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&made.serialize_der()).unwrap();
        Self::Ed(key, made.public_key_pem())
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::Ec(..) => "ES256",
            Self::Ed(..) => "EdDSA",
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            Self::Ec(key, _) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed(key, _) => key.sign(message).as_ref().to_vec(),
        }
    }

    /// Returns the public key in PEM.
    fn pem(&self) -> String {
        match self {
            Self::Rsa(key) => {
                let der = base64::prelude::BASE64_STANDARD.encode(key.public().as_ref());
                format!("-----BEGIN RSA PUBLIC KEY-----\n{der}\n-----END RSA PUBLIC KEY-----\n")
            }
            Self::Ec(_, pem) | Self::Ed(_, pem) => pem.clone(),
        }
    }

    /// Returns the public key as a JWK, named after its algorithm.
    fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match self {
            Self::Rsa(key) => {
                let public: rsa::PublicKeyComponents<Vec<u8>> = key.public().into();
                json!({"kty": "RSA", "n": encode(&public.n), "e": encode(&public.e)})
            }
            Self::Ec(key, _) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)})
            }
            Self::Ed(key, _) => {
                let x = encode(key.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "x": x})
            }
        };
        jwk["kid"] = self.algorithm().into();
        jwk
    }

    fn token(&self, claims: &Value) -> String {
        self.token_with(json!({"alg": self.algorithm(), "typ": "JWT"}), claims)
    }

    fn token_with(&self, header: Value, claims: &Value) -> String {
        token(&header, claims, |message| self.sign(message))
    }
}

fn token(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(sign(message.as_bytes())))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Returns the claims of a valid token.
fn claims(name: &str) -> Value {
    json!({"iss": ISSUER, "aud": "chinwag", "sub": name, "exp": now() + 600})
}

/// Returns the claims of a valid token with one changed or removed.
fn but(claim: &str, value: Value) -> Value {
    let mut claims = claims("alice");
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(claim)),
        value => claims[claim] = value,
    }
    claims
}

/// Starts a hub that trusts the keys in this file.
fn hub_with(keys: &str) -> TestHub {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), keys).unwrap();
    let keys = file.path().to_str().unwrap();
    TestHub::with(&["--ephemeral", "--invite-only", "--jwt-issuer", ISSUER, "--jwt-keys", keys])
}

async fn come(hub: &TestHub, token: &str, name: &str) -> Result<Session, String> {
    let channel = peer::connect(hub.address()).await;
    register_on(channel, Some(token), named(name)).await.map_err(|status| why(&status))
}

#[tokio::test]
async fn a_valid_token_proves_a_name() {
    let signers = [Signer::rsa(), Signer::ec(), Signer::ed()];
    let pem: String = signers.iter().map(Signer::pem).collect();
    let jwks = json!({"keys": signers.iter().map(Signer::jwk).collect::<Vec<_>>()}).to_string();
    for keys in [pem, jwks] {
        let hub = hub_with(&keys);
        for signer in &signers {
            let token = signer.token(&claims("alice"));
            let alice = come(&hub, &token, "alice").await.unwrap();
            let seen = alice.registered.peer.unwrap();
            assert!(!seen.guest && seen.certificate.is_empty(), "{seen:?}");
            // Also over TLS; the name does not belong to that key.
            let keyed = connect(&hub, Some(&new_key()));
            register_on(keyed, Some(&token), named("alice")).await.unwrap();
        }
        let names = [json!("chinwag"), json!(["elsewhere", "chinwag"])];
        for audience in names {
            let token = signers[1].token(&but("aud", audience));
            come(&hub, &token, "Alice").await.unwrap();
        }
        let named = json!({"alg": "EdDSA", "kid": "EdDSA"});
        come(&hub, &signers[2].token_with(named, &claims("alice")), "alice").await.unwrap();
    }
}

#[tokio::test]
async fn a_name_from_a_token_belongs_to_its_subject() {
    let signer = Signer::ec();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), signer.pem()).unwrap();
    let keys = file.path().to_str().unwrap();
    let hub = TestHub::with(&["--ephemeral", "--jwt-issuer", ISSUER, "--jwt-keys", keys]);
    come(&hub, &signer.token(&claims("alice")), "alice").await.unwrap();
    let thief = enter(&hub, &new_key(), "alice").await.unwrap_err();
    assert_eq!(why(&thief), "AlreadyExists NAME_TAKEN");
    let key = new_key();
    enter(&hub, &key, "bob").await.unwrap();
    let taken = come(&hub, &signer.token(&claims("bob")), "bob").await.unwrap_err();
    assert_eq!(taken, "AlreadyExists NAME_TAKEN");
    let other = come(&hub, &signer.token(&claims("alice")), "carol").await.unwrap_err();
    assert_eq!(other, "InvalidArgument INVALID_FIELD name");
}

/// A session that began with a token may be replaced by one with the same token, under the same
/// name only.
#[tokio::test]
async fn a_token_session_proves_its_name_only() {
    let signer = Signer::ed();
    let hub = hub_with(&signer.pem());
    let (key, token) = (new_key(), signer.token(&claims("alice")));
    let channel = connect(&hub, Some(&key));
    let alice = register_on(channel.clone(), Some(&token), named("alice")).await.unwrap();
    let own = alice.registered.token.as_str();
    let taking = |place: &str, name| RegisterRequest { replace_token: place.into(), ..named(name) };
    let come = async |channel: &Channel, token, request| {
        register_on(channel.clone(), token, request).await.map_err(|status| why(&status))
    };
    const WRONG_NAME: &str = "InvalidArgument INVALID_FIELD name";
    const REFUSED: &str = "Unauthenticated TOKEN_REFUSED";
    for (shown, request, refusal) in [
        (Some(own), named("ceo"), REFUSED),
        (Some(own), named("alice"), REFUSED),
        (Some(own), taking(own, "ceo"), WRONG_NAME),
        (None, taking(own, "ceo"), WRONG_NAME),
    ] {
        assert_eq!(come(&channel, shown, request).await.map(drop), Err(refusal.to_owned()));
    }
    // The token is invalid on a connection without the key that it began with.
    for other in [connect(&hub, Some(&new_key())), connect(&hub, None)] {
        assert_eq!(come(&other, Some(own), named("alice")).await.map(drop), Err(REFUSED.into()));
        let refused = come(&other, None, taking(own, "alice")).await.map(drop);
        assert!(refused.is_err(), "{refused:?}");
        let stolen = Session { registered: alice.registered.clone(), channel: other };
        let listed = stolen.presence().list_peers(ListPeersRequest::default()).await;
        assert_eq!(why(&listed.unwrap_err()), REFUSED);
    }
    let next = come(&channel, None, taking(own, "alice")).await.unwrap();
    assert!(!next.registered.peer.unwrap().guest);
    assert!(come(&channel, None, taking(own, "alice")).await.is_err(), "it has been replaced");
}

/// Each of these tokens has exactly one defect.
#[tokio::test]
async fn an_invalid_token_is_refused() {
    let signers = [Signer::rsa(), Signer::ec(), Signer::ed()];
    let hub = hub_with(&signers.iter().map(Signer::pem).collect::<String>());
    let [rsa, ec, ed] = &signers;
    let alice = claims("alice");
    come(&hub, &ec.token(&alice), "alice").await.unwrap();

    let mut tokens: Vec<(&str, String)> = [
        ("expired", but("exp", json!(now() - 3600))),
        ("without an end", but("exp", Value::Null)),
        ("whose end is no number", but("exp", json!("2999-01-01"))),
        ("not valid yet", but("nbf", json!(now() + 3600))),
        ("whose beginning is no number", but("nbf", json!("soon"))),
        ("of another issuer", but("iss", json!("https://evil.example"))),
        ("of several issuers", but("iss", json!([ISSUER, "https://evil.example"]))),
        ("of no issuer", but("iss", Value::Null)),
        ("for somebody else", but("aud", json!("mail"))),
        ("for nobody", but("aud", Value::Null)),
        ("of nobody", but("sub", Value::Null)),
        ("of somebody with no name", but("sub", json!("al ice"))),
    ]
    .into_iter()
    .map(|(what, claims)| (what, ec.token(&claims)))
    .collect();
    let critical = json!({"alg": "ES256", "crit": ["exp"]});
    tokens.push(("with a demand that nobody knows", ec.token_with(critical, &alice)));
    tokens.push(("signed by a stranger", Signer::ec().token(&alice)));
    tokens.push(("with another's algorithm", ec.token_with(json!({"alg": "RS256"}), &alice)));
    tokens.push(("of an unknown algorithm", ec.token_with(json!({"alg": "ES384"}), &alice)));
    for none in ["none", "None", "NONE"] {
        tokens.push(("not signed", token(&json!({"alg": none}), &alice, |_| Vec::new())));
    }
    for signer in [rsa, ec, ed] {
        // The public key must not be accepted as an HMAC secret.
        for secret in [signer.pem().into_bytes(), signer.pem().trim().as_bytes().to_vec()] {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
            let sign = |message: &[u8]| hmac::sign(&key, message).as_ref().to_vec();
            tokens.push((
                "of a public key as a secret",
                token(&json!({"alg": "HS256"}), &alice, sign),
            ));
        }
        let (good, other) = (signer.token(&alice), signer.token(&claims("bob")));
        let parts: Vec<_> = good.split('.').collect();
        let others: Vec<_> = other.split('.').collect();
        tokens.push(("changed", [parts[0], others[1], parts[2]].join(".")));
        tokens.push(("without its signature", [parts[0], parts[1], ""].join(".")));
        tokens.push(("cut short", good[..good.len() - 8].to_owned()));
    }
    tokens.push(("of nothing", "..".into()));
    tokens.push(("of garbage", "e30.e30.e30".into()));
    for (what, token) in tokens {
        let name = if what == "changed" { "bob" } else { "alice" };
        let refused = come(&hub, &token, name).await.map(drop);
        assert_eq!(refused, Err("Unauthenticated TOKEN_REFUSED".to_owned()), "{what}: {token}");
    }
}

#[tokio::test]
async fn a_hub_without_an_issuer_refuses_tokens() {
    let hub = TestHub::start();
    let refused = come(&hub, &Signer::ec().token(&claims("alice")), "alice").await.unwrap_err();
    assert_eq!(refused, "Unauthenticated TOKEN_REFUSED");
}

#[test]
fn unusable_keys_are_refused_at_the_start() {
    let secret = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    for (keys, problem) in [
        ("", "no key"),
        ("{\"keys\": []}", "no key"),
        ("{\"keys\": [{\"kty\": \"oct\", \"k\": \"c2VjcmV0\"}]}", "no key"),
        ("{", "EOF"),
        (secret.as_str(), "private key"),
        (p384.public_key_pem().as_str(), "not a public key of RSA, P-256 or Ed25519"),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), keys).unwrap();
        let args = ["--ephemeral", "--jwt-issuer", ISSUER, "--jwt-keys"];
        let mut hub = command(env!("CARGO_BIN_EXE_chinwagd"));
        let output = hub.args(args).arg(file.path()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{keys}: {said}");
        assert!(said.contains(problem), "{keys}: {said}");
    }
}
