//! The profile of the certificates that a hub lists, for stacks that take a listed certificate as
//! root and read names from it. `docs/keys-and-security.md` describes it.

use jiff::{SignedDuration, Timestamp};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

use self::CertificateField as Field;
use super::{
    Certificate, MAX_CERTIFICATE_BYTES, TLS_NAME,
    der::{
        BIT_STRING, BOOLEAN, DNS_NAME, Der, EXTENSIONS, INTEGER, OCTET_STRING, OID,
        PRINTABLE_STRING, SEQUENCE, SET, UTF8_STRING, VERSION,
    },
};

/// How much longer a certificate must be valid: longer than most sessions live.
const MIN_VALIDITY: SignedDuration = SignedDuration::from_hours(365 * 24);

/// A time before this profile existed, 2026-01-01, in seconds of Unix time.
const CLOCK_IS_WRONG_BEFORE: i64 = 1_767_225_600;

/// ecdsa-with-SHA256, as the content of an AlgorithmIdentifier.
const ECDSA_SHA256: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
/// What precedes the 65 bytes of an uncompressed point in a P-256 key.
const P256_KEY: &[u8] =
    b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\0\x04";
/// The length of a point, with the byte that says that it is not compressed.
const POINT_BYTES: usize = 65;

const COMMON_NAME: &[u8] = b"\x55\x04\x03";
/// The first bit of a key usage.
const DIGITAL_SIGNATURE: u8 = 0x80;
const KEY_USAGE: &[u8] = b"\x55\x1d\x0f";
const ALTERNATIVE_NAMES: &[u8] = b"\x55\x1d\x11";
const BASIC_CONSTRAINTS: &[u8] = b"\x55\x1d\x13";
const EXTENDED_KEY_USAGE: &[u8] = b"\x55\x1d\x25";
const SERVER_AUTH: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x01";
const CLIENT_AUTH: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x02";

/// A certificate outside the profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {field} of the certificate {problem}")]
pub struct ProfileError {
    /// The part that is wrong.
    pub field: CertificateField,
    /// What is wrong with it.
    pub problem: String,
}

/// A part of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateField {
    /// The encoding of the whole.
    Encoding,
    /// The public key.
    Key,
    /// The signature and its algorithm.
    Signature,
    /// The subject and the issuer.
    Subject,
    /// The time from which and until which it is valid.
    Validity,
    /// The alternative names.
    AlternativeNames,
    /// Whether it is that of an authority.
    BasicConstraints,
    /// The key usage and the extended key usage.
    KeyUsage,
    /// Any other extension.
    Extensions,
}

impl CertificateField {
    /// Returns its name in the field of a violation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Encoding => "encoding",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Subject => "subject",
            Self::Validity => "validity",
            Self::AlternativeNames => "alternative_names",
            Self::BasicConstraints => "basic_constraints",
            Self::KeyUsage => "key_usage",
            Self::Extensions => "extensions",
        }
    }
}

impl std::fmt::Display for CertificateField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.as_str().replace('_', " "))
    }
}

impl Certificate {
    /// Checks that other stacks can use the certificate as root for its key, and that it names no
    /// other key. Errors with the first field that is outside the profile.
    pub fn check_profile(&self, now: Timestamp) -> Result<(), ProfileError> {
        let encoding = || {
            fault(Field::Encoding, format!("must be DER of at most {MAX_CERTIFICATE_BYTES} bytes"))
        };
        let mut outer = Der(self.as_der()).enter(SEQUENCE).ok_or_else(encoding)?;
        let signed = outer.0;
        let mut body = outer.enter(SEQUENCE).ok_or_else(encoding)?;
        let signed = &signed[..signed.len() - outer.0.len()];
        let algorithms = (|| {
            let outside = outer.value(SEQUENCE)?;
            body.value(VERSION)?;
            body.value(INTEGER)?;
            Some([body.value(SEQUENCE)?, outside])
        })();
        let signature = outer.value(BIT_STRING).ok_or_else(encoding)?;
        let parts = (|| {
            let issuer = body.value(SEQUENCE)?;
            let validity = body.enter(SEQUENCE)?;
            Some((issuer, validity, body.value(SEQUENCE)?, body.value(SEQUENCE)?))
        })();
        let (issuer, validity, subject, key) = parts.ok_or_else(encoding)?;

        if !key.starts_with(P256_KEY) || key.len() != P256_KEY.len() - 1 + POINT_BYTES {
            return Err(fault(Field::Key, "must be an uncompressed P-256 key"));
        }
        let point = &key[key.len() - POINT_BYTES..];
        if algorithms != Some([ECDSA_SHA256; 2]) {
            return Err(fault(Field::Signature, "must be ECDSA with SHA-256"));
        }
        let verified = signature.split_first().is_some_and(|(unused, signature)| {
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point);
            *unused == 0 && key.verify(signed, signature).is_ok()
        });
        if !verified {
            return Err(fault(Field::Signature, "must be by its own key"));
        }
        let hex = self.fingerprint().hex();
        if subject != issuer || sole_common_name(subject) != Some(hex.as_bytes()) {
            let problem = format!("and its issuer must be CN={hex} and nothing else");
            return Err(fault(Field::Subject, problem));
        }
        check_validity(validity, now)?;
        check_extensions(body)
    }
}

fn fault(field: CertificateField, problem: impl Into<String>) -> ProfileError {
    ProfileError { field, problem: problem.into() }
}

/// Returns the common name of a subject that consists of nothing else.
fn sole_common_name(subject: &[u8]) -> Option<&[u8]> {
    let mut names = Der(subject);
    let mut name = names.enter(SET)?;
    let mut attribute = name.enter(SEQUENCE)?;
    let is_common_name = attribute.value(OID)? == COMMON_NAME;
    let value = attribute.value(UTF8_STRING).or_else(|| attribute.value(PRINTABLE_STRING))?;
    let is_sole = [names, name, attribute].iter().all(|rest| rest.0.is_empty());
    (is_common_name && is_sole).then_some(value)
}

fn check_validity(mut validity: Der<'_>, now: Timestamp) -> Result<(), ProfileError> {
    // A clock that was never set shall not keep everybody out.
    let now = now.max(Timestamp::constant(CLOCK_IS_WRONG_BEFORE, 0));
    let times = (|| Some((validity.time()?, validity.time()?)))();
    let (begin, end) = times.ok_or_else(|| fault(Field::Validity, "must have two times in UTC"))?;
    if begin > now {
        return Err(fault(Field::Validity, format!("begins in the future, at {begin}")));
    }
    if end.duration_since(now) < MIN_VALIDITY {
        let days = MIN_VALIDITY.as_hours() / 24;
        return Err(fault(
            Field::Validity,
            format!("ends at {end}, and must last {days} days from now, {now:.0}, or longer"),
        ));
    }
    Ok(())
}

fn check_extensions(mut body: Der<'_>) -> Result<(), ProfileError> {
    let broken = || fault(Field::Extensions, "must be DER");
    let mut extensions = match body.enter(EXTENSIONS) {
        Some(mut extensions) => extensions.enter(SEQUENCE).ok_or_else(broken)?,
        None => Der(&[]),
    };
    let mut is_named = false;
    while !extensions.0.is_empty() {
        let parts = (|| {
            let mut extension = extensions.enter(SEQUENCE)?;
            let id = extension.value(OID)?;
            let critical = extension.value(BOOLEAN).is_some_and(|value| value != [0]);
            Some((id, critical, Der(extension.value(OCTET_STRING)?)))
        })();
        let (id, critical, mut value) = parts.ok_or_else(broken)?;
        let wrong = match id {
            ALTERNATIVE_NAMES => {
                is_named |= has(value, &[(DNS_NAME, TLS_NAME.as_bytes())]);
                None
            }
            // An authority begins with TRUE. FALSE is the default and left out.
            BASIC_CONSTRAINTS => value
                .enter(SEQUENCE)
                .is_none_or(|value| !value.0.is_empty())
                .then(|| fault(Field::BasicConstraints, "must not be those of an authority")),
            KEY_USAGE => {
                let bits = value.value(BIT_STRING).and_then(|bits| bits.get(1).copied());
                (bits.unwrap_or_default() & DIGITAL_SIGNATURE == 0)
                    .then(|| fault(Field::KeyUsage, "must allow digital signatures"))
            }
            EXTENDED_KEY_USAGE => (!has(value, &[(OID, SERVER_AUTH), (OID, CLIENT_AUTH)]))
                .then(|| fault(Field::KeyUsage, "must allow both TLS servers and TLS clients")),
            _ => {
                critical.then(|| fault(Field::Extensions, "must include no other that is critical"))
            }
        };
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
    }
    match is_named {
        true => Ok(()),
        false => {
            let problem = format!("must include the DNS name {TLS_NAME}");
            Err(fault(Field::AlternativeNames, problem))
        }
    }
}

/// Returns true if a sequence has all of these elements.
fn has(mut value: Der<'_>, wanted: &[(u8, &[u8])]) -> bool {
    let Some(mut list) = value.enter(SEQUENCE) else { return false };
    let elements: Vec<_> = std::iter::from_fn(|| list.next()).collect();
    list.0.is_empty() && wanted.iter().all(|element| elements.contains(element))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{
        BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
        ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
        PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PublicKeyData as _, date_time_ymd,
    };
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn hex(key: &KeyPair) -> String {
        Sha256::digest(key.subject_public_key_info()).iter().map(|b| format!("{b:02x}")).collect()
    }

    fn subject(parts: &[(DnType, &str)]) -> DistinguishedName {
        let mut subject = DistinguishedName::new();
        parts.iter().for_each(|(kind, value)| subject.push(kind.clone(), *value));
        subject
    }

    /// Returns the parameters of a certificate within the profile, with nothing that it can do without.
    fn plain(key: &KeyPair) -> CertificateParams {
        let mut params = CertificateParams::new([TLS_NAME.to_owned()]).unwrap();
        params.distinguished_name = subject(&[(DnType::CommonName, &hex(key))]);
        params
    }

    fn key() -> KeyPair {
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
    }

    fn now() -> Timestamp {
        "2026-07-01T00:00:00Z".parse().unwrap()
    }

    fn check(der: &[u8]) -> Result<(), ProfileError> {
        Certificate::parse(der).unwrap().check_profile(now())
    }

    /// Returns the field that is refused after a change to such a certificate.
    fn refused(change: impl FnOnce(&mut CertificateParams)) -> (CertificateField, String) {
        let key = key();
        let mut params = plain(&key);
        change(&mut params);
        let error = check(params.self_signed(&key).unwrap().der()).unwrap_err();
        assert!(error.to_string().contains(&error.field.to_string()), "{error}");
        (error.field, error.problem)
    }

    #[test]
    fn what_the_profile_asks_for_is_enough() {
        let key = key();
        check(plain(&key).self_signed(&key).unwrap().der()).unwrap();
        let mut full = plain(&key);
        full.is_ca = IsCa::ExplicitNoCa;
        full.key_usages = vec![KeyUsagePurpose::KeyAgreement, KeyUsagePurpose::DigitalSignature];
        full.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        full.not_after = date_time_ymd(2049, 12, 31);
        check(full.self_signed(&key).unwrap().der()).unwrap();
    }

    /// Neither a part of the subject nor the whole may be that of another key.
    #[test]
    fn a_subject_names_its_own_key_and_nothing_else() {
        let (other, own) = (hex(&key()), key());
        let (cn, o) = (DnType::CommonName, DnType::OrganizationName);
        for parts in [
            &[(o.clone(), "x"), (cn.clone(), other.as_str())][..],
            &[(cn.clone(), &other)],
            &[(o.clone(), &other), (cn.clone(), &hex(&own))],
            &[(cn.clone(), &hex(&own)), (o.clone(), &other)],
            &[(cn.clone(), &hex(&own).to_uppercase())],
            &[(o, &hex(&own))],
            &[],
        ] {
            let mut params = plain(&own);
            params.distinguished_name = subject(parts);
            let error = check(params.self_signed(&own).unwrap().der()).unwrap_err();
            assert_eq!(error.field, Field::Subject, "{parts:?}");
            assert!(error.problem.contains(&format!("CN={}", hex(&own))), "{error}");
        }
    }

    #[test]
    fn every_other_field_is_checked() {
        let authority = IsCa::Ca(BasicConstraints::Unconstrained);
        assert_eq!(refused(|params| params.is_ca = authority).0, Field::BasicConstraints);
        let nameless = |params: &mut CertificateParams| {
            // Without any extension it would not be of version 3.
            params.is_ca = IsCa::ExplicitNoCa;
            params.subject_alt_names.clear();
        };
        assert_eq!(refused(nameless).0, Field::AlternativeNames);
        let elsewhere = CertificateParams::new(["hub.example".to_owned()]).unwrap();
        let names = elsewhere.subject_alt_names;
        assert_eq!(refused(|params| params.subject_alt_names = names).0, Field::AlternativeNames);
        let unset = Timestamp::UNIX_EPOCH;
        let own = key();
        let made = plain(&own).self_signed(&own).unwrap();
        Certificate::parse(made.der()).unwrap().check_profile(unset).unwrap();
        for (begin, end, told) in [
            (1975, 2026, "2026-01-01T00:00:00Z"),
            (1975, 2027, "2027-01-01T00:00:00Z"),
            (2030, 4096, "in the future"),
        ] {
            let (field, problem) = refused(|params| {
                params.not_before = date_time_ymd(begin, 1, 1);
                params.not_after = date_time_ymd(end, 1, 1);
            });
            assert!(field == Field::Validity && problem.contains(told), "{problem}");
        }
        let usage = vec![KeyUsagePurpose::KeyAgreement];
        assert_eq!(refused(|params| params.key_usages = usage).0, Field::KeyUsage);
        let usage = vec![ExtendedKeyUsagePurpose::ClientAuth];
        assert_eq!(refused(|params| params.extended_key_usages = usage).0, Field::KeyUsage);
        // Name constraints. An unknown one that is critical cannot even be parsed.
        let mut other = CustomExtension::from_oid_content(&[2, 5, 29, 30], vec![0x30, 0]);
        other.set_criticality(true);
        assert_eq!(refused(|params| params.custom_extensions.push(other)).0, Field::Extensions);
    }

    #[test]
    fn other_keys_and_signatures_are_refused() {
        for algorithm in [&PKCS_ED25519, &PKCS_ECDSA_P384_SHA384] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let error = check(plain(&key).self_signed(&key).unwrap().der()).unwrap_err();
            assert_eq!(error.field, Field::Key);
        }
        let (authority, own) = (key(), key());
        let issuer = Issuer::new(plain(&own), authority);
        let signed = plain(&own).signed_by(&own, &issuer).unwrap();
        let error = check(signed.der()).unwrap_err();
        assert_eq!(
            (error.field, error.problem.as_str()),
            (Field::Signature, "must be by its own key")
        );
        let authority = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let issuer = Issuer::new(plain(&own), authority);
        let error = check(plain(&own).signed_by(&own, &issuer).unwrap().der()).unwrap_err();
        assert!(error.problem.contains("ECDSA with SHA-256"), "{error}");
    }

    proptest! {
        /// The signature covers the rest.
        #[test]
        fn no_changed_byte_is_accepted(at: prop::sample::Index, to: u8) {
            let key = key();
            let mut der = plain(&key).self_signed(&key).unwrap().der().to_vec();
            let at = at.index(der.len());
            prop_assume!(der[at] != to);
            der[at] = to;
            if let Ok(certificate) = Certificate::parse(&der) {
                prop_assert!(certificate.check_profile(now()).is_err());
            }
        }
    }
}
