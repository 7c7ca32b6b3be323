//! `chinwagd rename` while the member chats: everything goes on under the new name.

use chinwag::{
    client::{Client, ConversationEvent, Event, Events, PageRequest},
    model::RoomName,
};
use serde_json::Value;

use crate::support::{
    cli::Running,
    hub::{TestHub, command},
    library::{name, options, text},
    person::Person,
    within::{PATIENCE, within},
};

/// A hub and its data directory.
struct Kept(TestHub, tempfile::TempDir);

impl Kept {
    fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        Self(TestHub::with(&["--data-dir", data.path().to_str().unwrap()]), data)
    }

    fn rename(&self, old: &str, new: &str) {
        let data = self.1.path().to_str().unwrap();
        let mut rename = command(env!("CARGO_BIN_EXE_chinwagd"));
        let output = rename.args(["rename", old, new, "--data-dir", data]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

const NOTICE: &str = "you are w61 now, and not w60";

/// Returns the output up to a line with this text.
fn until(chat: &Running, wanted: &str) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        lines.push(chat.line());
        if lines.last().unwrap().contains(wanted) {
            return lines;
        }
    }
}

#[test]
fn a_chat_goes_on() {
    let hub = Kept::start();
    let w60 = Person::new(&hub.0, "w60");
    let mut chat = w60.start(&["chat"]);
    chat.write(b"before\n");
    until(&chat, "w60: before");
    hub.rename("w60", "w61");
    let mut said = until(&chat, NOTICE);
    chat.write(b"after\n");
    said.extend(until(&chat, "w61: after"));
    assert!(
        !said.iter().any(|line| line.contains("the hub is") || line.contains("on the hub")),
        "{said:?}"
    );
    // The next one with the name before is told, and goes on as well.
    let mut late = w60.start(&["chat"]);
    until(&late, NOTICE);
    late.write(b"late\n");
    until(&chat, "w61: late");
}

#[test]
fn a_bot_goes_on() {
    let hub = Kept::start();
    let (w60, sova) = (Person::new(&hub.0, "w60"), Person::new(&hub.0, "sova"));
    let bot = w60.start(&["on", "--room", "lobby", "--run", "echo pong", "--count", "1"]);
    bot.complaint_of("w60 listens to");
    hub.rename("w60", "w61");
    bot.complaint_of(NOTICE);
    sova.run(&["post", "lobby", "ping"]).done();
    bot.end().done();
    let history = sova.run(&["history", "lobby", "--json"]).objects();
    let said = |message: &Value| format!("{}: {}", message["sender"], message["text"]);
    let said: Vec<_> = history.iter().map(said).collect();
    assert_eq!(said, ["\"sova\": \"ping\"", "\"w61\": \"pong\""]);
}

async fn next(events: &mut Events) -> Event {
    within(PATIENCE, "an event", events.next()).await.expect("the client has stopped")
}

/// Starts a listed client that takes direct messages.
async fn start(home: &std::path::Path, hub: &TestHub, who: &str) -> (Client, Events) {
    let options = options(home, hub.address(), who).status(Default::default());
    Client::start(options.listen("127.0.0.1:0".parse().unwrap())).await.unwrap()
}

#[tokio::test]
async fn direct_messages_come_from_the_new_name_and_queued_ones_are_delivered() {
    let hub = Kept::start();
    let homes = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let (w60, mut events) = start(homes[0].path(), &hub.0, "w60").await;
    assert!(matches!(next(&mut events).await, Event::Connected));
    let (sova, mut heard) = start(homes[1].path(), &hub.0, "sova").await;
    let mut conversation = w60.converse(&name("sova")).await.unwrap();
    w60.send(&name("dana"), text("for later")).durable().await.unwrap();

    hub.rename("w60", "w61");
    // No loss of the hub is reported.
    assert!(matches!(next(&mut events).await, Event::Connected));
    let Event::Renamed { from, to } = next(&mut events).await else { panic!("not renamed") };
    assert_eq!((from, to, w60.name()), (name("w60"), name("w61"), name("w61")));
    w60.post(RoomName::lobby(), text("here")).await.unwrap();
    let said = sova.messages(RoomName::lobby(), PageRequest::default()).await.unwrap().items;
    assert_eq!((&said[0].sender, said[0].text.as_str()), (&name("w61"), "here"));

    // The peer knows the conversation by the name before.
    let closed = within(PATIENCE, "the end of the conversation", conversation.next()).await;
    assert!(matches!(closed, None | Some(ConversationEvent::Closed { .. })), "{closed:?}");
    w60.send(&name("sova"), text("it is me")).await.unwrap();
    let from = loop {
        if let Event::Direct(direct) = next(&mut heard).await {
            break direct.message.sender;
        }
    };
    assert_eq!(from, name("w61"));
    sova.send(&name("w61"), text("I see")).await.unwrap();

    assert_eq!(w60.queued().await.unwrap().len(), 1);
    let (_dana, mut heard) = start(homes[2].path(), &hub.0, "dana").await;
    let kept = loop {
        if let Event::Direct(direct) = next(&mut heard).await {
            break direct.message;
        }
    };
    assert_eq!((kept.sender, kept.text.as_str()), (name("w61"), "for later"));
}
