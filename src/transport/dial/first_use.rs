//! Which key a server on this machine has, for somebody who has never met it.

use std::time::Duration;

use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower::Service;

use super::{
    super::{loopback, tls},
    BoxError, CONNECT_TIMEOUT, CUT_SHORT, DialFailure, dial_failure, tcp_connector,
};
use crate::{
    identity::TLS_NAME,
    model::{Certificate, Endpoint},
};

/// How long the whole of it may take.
const ASK_TIMEOUT: Duration = CONNECT_TIMEOUT;

/// Asks a server on loopback for its certificate, over a connection that carries nothing else and
/// shows no key of ours. The answer is as good as loopback is: it is for pinning the key from now
/// on, where none is known yet.
///
/// # Errors
///
/// Why there is no answer; a server beyond loopback is not asked.
pub async fn certificate_on_loopback(endpoint: &Endpoint) -> Result<Certificate, DialFailure> {
    match timeout(ASK_TIMEOUT, ask(endpoint)).await {
        Err(_) => Err(DialFailure::Timeout),
        Ok(Ok(certificate)) => Ok(certificate),
        Ok(Err(error)) => Err(dial_failure(error.as_ref()).unwrap_or(DialFailure::Lost)),
    }
}

async fn ask(endpoint: &Endpoint) -> Result<Certificate, BoxError> {
    let tcp = tcp_connector().call(format!("http://{endpoint}").parse()?).await?.into_inner();
    loopback::may_dial(tcp.peer_addr()?)?;
    let connector = TlsConnector::from(tls::asking_config()?);
    let stream = connector.connect(TLS_NAME.try_into()?, tcp).await.map_err(super::cut_short)?;
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    Ok(Certificate::parse(shown.ok_or(CUT_SHORT)?)?)
}
