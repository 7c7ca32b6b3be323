//! Messages that wait for a place.

use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;

use super::*;
use crate::{
    client::{contact_store::ContactStore, events::Verification},
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
    say: mpsc::Sender<Said>,
    answers: ReceiverStream<Result<Said, Status>>,
    unread: mpsc::Receiver<ConversationEvent>,
    _line: Line,
    _tasks: JoinSet<()>,
}

fn scene() -> Scene {
    let (inbox, _) = Inbox::new(name("buzz"), None, None);
    let (wire, answers) = super::super::wire();
    let (line, asked) = Line::new(name("sova"), None);
    let (told, unread) = mpsc::channel(1);
    let people =
        ContactStore::new(Endpoint::parse("127.0.0.1:1").unwrap(), name("buzz"), None, None);
    let known = PeerTrust::new(people, name("sova"), Verification::Unverified(None));
    let talk = Talk::new(name("sova"), known, None, inbox, Audience::Caller(told), wire, asked);
    let (say, heard) = mpsc::channel(3);
    let heard = ReceiverStream::new(heard).map(|said| Ok(Some(said)));
    let mut tasks = JoinSet::new();
    tasks.spawn(talk.run(heard, CancellationToken::new()));
    Scene { say, answers, unread, _line: line, _tasks: tasks }
}

/// Real time does not pass here: where nothing else can happen it jumps to the next timeout.
#[tokio::test(start_paused = true)]
async fn a_message_waits_for_a_place_and_is_refused_where_nobody_reads() {
    let Scene { say, mut answers, mut unread, _line, _tasks } = scene();
    let messages = [message(), message(), message()];
    for message in &messages {
        say.send(Said::Message(message.into())).await.unwrap();
    }
    let began = Instant::now();
    let mut receipt = async |of: &DirectMessage| match answers.next().await {
        Some(Ok(Said::Receipt(receipt))) => assert_eq!(receipt.id, of.id.to_string()),
        other => panic!("not a receipt: {other:?}"),
    };
    receipt(&messages[0]).await;
    assert!(matches!(unread.recv().await, Some(ConversationEvent::Message(_))));
    // It found its place only now.
    receipt(&messages[1]).await;
    assert_eq!(began.elapsed(), std::time::Duration::ZERO);
    match answers.next().await {
        Some(Ok(Said::Refused(refused))) => {
            assert_eq!(refused.id, messages[2].id.to_string());
            assert_eq!(refused.refusal.unwrap().reason, "INBOX_FULL");
        }
        other => panic!("not refused: {other:?}"),
    }
    assert_eq!(began.elapsed(), PLACE_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_accepted_is_not_held() {
    let Scene { say, mut answers, unread: _unread, _line, _tasks } = scene();
    let began = Instant::now();
    // The first has the only place, the second waits for one, and the third is large where nobody
    // counts.
    let large = proto::DirectMessage { sender: "x".repeat(200 * 1024), ..(&message()).into() };
    for message in [(&message()).into(), (&message()).into(), large.clone()] {
        say.send(Said::Message(message)).await.unwrap();
    }
    assert!(matches!(answers.next().await, Some(Ok(Said::Receipt(_)))));
    match answers.next().await {
        Some(Ok(Said::Refused(refused))) => assert_eq!(refused.id, large.id),
        other => panic!("not refused: {other:?}"),
    }
    assert_eq!(began.elapsed(), std::time::Duration::ZERO);
}
