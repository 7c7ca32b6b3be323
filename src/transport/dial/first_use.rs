//! Asks a server on this machine for its key, at first use.

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

/// How long it may take in all.
const ASK_TIMEOUT: Duration = CONNECT_TIMEOUT;

/// Returns the certificate of a server on loopback, over a connection that carries nothing else and
/// shows no key of ours. The answer is as trustworthy as loopback. Use it to pin the key if none is
/// known. The error says why there is no answer. A server beyond loopback is not asked.
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
