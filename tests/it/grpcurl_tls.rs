//! Runs the TLS examples of `docs/grpc.md` with the hub's certificate as root: as a guest and with
//! a key.

use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine};
use chinwag::identity::{CERTIFICATE_FILE, Identity};
use tempfile::TempDir;

use crate::support::{grpcurl, hub::TestHub};

/// A hub, and users with its certificate and optionally a key.
struct Scene {
    path: String,
    hub: TestHub,
    data: TempDir,
}

impl Scene {
    fn set() -> Option<Self> {
        let path = grpcurl::path()?;
        let data = tempfile::tempdir().unwrap();
        let hub = TestHub::with(&["--data-dir", data.path().to_str().unwrap()]);
        Some(Self { path, hub, data })
    }

    /// Runs an example with the key in `home`, and checks that the output contains these words.
    fn run(&self, example: &str, home: &Path, wanted: &[&str]) -> String {
        let root = self.data.path().join(CERTIFICATE_FILE);
        let example = example
            .replace("localhost:50051", &self.hub.address().to_string())
            .replace(" identity.", &format!(" {}/identity.", home.display()))
            .replace("hub.crt", root.to_str().unwrap());
        grpcurl::run(&example, &self.path, "", wanted)
    }
}

#[test]
fn the_documented_examples_work_over_tls() {
    let Some(scene) = Scene::set() else { return };
    let [list, register] = grpcurl::examples("-cacert").try_into().unwrap();
    let [robots, others] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let robot = Identity::load_or_create(robots.path()).unwrap();
    let other = Identity::load_or_create(others.path()).unwrap();

    scene.run(&list, robots.path(), &["chinwag.v1.Broadcast", "chinwag.v1.Presence"]);
    // The name is the same each time, as the key is.
    let listed = BASE64_STANDARD.encode(robot.certificate().as_der());
    for _ in 0..2 {
        let printed = scene.run(&register, robots.path(), &["\"robot\"", "\"token\"", &listed]);
        assert!(!printed.contains("\"guest\""), "{printed}");
    }

    // Another key, or no key, does not get the name.
    scene.run(&register, others.path(), &["AlreadyExists", "NAME_TAKEN"]);
    let keyless = register.replace("-cert identity.crt -key identity.key", "");
    scene.run(&keyless, others.path(), &["AlreadyExists", "NAME_TAKEN"]);

    // A guest has a name but no certificate.
    let guest = keyless.replace("robot", "passerby");
    let printed = scene.run(&guest, others.path(), &["\"passerby\"", "\"guest\": true"]);
    assert!(!printed.contains(&BASE64_STANDARD.encode(other.certificate().as_der())));

    // A server with another key than that of the root is rejected.
    let misled = list.replace("hub.crt", "identity.crt");
    scene.run(&misled, others.path(), &["certificate", "unknown authority"]);
}

#[test]
fn the_same_port_takes_plaintext_from_loopback() {
    let Some(scene) = Scene::set() else { return };
    let list = grpcurl::examples("-plaintext").remove(0);
    scene.run(&list, scene.data.path(), &["chinwag.v1.Broadcast", "chinwag.v1.Presence"]);
}
