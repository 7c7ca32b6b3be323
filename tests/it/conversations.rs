//! Conversations (live connections between two peers): between clients, and with callers that have
//! only generated stubs.

use crate::support::{
    direct_line::{client, direct, message, next, quiet_hub, stub, text, to},
    fake_hub::{self, name},
    within::{PATIENCE, within},
};
use chinwag::{
    client::{Client, ConversationEvent, Error, Event},
    error::Reason,
    proto::{
        self, ConverseRequest, ConverseResponse, converse_request::Event as Said,
        converse_response::Event as Heard,
    },
    wire,
};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

/// A caller in a conversation, with generated stubs only.
struct RawCaller {
    say: mpsc::Sender<ConverseRequest>,
    heard: Streaming<ConverseResponse>,
}

impl RawCaller {
    async fn call(client: &Client) -> Self {
        let (say, said) = mpsc::channel(16);
        let heard = stub(client).converse(ReceiverStream::new(said)).await.unwrap().into_inner();
        Self { say, heard }
    }

    async fn greeted(client: &Client) -> Self {
        let mut caller = Self::call(client).await;
        caller.say(hello("")).await;
        assert!(matches!(caller.hear().await, Heard::Hello(hello) if hello.name == "buzz"));
        caller
    }

    async fn say(&self, event: Said) {
        self.say.send(ConverseRequest { event: Some(event) }).await.unwrap();
    }

    async fn hear(&mut self) -> Heard {
        let heard = within(PATIENCE, "an event of the conversation", self.heard.message()).await;
        heard.unwrap().unwrap().event.unwrap()
    }

    async fn end(&mut self) -> Status {
        within(PATIENCE, "the end of the conversation", self.heard.message()).await.unwrap_err()
    }
}

fn hello(receiver: &str) -> Said {
    Said::Hello(proto::Hello { name: "sova".into(), receiver: receiver.into() })
}

#[tokio::test]
async fn a_conversation_carries_everything_both_ways() {
    let (hub, _quiet) = quiet_hub().await;
    let (sova, _sova_events) = client(&hub, "sova").await;
    let (buzz, mut buzz_events) = client(&hub, "buzz").await;
    let mut talk = sova.converse(&name("buzz")).await.unwrap();
    let line = match next(&mut buzz_events).await {
        Event::Conversation { line, event: ConversationEvent::Opened } => line,
        other => panic!("not a beginning: {other:?}"),
    };
    assert_eq!((line.peer(), line.from().is_some()), (&name("sova"), true));

    let receipt = talk.send(text("hi")).await.unwrap();
    assert_eq!(receipt.receiver, name("buzz"));
    assert_eq!(direct(&mut buzz_events).await, "sova: hi");
    line.mark_read(receipt.id);
    line.typing(true);
    let answer = line.send(text("hello yourself")).await.unwrap();
    assert_eq!(answer.receiver, name("sova"));
    let mut heard = async || within(PATIENCE, "an event", talk.next()).await.unwrap();
    assert_eq!(heard().await, ConversationEvent::Read(receipt.id));
    assert_eq!(heard().await, ConversationEvent::Typing(true));
    assert!(matches!(heard().await, ConversationEvent::Message(direct)
        if direct.message.text.as_str() == "hello yourself" && direct.message.id == answer.id));
    talk.mark_read(answer.id);
    talk.typing(false);
    for expected in [ConversationEvent::Read(answer.id), ConversationEvent::Typing(false)] {
        match next(&mut buzz_events).await {
            Event::Conversation { event, .. } => assert_eq!(event, expected),
            other => panic!("not of the conversation: {other:?}"),
        }
    }

    // Closing the conversation is not an error.
    drop(talk);
    match next(&mut buzz_events).await {
        Event::Conversation { event, .. } => {
            assert_eq!(event, ConversationEvent::Closed { cause: None });
        }
        other => panic!("not of the conversation: {other:?}"),
    }
    let over = line.send(text("anybody?")).await;
    assert!(matches!(over, Err(Error::PeerUnreachable { .. })), "{over:?}");
    drop(buzz);
}

#[tokio::test]
async fn both_sides_may_send_at_once_without_limit() {
    const MANY: usize = 300;
    let (hub, _quiet) = quiet_hub().await;
    let (sova, _sova_events) = client(&hub, "sova").await;
    let (_buzz, mut buzz_events) = client(&hub, "buzz").await;
    let mut talk = sova.converse(&name("buzz")).await.unwrap();
    let there = talk.line().clone();
    let back = match next(&mut buzz_events).await {
        Event::Conversation { line, .. } => line,
        other => panic!("not a beginning: {other:?}"),
    };
    let long = "x".repeat(16 * 1024);
    let mut senders = JoinSet::new();
    for line in [there, back] {
        for _ in 0..MANY {
            let (line, said) = (line.clone(), text(&long));
            senders.spawn(async move { line.send(said).await });
        }
    }
    let read = async {
        for _ in 0..MANY {
            direct(&mut buzz_events).await;
        }
    };
    let read_back = async {
        let mut messages = 0;
        while messages < MANY {
            messages +=
                usize::from(matches!(talk.next().await, Some(ConversationEvent::Message(_))));
        }
    };
    let all = async { tokio::join!(read, read_back, senders.join_all()) };
    let ((), (), receipts) = within(PATIENCE, "the end of all", all).await;
    assert!(receipts.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_refused_message_does_not_end_the_conversation() {
    let (hub, _quiet) = quiet_hub().await;
    let (buzz, mut events) = client(&hub, "buzz").await;
    let mut caller = RawCaller::greeted(&buzz).await;
    assert!(matches!(next(&mut events).await, Event::Conversation { .. }));
    let empty = message("sova", "");
    let disguised = message("colt", "it is me");
    for (wrong, field) in [(empty, "message.text"), (disguised, "message.sender")] {
        caller.say(Said::Message(wrong.clone())).await;
        match caller.hear().await {
            Heard::Refused(refused) => {
                assert_eq!(refused.id, wrong.id);
                assert_eq!(refused.refusal.unwrap().field_violations[0].field, field);
            }
            other => panic!("not refused: {other:?}"),
        }
    }
    // An event of a later protocol version.
    caller.say.send(ConverseRequest { event: None }).await.unwrap();
    let good = message("sova", "hello");
    for duplicate in [false, true] {
        caller.say(Said::Message(good.clone())).await;
        match caller.hear().await {
            Heard::Receipt(receipt) => {
                assert_eq!((receipt.id, receipt.duplicate), (good.id.clone(), duplicate))
            }
            other => panic!("not a receipt: {other:?}"),
        }
    }
    // A message is deduplicated over both rpcs.
    let again = stub(&buzz).send(to("buzz", &good)).await.unwrap().into_inner();
    assert!(again.receipt.unwrap().duplicate);
    assert_eq!(direct(&mut events).await, "sova: hello");
}

#[tokio::test]
async fn a_peer_can_refuse_a_message_of_a_conversation() {
    let (hub, _quiet) = quiet_hub().await;
    let (buzz, mut events) = client(&hub, "buzz").await;
    let mut caller = RawCaller::greeted(&buzz).await;
    let line = match next(&mut events).await {
        Event::Conversation { line, .. } => line,
        other => panic!("not a beginning: {other:?}"),
    };
    let refuse = async {
        let Heard::Message(message) = caller.hear().await else { panic!("not a message") };
        let refusal = Some(fake_hub::refusal(Code::ResourceExhausted, "INBOX_FULL", None));
        caller.say(Said::Refused(proto::MessageRefused { id: message.id, refusal })).await;
    };
    let (refused, ()) = tokio::join!(line.send(text("hello")), refuse);
    assert!(matches!(refused, Err(Error::Refused(why)) if why.reason == Reason::InboxFull));
}

#[tokio::test]
async fn garbage_ends_its_own_stream_only() {
    let (hub, _quiet) = quiet_hub().await;
    let (buzz, mut events) = client(&hub, "buzz").await;
    let mut good = RawCaller::greeted(&buzz).await;
    assert!(matches!(next(&mut events).await, Event::Conversation { .. }));

    let first = [
        Said::Typing(proto::Typing { active: true }),
        Said::Hello(proto::Hello { name: "no name".into(), receiver: String::new() }),
        hello("no name"),
    ];
    for first in first {
        let mut caller = RawCaller::call(&buzz).await;
        caller.say(first).await;
        assert_eq!(caller.end().await.code(), Code::InvalidArgument);
    }
    let mut lost = RawCaller::call(&buzz).await;
    lost.say(hello("eve")).await;
    assert_eq!(wire::refused(&lost.end().await).reason, Reason::WrongReceiver);

    let later = [
        hello(""),
        Said::Message(proto::DirectMessage::default()),
        Said::Read(proto::ReadMark { id: "?".into() }),
        Said::Receipt(proto::Receipt::default()),
        Said::Refused(proto::MessageRefused::default()),
    ];
    for garbage in later {
        let mut caller = RawCaller::greeted(&buzz).await;
        caller.say(garbage).await;
        assert_eq!(caller.end().await.code(), Code::InvalidArgument);
    }

    good.say(Said::Message(message("sova", "still here"))).await;
    assert!(matches!(good.hear().await, Heard::Receipt(_)));
    loop {
        match next(&mut events).await {
            Event::Direct(direct) => break assert_eq!(direct.message.text.as_str(), "still here"),
            Event::Conversation { .. } => {}
            other => panic!("not of a conversation: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_stopping_client_closes_its_conversations_with_a_cause() {
    let (hub, _quiet) = quiet_hub().await;
    let (sova, _sova_events) = client(&hub, "sova").await;
    let (buzz, _buzz_events) = client(&hub, "buzz").await;
    let mut talk = sova.converse(&name("buzz")).await.unwrap();
    within(PATIENCE, "the stop", buzz.stop()).await;
    match within(PATIENCE, "the end", talk.next()).await.unwrap() {
        ConversationEvent::Closed { cause } => assert_eq!(cause.as_deref(), Some("shutting down")),
        other => panic!("not the end: {other:?}"),
    }
    assert!(talk.next().await.is_none());
}
