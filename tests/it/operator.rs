//! The operator's commands while the hub runs: invitations, removals, renames and bot tokens.

use std::process::Output;

use chinwag::{
    identity::Identity,
    model::JoinLink,
    proto::{RegisterRequest, RenewRequest},
};
use serde_json::Value;
use tonic::Status;
use tonic_types::StatusExt;

use crate::support::{
    hub::{TestHub, command},
    keyed::{connect, enter, new_key, register, register_on},
    peer::{self, Chat, Session, named},
    refusal::why,
};

/// A hub and its data directory.
struct Kept {
    hub: TestHub,
    data: tempfile::TempDir,
}

impl Kept {
    fn start(args: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let hub = TestHub::with(&[&["--data-dir", data.path().to_str().unwrap()], args].concat());
        Self { hub, data }
    }

    fn run(&self, args: &[&str]) -> Output {
        let (data, listen) = (self.data.path().to_str().unwrap(), self.hub.address().to_string());
        let mut command = command(env!("CARGO_BIN_EXE_chinwagd"));
        command.args(args).args(["--data-dir", data, "--listen", &listen]).output().unwrap()
    }

    /// Returns the output of an operator command.
    #[track_caller]
    fn keeper(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Returns the error of an operator command.
    #[track_caller]
    fn refusal(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Returns a new invitation code.
    fn invite(&self, args: &[&str]) -> String {
        let link = self.keeper(&[&["invite"], args].concat());
        let link = JoinLink::parse(&link).unwrap();
        let known = JoinLink::parse(self.hub.link()).unwrap();
        assert_eq!((link.hub, link.fingerprint), (known.hub, known.fingerprint));
        link.invite.unwrap().as_str().to_owned()
    }

    async fn invited(&self, key: &Identity, name: &str, code: &str) -> Result<Session, Status> {
        let request = RegisterRequest { invite_code: code.into(), ..named(name) };
        register(&self.hub, Some(key), request).await
    }

    async fn enter(&self, key: &Identity, name: &str) -> Result<Session, Status> {
        enter(&self.hub, key, name).await
    }

    /// Registers with a token, in plaintext.
    async fn bot(&self, token: &str, name: &str) -> Result<Session, Status> {
        register_on(peer::connect(self.hub.address()).await, Some(token), named(name)).await
    }
}

#[track_caller]
fn refused(answer: Result<Session, Status>) -> String {
    why(&answer.unwrap_err())
}

/// A session with an open stream that reports when the session ends.
struct Chatting(Session, Chat);

async fn chatting(session: Session) -> Chatting {
    let chat = session.chat().await;
    Chatting(session, chat)
}

async fn ends(Chatting(session, mut chat): Chatting) {
    assert_eq!(why(&chat.refusal().await), "Unauthenticated SESSION_ENDED");
    let renewed = session.presence().renew(RenewRequest::default()).await;
    assert_eq!(why(&renewed.unwrap_err()), "Unauthenticated SESSION_ENDED");
}

async fn is_renamed(Chatting(session, mut chat): Chatting) {
    assert_eq!(why(&chat.refusal().await), "FailedPrecondition NAME_CHANGED");
    let renewed = session.presence().renew(RenewRequest::default()).await;
    assert_eq!(why(&renewed.unwrap_err()), "Unauthenticated SESSION_ENDED");
}

/// Returns the name that a refused registration should have used.
#[track_caller]
fn new_name(answer: Result<Session, Status>) -> String {
    let status = answer.unwrap_err();
    assert_eq!(why(&status), "FailedPrecondition NAME_CHANGED");
    status.get_error_details().error_info().unwrap().metadata["name"].clone()
}

const INVITE_REQUIRED: &str = "PermissionDenied INVITE_REQUIRED";

#[tokio::test]
async fn an_invite_only_hub_admits_invited_peers() {
    let kept = Kept::start(&["--invite-only"]);
    let alice = new_key();
    assert_eq!(refused(kept.enter(&alice, "alice").await), INVITE_REQUIRED);
    assert_eq!(refused(kept.invited(&alice, "alice", "made-up").await), INVITE_REQUIRED);
    let guest = peer::register(kept.hub.address(), named("alice")).await;
    assert_eq!(refused(guest), "PermissionDenied GUESTS_REFUSED");

    let once = kept.invite(&[]);
    kept.invited(&alice, "alice", &once).await.unwrap();
    // The code is used up; members need none.
    assert_eq!(refused(kept.invited(&new_key(), "bob", &once).await), INVITE_REQUIRED);
    kept.enter(&alice, "alice").await.unwrap();
    kept.enter(&alice, "alice-at-work").await.unwrap();

    let twice = kept.invite(&["--uses", "2"]);
    // A refused registration does not use up the code.
    let taken = refused(kept.invited(&new_key(), "alice", &twice).await);
    assert_eq!(taken, "AlreadyExists NAME_TAKEN");
    kept.invited(&new_key(), "bob", &twice).await.unwrap();
    kept.invited(&new_key(), "carol", &twice).await.unwrap();
    assert_eq!(refused(kept.invited(&new_key(), "dave", &twice).await), INVITE_REQUIRED);

    let late = kept.invite(&["--expires", "0s"]);
    assert_eq!(refused(kept.invited(&new_key(), "dave", &late).await), INVITE_REQUIRED);
    let bad = refused(kept.invited(&new_key(), "dave", "no code").await);
    assert_eq!(bad, "InvalidArgument INVALID_FIELD invite_code");
}

#[tokio::test]
async fn a_removed_member_leaves_at_once_and_returns_by_invitation() {
    let kept = Kept::start(&[]);
    let mallory = new_key();
    let session = chatting(kept.enter(&mallory, "mallory").await.unwrap()).await;
    kept.enter(&mallory, "mallory-too").await.unwrap();
    let before = kept.invite(&["--uses", "50"]);
    let said = kept.keeper(&["remove", "mallory"]);
    assert_eq!(said, "removed mallory\nremoved mallory-too");
    ends(session).await;
    for name in ["mallory", "mallory-too", "somebody"] {
        assert_eq!(refused(kept.enter(&mallory, name).await), "PermissionDenied REMOVED");
    }
    let code = kept.invite(&[]);
    // An invitation from before the removal does not undo it.
    for other in ["unknown", &before] {
        let other = kept.invited(&mallory, "mallory", other).await;
        assert_eq!(refused(other), INVITE_REQUIRED);
    }
    kept.invited(&mallory, "mallory", &code).await.unwrap();
    kept.enter(&new_key(), "mallory-too").await.unwrap();
    assert!(kept.refusal(&["remove", "nobody"]).contains("no member is named nobody"));
}

#[tokio::test]
async fn a_member_is_renamed() {
    let kept = Kept::start(&[]);
    let (alice, bob) = (new_key(), new_key());
    let session = chatting(kept.enter(&alice, "alice").await.unwrap()).await;
    kept.enter(&bob, "bob").await.unwrap();
    assert!(kept.refusal(&["rename", "alice", "bob"]).contains("the name bob is taken"));
    // A guest with the new name is removed.
    let guest = chatting(Session::of(kept.hub.address(), "alicia").await).await;
    kept.keeper(&["rename", "alice", "alicia"]);
    is_renamed(session).await;
    ends(guest).await;
    // The old name is free, but its former owner cannot take it back, and is told the new one.
    assert_eq!(new_name(kept.enter(&alice, "alice").await), "alicia");
    let session = chatting(kept.enter(&alice, "alicia").await.unwrap()).await;
    kept.enter(&bob, "alice").await.unwrap();
    assert_eq!(new_name(kept.enter(&alice, "alice").await), "alicia");
    // A name may change to a similar one, and several times.
    kept.keeper(&["rename", "alicia", "a1icia"]);
    is_renamed(session).await;
    for former in ["alice", "alicia"] {
        assert_eq!(new_name(kept.enter(&alice, former).await), "a1icia");
    }
    let session = chatting(kept.enter(&alice, "a1icia").await.unwrap()).await;
    // Back again.
    kept.keeper(&["rename", "a1icia", "alicia"]);
    is_renamed(session).await;
    kept.enter(&alice, "alicia").await.unwrap();
    assert_eq!(new_name(kept.enter(&alice, "alice").await), "alicia");
    // Who was removed has no name to be told.
    kept.keeper(&["remove", "alicia"]);
    assert_eq!(refused(kept.enter(&alice, "alice").await), "AlreadyExists NAME_TAKEN");
}

#[tokio::test]
async fn a_bot_that_was_renamed_is_told_its_name() {
    let kept = Kept::start(&[]);
    let token = kept.keeper(&["token", "robot"]);
    let robot = chatting(kept.bot(&token, "robot").await.unwrap()).await;
    kept.keeper(&["rename", "robot", "android"]);
    is_renamed(robot).await;
    assert_eq!(new_name(kept.bot(&token, "robot").await), "android");
    kept.bot(&token, "android").await.unwrap();
}

#[tokio::test]
async fn a_bot_is_identified_by_its_token() {
    let kept = Kept::start(&["--guests", "never"]);
    let token = kept.keeper(&["token", "robot"]);
    let robot = kept.bot(&token, "robot").await.unwrap();
    let seen = robot.registered.peer.clone().unwrap();
    assert!(!seen.guest && seen.certificate.is_empty(), "{seen:?}");
    kept.bot(&token, "robot").await.unwrap();
    // Also over TLS, with any key.
    let keyed = connect(&kept.hub, Some(&new_key()));
    register_on(keyed, Some(&token), named("robot")).await.unwrap();

    assert_eq!(refused(kept.enter(&new_key(), "robot").await), "AlreadyExists NAME_TAKEN");
    let other = refused(kept.bot(&token, "human").await);
    assert_eq!(other, "InvalidArgument INVALID_FIELD name");
    // A session of the bot has no more rights than its token.
    let session = robot.registered.token.clone();
    assert_eq!(refused(kept.bot(&session, "human").await), "Unauthenticated TOKEN_REFUSED");
    let replacing = RegisterRequest { replace_token: session, ..named("human") };
    let other = refused(peer::register(kept.hub.address(), replacing).await);
    assert_eq!(other, "InvalidArgument INVALID_FIELD name");
    for wrong in [format!("{token}x"), "robot".into(), "chinwag-bot~".into()] {
        assert_eq!(refused(kept.bot(&wrong, "robot").await), "Unauthenticated TOKEN_REFUSED");
    }

    // A new token replaces the old one.
    let robot = chatting(robot).await;
    let newer = kept.keeper(&["token", "robot"]);
    ends(robot).await;
    assert_eq!(refused(kept.bot(&token, "robot").await), "PermissionDenied REMOVED");
    let robot = chatting(kept.bot(&newer, "robot").await.unwrap()).await;
    kept.keeper(&["token", "--revoke", "robot"]);
    ends(robot).await;
    assert_eq!(refused(kept.bot(&newer, "robot").await), "PermissionDenied REMOVED");
    kept.enter(&new_key(), "robot").await.unwrap();
    assert!(kept.refusal(&["token", "robot"]).contains("the name robot is taken"));
    assert!(kept.refusal(&["token", "--revoke", "robot"]).contains("no member is named robot"));
}

#[tokio::test]
async fn the_operator_lists_members() {
    let kept = Kept::start(&[]);
    let alice = new_key();
    kept.enter(&alice, "alice").await.unwrap();
    let token = kept.keeper(&["token", "robot"]);
    let printed = kept.keeper(&["members", "--json"]);
    let lines: Vec<Value> = printed.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let of = |line: &Value| ["name", "kind", "fingerprint"].map(|field| line[field].clone());
    let fingerprint = alice.fingerprint().to_string();
    assert_eq!(of(&lines[0]), [Value::from("alice"), "key".into(), fingerprint.clone().into()]);
    assert_eq!(of(&lines[1]), [Value::from("robot"), "bot".into(), Value::Null]);
    let printed = kept.keeper(&["members"]);
    let first = printed.lines().next().unwrap();
    assert!(first.starts_with("alice  20") && first.ends_with(&fingerprint), "{first}");
    // Secrets are stored as hashes only.
    let code = kept.invite(&[]);
    for entry in std::fs::read_dir(kept.data.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let holds =
            |secret: &str| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!holds(&code) && !holds(&token));
    }
}

/// Only the operator may read messages and members, whatever the umask is.
#[cfg(unix)]
#[tokio::test]
async fn the_databases_are_closed_to_other_users() {
    use std::os::unix::fs::PermissionsExt;
    let kept = Kept::start(&[]);
    kept.enter(&new_key(), "alice").await.unwrap();
    kept.keeper(&["members"]);
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(kept.data.path()).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name.contains(".db") {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{name}");
            seen.push(name);
        }
    }
    for name in ["log.db", "log.db-wal", "members.db", "search.db"] {
        assert!(seen.iter().any(|seen| seen == name), "{name}: {seen:?}");
    }
}

#[test]
fn a_new_hub_prints_the_next_steps() {
    let mut kept = Kept::start(&["--invite-only"]);
    let (status, rest) = kept.hub.terminate();
    let invite = format!("chinwagd invite --data-dir {:?}", kept.data.path());
    assert!(status.success());
    assert_eq!(rest, [format!("newcomers need an invitation: `{invite}`")]);

    let hint = "if others reach the hub elsewhere, set --advertise HOST:PORT";
    let here = TestHub::start();
    assert!(!here.log().contains(hint), "on this machine alone");
    let everywhere = TestHub::at("0.0.0.0:0", &["--ephemeral"]);
    assert!(everywhere.log().contains("chinwagd: the link has the address "));
    assert!(everywhere.log().contains(hint), "{}", everywhere.log());
    for args in [&["--advertise", "hub.example:1"][..], &["--log-format", "json"]] {
        let hub = TestHub::at("0.0.0.0:0", &[&["--ephemeral"], args].concat());
        assert!(!hub.log().contains(hint), "{args:?}");
    }
}

#[tokio::test]
async fn the_join_link_is_printed_again() {
    let kept = Kept::start(&[]);
    assert_eq!(kept.keeper(&["link"]), kept.hub.link());
    // The hub has written its address to the data directory.
    let data = kept.data.path().to_str().unwrap();
    let chinwagd =
        |args: &[&str]| command(env!("CARGO_BIN_EXE_chinwagd")).args(args).output().unwrap();
    let output = chinwagd(&["link", "--data-dir", data]);
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), kept.hub.link());
    // A wrong path does not create another hub.
    let nowhere = tempfile::tempdir().unwrap();
    let place = nowhere.path().join("nowhere");
    for task in [&["link"][..], &["invite"], &["members"], &["remove", "bob"], &["token", "bob"]] {
        let output = chinwagd(&[task, &["--data-dir", place.to_str().unwrap()]].concat());
        assert_eq!(output.status.code(), Some(1), "{task:?}: {output:?}");
        assert!(!place.exists(), "{task:?}");
    }
    let elsewhere = kept.keeper(&["link", "--advertise", "hub.example:443"]);
    assert!(elsewhere.starts_with("chinwag://hub.example:443#"), "{elsewhere}");
    let output = command(env!("CARGO_BIN_EXE_chinwagd")).args(["--ephemeral", "link"]).output();
    assert_eq!(output.unwrap().status.code(), Some(2));
}

/// A week counts in hours that the hub ran. What each name was last used for is kept on the disk.
#[tokio::test]
async fn names_that_nobody_uses_are_freed() {
    let mut kept = Kept::start(&["--name-expiry", "7d"]);
    let [gone, here, other] = [(); 3].map(|()| new_key());
    enter(&kept.hub, &gone, "gone").await.unwrap();
    enter(&kept.hub, &here, "here").await.unwrap();
    let restart_after = |kept: &mut Kept, hours: i64| {
        kept.hub.kill9();
        let list = rusqlite::Connection::open(kept.data.path().join("members.db")).unwrap();
        list.execute("UPDATE uptime SET hours = hours + ?1", [hours]).unwrap();
        drop(list);
        kept.hub.restart();
    };
    restart_after(&mut kept, 100);
    enter(&kept.hub, &here, "here").await.unwrap();
    assert!(kept.keeper(&["members"]).contains("gone"));
    restart_after(&mut kept, 69);
    kept.hub.log_with("freed names that nobody used");
    let members = kept.keeper(&["members"]);
    assert!(members.contains("here") && !members.contains("gone"), "{members}");
    enter(&kept.hub, &other, "gone").await.unwrap();
    let late = enter(&kept.hub, &gone, "gone").await.unwrap_err();
    assert_eq!(why(&late), "AlreadyExists NAME_TAKEN");

    for wrong in [&["--name-expiry", "6d"][..], &["--name-expiry", "7d", "--invite-only"]] {
        let said = TestHub::try_start(&[&["--ephemeral"], wrong].concat(), &[]).unwrap_err();
        assert!(said.contains("name_expiry"), "{said}");
    }
}
