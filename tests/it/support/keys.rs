//! People with keys, and a man in the middle.

use std::{net::SocketAddr, sync::Arc};

use chinwag::{
    client::{Client, ClientOptions, DirectPolicy, Event, Events, HubTrust, Verification},
    identity::{ContactBook, Contacts, ContactsError, Credentials, Identity, TLS_NAME},
    model::{Endpoint, Fingerprint},
    transport::{Acceptor, ClientKeys, Plaintext, Trust, client_config, server_config},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::support::{
    direct_line::{next, text},
    fake_hub::{FakeHub, QuietHub, name},
};

/// A quiet hub with a key.
pub(crate) struct Hub {
    pub(crate) endpoint: Endpoint,
    pub(crate) key: Fingerprint,
    pub(crate) quiet: QuietHub,
}

impl Hub {
    pub(crate) async fn start() -> Self {
        let identity = Identity::generate().unwrap();
        let (endpoint, quiet) = FakeHub::behind(door(&identity)).await.serve_quietly();
        Self { endpoint, key: identity.fingerprint(), quiet }
    }
}

/// Returns the acceptor of a key.
pub(crate) fn door(identity: &Identity) -> Acceptor {
    let config = server_config(identity.credentials(), ClientKeys::Optional).unwrap();
    Acceptor::tls(config, Plaintext::FromLoopback)
}

/// A user with a key and a contact book.
pub(crate) struct Person {
    pub(crate) name: &'static str,
    pub(crate) identity: Identity,
    pub(crate) contacts: Contacts,
    home: tempfile::TempDir,
}

impl Person {
    pub(crate) fn new(name: &'static str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let contacts = Contacts::at(home.path().join("contacts.toml"));
        Self { name, identity: Identity::generate().unwrap(), contacts, home }
    }

    pub(crate) fn key(&self) -> Fingerprint {
        self.identity.fingerprint()
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        self.identity.credentials()
    }

    pub(crate) fn certificate(&self) -> &[u8] {
        self.identity.certificate().as_der()
    }

    pub(crate) fn options(&self, hub: &Hub) -> ClientOptions {
        ClientOptions::new(hub.endpoint.clone(), name(self.name))
            .listen("127.0.0.1:0".parse().unwrap())
            .identity(self.identity.clone())
            .trust(HubTrust::Pinned(hub.key))
            .contacts(self.contacts.clone())
    }

    pub(crate) async fn start(&self, hub: &Hub) -> (Client, Events) {
        Client::start(self.options(hub)).await.unwrap()
    }

    pub(crate) async fn start_for(&self, hub: &Hub, direct: DirectPolicy) -> (Client, Events) {
        let options = self.options(hub).direct(direct);
        Client::start(options).await.unwrap()
    }

    pub(crate) fn change(
        &self,
        change: impl FnOnce(&mut ContactBook) -> Result<(), ContactsError>,
    ) {
        self.contacts.change(change).unwrap();
    }
}

/// Returns two users who are in each other's contacts after one message, both stopped, and their
/// hub.
pub(crate) async fn acquainted() -> (Hub, Person, Person) {
    let (hub, alice, bob) = (Hub::start().await, Person::new("alice"), Person::new("bob"));
    let (alices, _events) = alice.start(&hub).await;
    let (bobs, mut events) = bob.start(&hub).await;
    alices.send(&name("bob"), text("hello")).await.unwrap();
    assert_eq!(heard(&mut events).await.2, "hello");
    bobs.stop().await;
    alices.stop().await;
    (hub, alice, bob)
}

/// Returns the sender, verification and text of the next private message.
pub(crate) async fn heard(events: &mut Events) -> (String, Verification, String) {
    match next(events).await {
        Event::Direct(direct) => {
            let text = direct.message.text.as_str().to_owned();
            (direct.message.sender.to_string(), direct.verification, text)
        }
        other => panic!("not a private message: {other:?}"),
    }
}

/// A man in the middle: terminates TLS with another key and forwards what it reads.
pub(crate) struct Middle {
    pub(crate) address: SocketAddr,
    pub(crate) key: Fingerprint,
    _tasks: JoinSet<()>,
}

impl Middle {
    pub(crate) async fn before(server: SocketAddr, servers_key: Fingerprint) -> Self {
        let own = Identity::generate().unwrap();
        let accept = server_config(own.credentials(), ClientKeys::Optional).unwrap();
        let connect = client_config(Some(own.credentials()), &Trust::Pinned(servers_key)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let (accept, connect) = (TlsAcceptor::from(accept), TlsConnector::from(connect));
            let connect = Arc::new(connect);
            let mut open = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (accept, connect) = (accept.clone(), connect.clone());
                open.spawn(async move {
                    let Ok(mut client) = accept.accept(client).await else { return };
                    let server = TcpStream::connect(server).await.unwrap();
                    let name = TLS_NAME.try_into().unwrap();
                    let Ok(mut server) = connect.connect(name, server).await else { return };
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { address, key: own.fingerprint(), _tasks: tasks }
    }
}
