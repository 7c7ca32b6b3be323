//! Finds the cause of a failed connection in the errors of five libraries.

use std::{error::Error as StdError, fmt, io};

use rustls::{AlertDescription, CertificateError};
use tonic::Status;

use super::super::loopback::NotLoopback;
use crate::model::KeyMismatch;

/// Why a connection failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DialFailure {
    /// The server has another key than expected: it is another server, or somebody intercepts the
    /// connection. Trying again does not help.
    KeyChanged(KeyMismatch),
    /// No authority vouches for the server. Trying again does not help.
    Untrusted(String),
    /// The server requires a key, or refuses this one.
    KeyRefused,
    /// The server does not use TLS.
    NotTls,
    /// The server is not on loopback, and TLS is not used.
    PlaintextBeyondLoopback,
    /// Nothing listens there.
    Refused,
    /// There was no answer in time.
    Timeout,
    /// The connection was lost.
    Lost,
    /// Any other cause.
    Other(String),
}

impl DialFailure {
    /// Returns true if trying again may help. Failures about keys need a person's decision.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Refused | Self::Timeout | Self::Lost | Self::Other(_))
    }
}

impl fmt::Display for DialFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyChanged(mismatch) => mismatch.fmt(f),
            Self::Untrusted(problem) => {
                write!(f, "its certificate cannot be trusted: {problem}")
            }
            Self::KeyRefused => f.write_str("it requires a key, or refuses this one"),
            Self::NotTls => f.write_str("it does not speak TLS"),
            Self::PlaintextBeyondLoopback => NotLoopback.fmt(f),
            Self::Refused => f.write_str("connection refused: nobody listens there"),
            Self::Timeout => f.write_str("it does not answer"),
            Self::Lost => f.write_str("the connection was lost"),
            Self::Other(problem) => f.write_str(problem),
        }
    }
}

/// Returns the cause of a failed call, from its [`Status`] or any error of a channel; `None` if the
/// connection works and the server answered, for example with a refusal.
pub fn dial_failure(error: &(dyn StdError + 'static)) -> Option<DialFailure> {
    // A status that was received has no source.
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

/// Returns true if the server's TLS refused our key. It does so after our handshake is done, when
/// HTTP/2 keeps errors as texts only.
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

    /// Wraps an error as it arrives: within others, within a status.
    fn behind(inner: impl Into<Box<dyn StdError + Send + Sync>>) -> Option<DialFailure> {
        dial_failure(&Status::from_error(Box::new(tonic::ConnectError(inner.into()))))
    }

    fn tls(error: rustls::Error) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    #[test]
    fn the_cause_is_found_behind_other_errors() {
        let kind = |kind: io::ErrorKind| behind(io::Error::from(kind));
        assert_eq!(kind(io::ErrorKind::ConnectionRefused), Some(DialFailure::Refused));
        assert_eq!(kind(io::ErrorKind::TimedOut), Some(DialFailure::Timeout));
        assert_eq!(kind(io::ErrorKind::BrokenPipe), Some(DialFailure::Lost));
        assert_eq!(behind(NotLoopback), Some(DialFailure::PlaintextBeyondLoopback));
        assert_eq!(behind("odd"), Some(DialFailure::Other("odd".into())));
    }

    #[test]
    fn key_failures_are_told_from_others() {
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
        // As HTTP/2 reports it.
        let text = io::Error::new(io::ErrorKind::InvalidData, refused.to_string());
        assert_eq!(behind(text), Some(DialFailure::KeyRefused));
        let unrelated = behind(tls(alert(AlertDescription::InternalError)));
        assert!(matches!(unrelated, Some(DialFailure::Other(_))), "{unrelated:?}");
    }

    #[test]
    fn an_answer_is_not_a_failed_connection() {
        assert_eq!(dial_failure(&Status::unavailable("come back later")), None);
    }
}
