//! A hub and its users on two machines, connected by the printed join link: no message can be read
//! on the cable between them.

mod cable;

use std::path::{Path, PathBuf};

use crate::support::{
    cli::{self, Running},
    hub, python,
};
use cable::{Cable, INTERFACE, Machine};
use chinwag::identity::TLS_NAME;
use tempfile::TempDir;

/// The posts in the room, from both machines.
const IN_THE_ROOM: [&str; 2] = ["the walnut falls at dawn", "then the acorn shall follow it"];

/// The direct messages, in both directions.
const IN_PRIVATE: [&str; 2] = ["meet me behind the chestnut", "under the third branch then"];

/// A port that is free on a machine created for this test.
const PORT: &str = "50051";

/// A user in a chat.
struct Person {
    chat: Running,
    _home: TempDir,
}

impl Person {
    /// Joins with the link, on a machine.
    fn join(machine: &Machine, name: &str, link: &str) -> Self {
        Self::join_at(machine, name, link, &format!("{}:0", machine.address))
    }

    /// The same, with an address to receive direct messages on.
    fn join_at(machine: &Machine, name: &str, link: &str, listen: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let chat = cli::homeless(home.path(), &["--name", name, "--listen", listen, "chat", link]);
        let mut person = Self { chat: Running::start(machine.on(&chat)), _home: home };
        // Users who see their own post are in the room.
        person.say("hello");
        person.sees(&format!(" {name}: hello"));
        person
    }

    fn say(&mut self, line: &str) {
        self.chat.write(format!("{line}\n").as_bytes());
    }

    /// Returns the next line that contains this text.
    fn sees(&self, text: &str) -> String {
        loop {
            let line = self.chat.line();
            if line.contains(text) {
                return line;
            }
        }
    }
}

/// A capture of all traffic on the cable, in both directions.
struct Capture {
    running: Running,
    packets: PathBuf,
}

impl Capture {
    fn start(python: &Path, machine: &Machine, folder: &Path) -> Self {
        let packets = folder.join("packets");
        let args = ["capture", INTERFACE, packets.to_str().unwrap()];
        let running = Running::start(machine.on(&python::program(python, "link", &args)));
        assert_eq!(running.line(), "capturing");
        Self { running, packets }
    }

    /// Stops and returns the bytes of all packets.
    fn end(self) -> Vec<u8> {
        let said = self.running.end().done();
        assert!(said.ends_with(" packets, 0 lost\n"), "{said}");
        std::fs::read(self.packets).unwrap()
    }
}

/// Starts a hub on a machine, and returns the link that it prints.
fn start_hub(machine: &Machine, data: &Path) -> (Running, String) {
    start_hub_at(machine, &format!("{}:{PORT}", machine.address), data)
}

/// The same, with an address to listen on.
fn start_hub_at(machine: &Machine, listen: &str, data: &Path) -> (Running, String) {
    let mut hub = hub::command(env!("CARGO_BIN_EXE_chinwagd"));
    hub.args(["--listen", listen, "--log", "warn", "--data-dir"]).arg(data);
    let hub = Running::start(machine.on(&hub));
    assert_eq!(hub.line(), format!("chinwagd listening on {listen}"));
    let line = hub.line();
    let link = line.strip_prefix("join with: chinwag chat ").expect(&line);
    let link = link.trim_matches('\'').to_owned();
    (hub, link)
}

/// Sends texts across the cable in plaintext.
fn shout(python: &Path, cable: &Cable, texts: &[String]) {
    let address = cable.near.address.to_string();
    let on = |machine: &Machine, what| {
        Running::start(machine.on(&python::program(python, "link", &[what, &address, "7"])))
    };
    let ear = on(&cable.near, "receive");
    assert_eq!(ear.line(), "listening");
    let mut mouth = on(&cable.far, "send");
    mouth.write((texts.join("\n") + "\n").as_bytes());
    mouth.end().done();
    for text in texts {
        assert_eq!(ear.line(), *text);
    }
    ear.end().done();
}

fn occurrences(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).filter(|window| *window == text.as_bytes()).count()
}

#[test]
fn no_message_can_be_read_between_two_machines() {
    let Some(python) = python::python() else { return };
    let Some(cable) = Cable::lay() else { return };
    let folder = tempfile::tempdir().unwrap();
    let capture = Capture::start(&python, &cable.near, folder.path());

    let (_hub, link) = start_hub(&cable.near, &folder.path().join("hub"));
    let mut ann = Person::join(&cable.near, "ann", &link);
    let mut ben = Person::join(&cable.far, "ben", &link);
    let zoe = Person::join(&cable.far, "zoe", &link);

    ann.say(IN_THE_ROOM[0]);
    ben.sees(&format!(" ann: {}", IN_THE_ROOM[0]));
    ben.say(IN_THE_ROOM[1]);
    for listener in [&ann, &zoe] {
        listener.sees(&format!(" ben: {}", IN_THE_ROOM[1]));
    }
    ann.say(&format!("/msg ben {}", IN_PRIVATE[0]));
    ben.sees(&format!("[direct] ann (known): {}", IN_PRIVATE[0]));
    ben.say(&format!("/msg ann {}", IN_PRIVATE[1]));
    ann.sees(&format!("[direct] ben (known): {}", IN_PRIVATE[1]));

    // The same texts in plaintext: the capture must find them.
    let texts = [IN_THE_ROOM, IN_PRIVATE].concat();
    let aloud: Vec<_> = texts.iter().map(|text| format!("aloud: {text}")).collect();
    shout(&python, &cable, &aloud);
    let bytes = capture.end();
    for (text, aloud) in texts.into_iter().zip(&aloud) {
        assert!(occurrences(&bytes, aloud) > 0, "{aloud:?} was not captured");
        assert_eq!(occurrences(&bytes, text), occurrences(&bytes, aloud), "{text:?} can be read");
    }
    // Each connection began with TLS: Ben's and Zoe's to the hub, and Ann's and Ben's to each
    // other.
    assert!(occurrences(&bytes, TLS_NAME) >= 4, "not everything crossed the cable");
}

#[test]
fn the_doctor_knows_whether_remote_peers_can_connect() {
    let Some(cable) = Cable::lay() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (_hub, link) = start_hub(&cable.near, &folder.path().join("hub"));
    let home = tempfile::tempdir().unwrap();
    // The exit code, and the result and finding of these checks.
    let doctor = |listen: &str| {
        let args = ["doctor", "--json", "--name", "ben", "--hub", &link, "--listen", listen];
        let ended = Running::start(cable.far.on(&cli::homeless(home.path(), &args))).end();
        let lines = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
        let checks: Vec<serde_json::Value> = lines.collect();
        let get = |name: &str| {
            let check = checks.iter().find(|check| check["name"] == name).unwrap();
            format!("{} {} {}", check["result"], check["found"], check["remedy"])
        };
        (ended.code, get("addresses"), get("reachable"))
    };
    let (code, addresses, reachable) = doctor("127.0.0.1:0");
    assert_eq!(code, Some(0), "{addresses}");
    assert!(addresses.starts_with("\"warn\"") && addresses.contains("--listen 0.0.0.0:"));
    assert!(reachable.starts_with("\"warn\"") && reachable.contains("only your own machine"));

    let (code, addresses, reachable) = doctor("0.0.0.0:0");
    assert_eq!(code, Some(0), "{addresses} {reachable}");
    assert!(reachable.starts_with("\"ok\""), "{reachable}");
    assert!(reachable.contains(&format!("the hub reached {}:", cable.far.address)), "{reachable}");
}

#[test]
fn machines_without_other_addresses_reach_each_other_over_their_link() {
    let Some(cable) = Cable::lay() else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = |machine: &Machine, port| format!("[{}%{INTERFACE}]:{port}", machine.link_local);
    let hub_at = at(&cable.near, PORT);
    let (_hub, link) = start_hub_at(&cable.near, &hub_at, &folder.path().join("hub"));
    assert!(link.starts_with(&format!("chinwag://{hub_at}#")), "{link}");
    let mut ann = Person::join_at(&cable.near, "ann", &link, &at(&cable.near, "0"));
    let mut ben = Person::join_at(&cable.far, "ben", &link, &at(&cable.far, PORT));
    // The hub sees Zoe at her address, and lists it with its own number of the zone.
    let zoe = Person::join_at(&cable.far, "zoe", &link, "[::]:0");

    ann.say("hello, ben");
    ben.sees(" ann: hello, ben");
    for (to, receiver) in [("ben", &ben), ("zoe", &zoe)] {
        ann.say(&format!("/msg {to} psst"));
        receiver.sees("[direct] ann (known): psst");
    }
    ben.say("/msg ann psst");
    ann.sees("[direct] ben (known): psst");
    // Without the hub's help.
    ann.say(&format!("/p2p {} over the link", at(&cable.far, PORT)));
    ben.sees("[direct] ann (known): over the link");

    let home = tempfile::tempdir().unwrap();
    let listen = at(&cable.far, "0");
    let args = ["doctor", "--json", "--name", "eve", "--hub", &link, "--listen", &listen];
    let ended = Running::start(cable.far.on(&cli::homeless(home.path(), &args))).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let reached = format!("the hub reached [{}%", cable.far.link_local);
    assert!(ended.stdout.contains(&reached), "{ended:?}");
}
