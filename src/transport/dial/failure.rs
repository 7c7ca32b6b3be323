//! Why a connection could not be made or was lost, out of the errors of five libraries.

use std::{error::Error as StdError, fmt, io};

use rustls::{AlertDescription, CertificateError};
use tonic::Status;

use super::super::loopback::NotLoopback;
use crate::model::KeyMismatch;

/// Why a connection could not be made, or was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DialFailure {
    /// The other side has another key than it should: it is not who it was, or somebody stands in
    /// between. Trying again does not help.
    KeyChanged(KeyMismatch),
    /// No authority vouches for the other side. Trying again does not help.
    Untrusted(String),
    /// The other side wants to see a key, or does not want this one.
    KeyRefused,
    /// The other side does not speak TLS.
    NotTls,
    /// There is no TLS, and the other side is beyond loopback.
    PlaintextBeyondLoopback,
    /// Nobody listens there.
    Refused,
    /// There was no answer in time.
    Timeout,
    /// The connection ended before it should.
    Lost,
    /// Anything else, in the words of whoever noticed.
    Other(String),
}

impl DialFailure {
    /// Whether it may be another time. Where it is about keys, a person has to decide first.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Refused | Self::Timeout | Self::Lost | Self::Other(_))
    }
}

impl fmt::Display for DialFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyChanged(mismatch) => mismatch.fmt(f),
            Self::Untrusted(problem) => {
                write!(f, "its certificate is not to be trusted: {problem}")
            }
            Self::KeyRefused => f.write_str("it wants to see another key, or one at all"),
            Self::NotTls => f.write_str("it does not speak TLS"),
            Self::PlaintextBeyondLoopback => NotLoopback.fmt(f),
            Self::Refused => f.write_str("connection refused: nobody listens there"),
            Self::Timeout => f.write_str("it does not answer"),
            Self::Lost => f.write_str("the connection was lost"),
            Self::Other(problem) => f.write_str(problem),
        }
    }
}

/// What lies behind a failed call: a [`Status`], or any error of a channel. `None` where it is not
/// about the connection: the other side answered, if only with a refusal.
pub fn dial_failure(error: &(dyn StdError + 'static)) -> Option<DialFailure> {
    // A status that came over the wire has no source, and says nothing of the connection.
    let first = if error.is::<Status>() { error.source()? } else { error };
    let mut innermost = first;
    loop {
        if let Some(failure) = classify(innermost) {
            return Some(failure);
        }
        match innermost.source() {
            Some(source) => innermost = source,
            None => return Some(DialFailure::Other(innermost.to_string())),
        }
    }
}

fn classify(error: &(dyn StdError + 'static)) -> Option<DialFailure> {
    if error.is::<NotLoopback>() {
        return Some(DialFailure::PlaintextBeyondLoopback);
    }
    let error = error.downcast_ref::<io::Error>()?;
    let of_tls = error.get_ref().and_then(|inner| inner.downcast_ref()).and_then(of_tls);
    if of_tls.is_some() {
        return of_tls;
    }
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidData, TimedOut,
        UnexpectedEof,
    };
    match error.kind() {
        InvalidData if refuses_key(error) => Some(DialFailure::KeyRefused),
        ConnectionRefused => Some(DialFailure::Refused),
        TimedOut => Some(DialFailure::Timeout),
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => Some(DialFailure::Lost),
        _ => None,
    }
}

fn of_tls(error: &rustls::Error) -> Option<DialFailure> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
            let mismatch = other.0.downcast_ref::<KeyMismatch>();
            Some(mismatch.map_or_else(
                || DialFailure::Untrusted(other.to_string()),
                |mismatch| DialFailure::KeyChanged(*mismatch),
            ))
        }
        rustls::Error::InvalidCertificate(problem) => {
            Some(DialFailure::Untrusted(problem.to_string()))
        }
        rustls::Error::InvalidMessage(_) => Some(DialFailure::NotTls),
        _ => None,
    }
}

/// Whether the other side's TLS has refused our key. It does so after our handshake is over, from
/// where errors come as texts only: HTTP/2 keeps nothing else of them.
fn refuses_key(error: &io::Error) -> bool {
    use AlertDescription::{
        AccessDenied, BadCertificate, CertificateRequired, CertificateUnknown, UnknownCA,
        UnsupportedCertificate,
    };
    let text = error.to_string();
    let alerts = [
        AccessDenied,
        BadCertificate,
        CertificateRequired,
        CertificateUnknown,
        UnknownCA,
        UnsupportedCertificate,
    ];
    alerts.into_iter().any(|alert| rustls::Error::AlertReceived(alert).to_string() == text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::OtherError;

    use super::*;
    use crate::model::Fingerprint;

    /// As errors arrive: within others, within a status.
    fn behind(inner: impl Into<Box<dyn StdError + Send + Sync>>) -> Option<DialFailure> {
        dial_failure(&Status::from_error(Box::new(tonic::ConnectError(inner.into()))))
    }

    fn tls(error: rustls::Error) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    #[test]
    fn the_reason_is_found_behind_others() {
        let kind = |kind: io::ErrorKind| behind(io::Error::from(kind));
        assert_eq!(kind(io::ErrorKind::ConnectionRefused), Some(DialFailure::Refused));
        assert_eq!(kind(io::ErrorKind::TimedOut), Some(DialFailure::Timeout));
        assert_eq!(kind(io::ErrorKind::BrokenPipe), Some(DialFailure::Lost));
        assert_eq!(behind(NotLoopback), Some(DialFailure::PlaintextBeyondLoopback));
        assert_eq!(behind("odd"), Some(DialFailure::Other("odd".into())));
    }

    #[test]
    fn keys_are_told_from_accidents() {
        let [want, got] = [1, 2].map(|byte| Fingerprint::from_bytes([byte; 32]));
        let mismatch = KeyMismatch { want, got };
        let other = CertificateError::Other(OtherError(Arc::new(mismatch)));
        let changed = behind(tls(rustls::Error::InvalidCertificate(other)));
        assert_eq!(changed, Some(DialFailure::KeyChanged(mismatch)));
        let expired = rustls::Error::InvalidCertificate(CertificateError::Expired);
        assert!(matches!(behind(tls(expired)), Some(DialFailure::Untrusted(_))));
        let alert = |alert| rustls::Error::AlertReceived(alert);
        let refused = alert(AlertDescription::BadCertificate);
        assert_eq!(behind(tls(refused.clone())), Some(DialFailure::KeyRefused));
        // As it comes out of HTTP/2.
        let text = io::Error::new(io::ErrorKind::InvalidData, refused.to_string());
        assert_eq!(behind(text), Some(DialFailure::KeyRefused));
        let unrelated = behind(tls(alert(AlertDescription::InternalError)));
        assert!(matches!(unrelated, Some(DialFailure::Other(_))), "{unrelated:?}");
    }

    #[test]
    fn an_answer_is_no_failure_of_the_connection() {
        assert_eq!(dial_failure(&Status::unavailable("come back later")), None);
    }
}
