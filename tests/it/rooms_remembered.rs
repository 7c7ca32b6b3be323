//! A chat on a terminal joins the rooms again that earlier chats had joined.

use std::{fs, path::Path};

use chinwag::proto::refused::Request as About;
use tonic::Code;

use crate::support::{cli, fake_hub::FakeHub, hub::TestHub, terminal::Terminal};

fn chat(home: &Path, hub: &str, more: &[&str]) -> Terminal {
    let common = ["--hub", hub, "--name", "sova", "--listen", "127.0.0.1:0", "chat"];
    Terminal::of_size((100, 30), home, &[&common, more].concat(), &[])
}

#[track_caller]
fn leave(mut terminal: Terminal) {
    terminal.type_line("/quit");
    assert!(terminal.wait_for_end().success(), "{}", terminal.screen());
}

#[test]
fn both_faces_join_what_was_joined_and_not_what_was_left() {
    let (hub, other) = (TestHub::start(), TestHub::start());
    let (address, elsewhere) = (hub.address().to_string(), other.address().to_string());
    let home = tempfile::tempdir().unwrap();
    let plain = |args: &[&str]| {
        let terminal = chat(home.path(), &address, &[&["--plain"], args].concat());
        terminal.wait_for("nobody else is here");
        terminal
    };
    let sova = plain(&[]);
    sova.wait_for("lobby> ");
    sova.type_line("/join ops");
    sova.wait_for("ops> ");
    leave(sova);

    let sova = chat(home.path(), &address, &[]);
    sova.wait_for("lobby>");
    sova.wait_for(" 2 ops");
    sova.type_line("/join dev");
    sova.wait_for("dev>");
    sova.type_line("/leave lobby");
    sova.wait_for("left lobby");
    leave(sova);

    // Options come first.
    let sova = plain(&["--room", "dev"]);
    sova.wait_for("dev> ");
    sova.type_line("/status");
    sova.wait_for("in dev, ops; talking in dev");
    leave(sova);
    // So does the file.
    let settings = home.path().join("config.toml");
    fs::write(&settings, "room = 'lobby'\n").unwrap();
    let sova = plain(&[]);
    sova.wait_for("lobby> ");
    sova.type_line("/status");
    sova.wait_for("in lobby, ops, dev; talking in lobby");
    leave(sova);
    fs::remove_file(settings).unwrap();

    // Rooms belong to a hub, and scripts name theirs.
    let sova = chat(home.path(), &elsewhere, &["--plain"]);
    sova.wait_for("lobby> ");
    leave(sova);
    let script = cli::command(home.path(), hub.address(), "sova", &["chat"]);
    let said = cli::run(script, b"/status\n").done();
    assert!(said.contains("in lobby; talking in lobby"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remembered_room_that_is_refused_is_told_and_stays_remembered() {
    let mut hub = FakeHub::start().await;
    let address = hub.endpoint().to_string();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("rooms.toml");
    fs::write(&file, format!("'{address}' = ['lobby', 'ops']")).unwrap();
    for face in [&["--plain"][..], &[]] {
        let sova = chat(home.path(), &address, &[&["--plaintext"], face].concat());
        let mut session = hub.session().await;
        for _ in 0..2 {
            let room = session.join().await.room;
            match room.as_str() {
                "lobby" => session.joined("lobby", 0, 0).await,
                _ => session.refused(About::Join(room), Code::PermissionDenied, "BANNED").await,
            }
        }
        let sova = tokio::task::spawn_blocking(move || {
            sova.wait_for("not in ops: ");
            sova.wait_for("lobby>");
            sova
        });
        let sova = sova.await.unwrap();
        drop(sova);
        drop(session);
        hub = FakeHub::restart(hub.stop().await).await;
    }
    assert!(fs::read_to_string(file).unwrap().contains("ops"));
}
