//! A hub, Rust clients and Python programs, with or without a key.

use std::path::{Path, PathBuf};

use chinwag::{
    client::{Client, ClientOptions, Event, Events, HubTrust},
    identity::{CERTIFICATE_FILE, Identity},
    model::{Endpoint, Fingerprint, JoinLink, Name, RoomName, Start, Text},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    cli::Running,
    hub::TestHub,
    python,
    within::{PATIENCE, within},
};

/// A hub with TLS, and the path of Python.
pub(crate) struct Scene {
    python: PathBuf,
    hub: TestHub,
    data: TempDir,
}

/// A key and its files.
pub(crate) struct Key {
    home: TempDir,
    pub(crate) identity: Identity,
}

impl Key {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        Self { identity: Identity::load_or_create(home.path()).unwrap(), home }
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.identity.fingerprint()
    }
}

impl Scene {
    /// Starts a hub with these options; `None` if Python is missing.
    pub(crate) fn set(options: &[&str]) -> Option<Self> {
        let python = python::python()?;
        let data = tempfile::tempdir().unwrap();
        let options = [&["--data-dir", data.path().to_str().unwrap()], options].concat();
        let hub = TestHub::with(&options);
        Some(Self { python, hub, data })
    }

    /// Returns the path of the hub's certificate.
    pub(crate) fn root(&self) -> PathBuf {
        self.data.path().join(CERTIFICATE_FILE)
    }

    pub(crate) fn link(&self) -> JoinLink {
        let own = Identity::load_or_create(self.data.path()).unwrap();
        let hub = Endpoint::from(self.hub.address());
        JoinLink { hub, fingerprint: Some(own.fingerprint()), invite: None }
    }

    /// Starts a Python program as `name`, with a key or as a guest.
    pub(crate) fn python(
        &self,
        program: &str,
        name: &str,
        key: Option<&Key>,
        more: &[&str],
    ) -> Running {
        self.python_trusting(&self.root(), program, name, key, more)
    }

    /// Starts a Python program that trusts another certificate than the hub's.
    pub(crate) fn python_trusting(
        &self,
        root: &Path,
        program: &str,
        name: &str,
        key: Option<&Key>,
        more: &[&str],
    ) -> Running {
        let hub = self.hub.address().to_string();
        let mut args = vec![hub.as_str(), name, "--root", root.to_str().unwrap()];
        args.extend(key.iter().flat_map(|key| ["--identity", key.home().to_str().unwrap()]));
        args.extend(more);
        Running::start(python::program(&self.python, program, &args))
    }

    /// Starts a Rust client with a key, in the lobby, that accepts direct messages.
    pub(crate) async fn client(&self, called: &str, key: &Key) -> (Client, Events) {
        let link = self.link();
        let options = ClientOptions::new(link.hub, name(called))
            .identity(key.identity.clone())
            .trust(HubTrust::Pinned(link.fingerprint.unwrap()))
            .listen("127.0.0.1:0".parse().unwrap())
            .rooms(vec![(RoomName::lobby(), Start::Head)]);
        within(PATIENCE, "the client's start", Client::start(options)).await.unwrap()
    }
}

pub(crate) fn name(raw: &str) -> Name {
    Name::parse(raw).unwrap()
}

pub(crate) fn text(raw: &str) -> Text {
    Text::parse(raw).unwrap()
}

/// Returns the first result of `pick`; skips other events.
pub(crate) async fn find<T>(events: &mut Events, pick: impl Fn(Event) -> Option<T>) -> T {
    loop {
        let event = within(PATIENCE, "an event", events.next()).await;
        if let Some(found) = pick(event.expect("the client has stopped")) {
            return found;
        }
    }
}

/// Returns the next object of a program that contains all of these fields.
#[track_caller]
pub(crate) fn tells(program: &Running, wanted: &Value) {
    let wanted = wanted.as_object().unwrap();
    loop {
        let told = program.object();
        if wanted.iter().all(|(field, value)| told.get(field) == Some(value)) {
            return;
        }
        // A program prints nothing after a refusal.
        assert_eq!(told.get("refused"), None, "{told} instead of {wanted:?}");
    }
}
