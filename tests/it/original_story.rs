//! The scenario of the original program on terminals: four users meet, chat, list each other, and
//! exchange direct messages that never pass the hub.

use std::{net::SocketAddr, path::Path};

use crate::support::{hub::TestHub, proxy::Proxy, terminal::Terminal};

const PEOPLE: [&str; 4] = ["sova", "colt", "buzz", "winter"];

/// Starts a chat in plaintext, so that the test can read the recorded bytes.
fn chat(home: &Path, hub: SocketAddr, name: &str) -> Terminal {
    chat_with(home, hub, name, &["--listen", "127.0.0.1:0", "--plaintext"])
}

fn chat_with(home: &Path, hub: SocketAddr, name: &str, args: &[&str]) -> Terminal {
    let hub = hub.to_string();
    let home = home.join(name);
    std::fs::create_dir(&home).unwrap();
    let terminal = Terminal::chinwag(
        &home,
        &[&["--hub", &hub, "--name", name, "chat", "--plain"], args].concat(),
    );
    terminal.wait_for("lobby");
    terminal
}

/// Returns the port of a peer as listed on `terminal`.
fn port_of(terminal: &Terminal, name: &str) -> u16 {
    let marker = "127.0.0.1:";
    let listed = |line: &&str| line.starts_with(name) && line.contains(marker);
    let port = terminal.wait_until(&format!("{name} in the list"), |screen| {
        let line = screen.lines().find(listed)?;
        let (_, rest) = line.split_once(marker)?;
        Some(rest.split(|c: char| !c.is_ascii_digit()).next()?.to_owned())
    });
    port.parse().unwrap()
}

#[test]
fn sova_colt_buzz_and_winter() {
    let hub = TestHub::start();
    let wire = Proxy::before(hub.address());
    let home = tempfile::tempdir().unwrap();
    let terminals = PEOPLE.map(|name| chat(home.path(), wire.address(), name));
    let [sova, colt, buzz, winter] = &terminals;

    // Everyone sees each post once, the sender included.
    sova.type_line("hello from sova");
    winter.wait_for("sova: hello from sova");
    buzz.type_line("and hello from buzz");
    for terminal in &terminals {
        terminal.wait_for("sova: hello from sova");
        terminal.wait_for("buzz: and hello from buzz");
    }

    // The list has all four, each with a different port.
    colt.type_line("PEER");
    let ports = PEOPLE.map(|name| port_of(colt, name));
    for (i, port) in ports.iter().enumerate() {
        assert!(!ports[..i].contains(port), "{ports:?}");
        assert_ne!(*port, hub.address().port());
    }

    // A direct message by address, one by name, and one back.
    let [.., buzzes_port, _] = ports;
    colt.type_line(&format!("P2P 127.0.0.1 {buzzes_port} secret messages"));
    buzz.wait_for("colt (unverified): secret messages");
    sova.type_line("/msg buzz for your eyes only");
    buzz.wait_for("sova (unverified): for your eyes only");
    buzz.type_line("/msg sova read and burnt");
    sova.wait_for("buzz (unverified): read and burnt");
    colt.wait_for("[direct to buzz] secret messages");
    sova.wait_for("[direct to buzz] for your eyes only");
    buzz.wait_for("[direct to sova] read and burnt");

    // All earlier messages have arrived before this one.
    winter.type_line("good night");
    for terminal in &terminals {
        terminal.wait_for("winter: good night");
        for (text, times) in [("hello from sova", 1), ("and hello from buzz", 1), ("good night", 1)]
        {
            assert_eq!(terminal.lines_with(text), times, "{text}\n{}", terminal.screen());
        }
    }
    // The sender and the recipient see a direct message; the others do not.
    let private = ["secret messages", "for your eyes only", "read and burnt"];
    for (text, witnesses) in private.into_iter().zip([[colt, buzz], [sova, buzz], [sova, buzz]]) {
        for terminal in &terminals {
            let times =
                usize::from(witnesses.iter().any(|witness| std::ptr::eq(*witness, terminal)));
            assert_eq!(terminal.lines_with(text), times, "{text}\n{}", terminal.screen());
        }
        assert_eq!(wire.occurrences(text), 0, "the hub has seen {text:?}");
    }
    // The recorder works: a post went to the hub once, and from there to each of the four.
    for text in ["hello from sova", "and hello from buzz", "good night"] {
        assert_eq!(wire.occurrences(text), 1 + PEOPLE.len(), "{text}");
    }
}

/// The same with TLS on both connections: the recorded bytes contain no text.
#[test]
fn nothing_can_be_read_on_the_wire() {
    let hub = TestHub::start();
    let to_hub = Proxy::before(hub.address());
    let home = tempfile::tempdir().unwrap();
    // The address buzz listens on, and the address he advertises.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let to_buzz = Proxy::before(free);
    let [listen, advertise] = [free, to_buzz.address()].map(|address| address.to_string());
    let args = ["--listen", listen.as_str(), "--advertise", advertise.as_str()];
    let buzz = chat_with(home.path(), to_hub.address(), "buzz", &args);
    let args = ["--listen", "127.0.0.1:0"];
    let sova = chat_with(home.path(), to_hub.address(), "sova", &args);

    sova.type_line("hello everybody");
    buzz.wait_for("sova: hello everybody");
    sova.type_line("/msg buzz for your eyes only");
    buzz.wait_for("sova (known): for your eyes only");
    sova.type_line(&format!("P2P 127.0.0.1 {} to an address", to_buzz.address().port()));
    buzz.wait_for("sova (known): to an address");
    for wire in [&to_hub, &to_buzz] {
        assert!(wire.recorded() > 1000);
        for text in ["hello everybody", "for your eyes only", "to an address", "sova", "lobby"] {
            assert_eq!(wire.occurrences(text), 0, "{text} can be read");
        }
    }
}

#[test]
fn leaving_removes_a_peer_from_the_list() {
    let hub = TestHub::start();
    let home = tempfile::tempdir().unwrap();
    let sova = chat(home.path(), hub.address(), "sova");
    let mut colt = chat(home.path(), hub.address(), "colt");
    sova.type_line("PEER");
    port_of(&sova, "colt");
    colt.type_line("/quit");
    assert!(colt.wait_for_end().success());
    // Its name is free at once.
    std::fs::remove_dir_all(home.path().join("colt")).unwrap();
    let again = chat(home.path(), hub.address(), "colt");
    again.type_line("back again");
    sova.wait_for("colt: back again");
}

#[test]
fn fast_typing_loses_nothing() {
    let hub = TestHub::start();
    let home = tempfile::tempdir().unwrap();
    let sova = chat(home.path(), hub.address(), "sova");
    for i in 0..20 {
        sova.type_line(&format!("line {i} of twenty"));
    }
    for i in 0..20 {
        sova.wait_for(&format!("sova: line {i} of twenty"));
    }
}
