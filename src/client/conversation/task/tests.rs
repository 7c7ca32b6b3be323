//! Messages that wait for room.

use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;

use super::*;
use crate::{
    client::{contact_store::ContactStore, direct_history::DirectHistory, received::Verification},
    model::{Endpoint, Text},
};

fn name(raw: &str) -> Name {
    Name::parse(raw).unwrap()
}

fn message() -> DirectMessage {
    let text = Text::parse("hello").unwrap();
    DirectMessage { id: MessageId::new(), sender: name("sova"), sent_at: None, text }
}

/// A conversation whose reader has room for one message.
struct Scene {
    send: mpsc::Sender<ConverseEvent>,
    answers: ReceiverStream<Result<ConverseEvent, Status>>,
    unread: mpsc::Receiver<ConversationEvent>,
    _line: Line,
    _tasks: JoinSet<()>,
}

fn scene() -> Scene {
    let (outgoing, answers) = super::super::outgoing();
    let (line, commands) = Line::new(name("sova"), None);
    let (events, unread) = mpsc::channel(1);
    let contacts =
        ContactStore::new(Endpoint::parse("127.0.0.1:1").unwrap(), name("buzz"), None, None);
    let history = DirectHistory::off(contacts.clone());
    let (inbox, _) = Inbox::new(name("buzz"), None, None, history);
    let trust = PeerTrust::new(contacts, name("sova"), Verification::Unverified(None));
    let consumer = Consumer::Caller(events);
    let task =
        ConversationTask::new(name("sova"), trust, None, inbox, consumer, outgoing, commands);
    let (send, incoming) = mpsc::channel(3);
    let incoming = ReceiverStream::new(incoming).map(|event| Ok(Some(event)));
    let mut tasks = JoinSet::new();
    tasks.spawn(task.run(incoming, CancellationToken::new()));
    Scene { send, answers, unread, _line: line, _tasks: tasks }
}

/// Time is paused: when nothing else can happen it jumps to the next timeout.
#[tokio::test(start_paused = true)]
async fn a_message_waits_for_room_and_is_refused_if_nobody_reads() {
    let Scene { send, mut answers, mut unread, _line, _tasks } = scene();
    let messages = [message(), message(), message()];
    for message in &messages {
        send.send(ConverseEvent::Message(message.into())).await.unwrap();
    }
    let began = Instant::now();
    let mut receipt = async |of: &DirectMessage| match answers.next().await {
        Some(Ok(ConverseEvent::Receipt(receipt))) => assert_eq!(receipt.id, of.id.to_string()),
        other => panic!("not a receipt: {other:?}"),
    };
    receipt(&messages[0]).await;
    assert!(matches!(unread.recv().await, Some(ConversationEvent::Message(_))));
    // There is room for it only now.
    receipt(&messages[1]).await;
    assert_eq!(began.elapsed(), std::time::Duration::ZERO);
    match answers.next().await {
        Some(Ok(ConverseEvent::Refused(refused))) => {
            assert_eq!(refused.id, messages[2].id.to_string());
            assert_eq!(refused.refusal.unwrap().reason, "INBOX_FULL");
        }
        other => panic!("not refused: {other:?}"),
    }
    assert_eq!(began.elapsed(), ROOM_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn an_invalid_message_is_not_held() {
    let Scene { send, mut answers, unread: _unread, _line, _tasks } = scene();
    let began = Instant::now();
    // The first takes the only room, the second waits for some, and the third is invalid: the size
    // of its sender is not counted.
    let large = proto::DirectMessage { sender: "x".repeat(200 * 1024), ..(&message()).into() };
    for message in [(&message()).into(), (&message()).into(), large.clone()] {
        send.send(ConverseEvent::Message(message)).await.unwrap();
    }
    assert!(matches!(answers.next().await, Some(Ok(ConverseEvent::Receipt(_)))));
    match answers.next().await {
        Some(Ok(ConverseEvent::Refused(refused))) => assert_eq!(refused.id, large.id),
        other => panic!("not refused: {other:?}"),
    }
    assert_eq!(began.elapsed(), std::time::Duration::ZERO);
}

#[test]
fn the_other_side_is_told_why_unless_the_stream_broke() {
    let (peer, cause) = (name("sova"), "connection reset".into());
    let broken = Error::PeerUnreachable { peer: peer.to_string(), cause };
    assert!(Cause::Failed(broken).status(&peer).is_none());
    let blocked = Cause::Failed(Error::Blocked(peer.clone())).status(&peer);
    assert_eq!(blocked.unwrap().code(), Code::PermissionDenied);
}
