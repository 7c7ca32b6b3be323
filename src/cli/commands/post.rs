//! `chinwag post`: a text, or every line of standard input, to a room.
//!
//! The first word is always the room, as it is always the name in `send`: what a word means must not
//! depend on how many there are, or on where standard input comes from.

use std::{collections::VecDeque, pin::Pin};

use tokio_util::sync::CancellationToken;

use super::{CommandEvents, join_words, said, with_client};
use crate::{
    cli::{
        failure::{self, Failure},
        options::Settings,
        output::{Output, complain, tell},
        stdin, terminal,
    },
    client::{Client, Error, Event},
    model::{Posted, RoomName, Start, Text},
};

/// Lines that are posted and not acknowledged yet: enough to keep a distant hub busy.
const WINDOW: usize = 256;

/// What is there to be said of a text that is missing.
const SAY_SOMETHING: &str = "the text stands behind the room, as in `chinwag post lobby hello`, or \
                             comes on standard input, a line a post";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Room to post to [default: that of --room]
    #[arg(value_name = "ROOM", value_parser = room)]
    to: Option<RoomName>,
    /// Words of the message; without any, each line of standard input is posted as a message, except
    /// blank lines
    text: Vec<String>,
    /// Print one JSON object per post, once it is stored
    #[arg(long)]
    json: bool,
    /// Whether --room is on the command line
    #[arg(skip)]
    pub(crate) room_is_said: bool,
}

pub(crate) async fn run(
    args: Args,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let room = args.to.as_ref().unwrap_or_else(|| settings.room()).clone();
    if args.room_is_said && room != *settings.room() {
        return Err(Failure::Usage(format!(
            "the first word of post is the room, here {room}: leave out --room, or say \
             `chinwag post {} {room} …`",
            settings.room()
        )));
    }
    let text = match args.text.is_empty() {
        true if terminal::nothing_comes_in() => {
            return Err(Failure::Usage(format!("nothing to post to {room}: {SAY_SOMETHING}")));
        }
        true => None,
        false => Some(said(join_words(&args.text))?),
    };
    let mut options = settings.invisible()?;
    options.rooms = vec![(room.clone(), Start::Head)];

    let out = Output::new(args.json);
    with_client(options, out, stop, async |client, happenings, out| {
        let posting = async {
            match text {
                Some(text) => Ok(out.only_json(&client.post(room, text).await?).await?),
                None => post_lines(&client, &room, out).await,
            }
        };
        tokio::select! {
            biased;
            failure = watch(happenings) => Err(failure),
            done = posting => done,
        }
    })
    .await
}

fn room(raw: &str) -> Result<RoomName, String> {
    RoomName::parse(raw).map_err(|problem| format!("{problem}; {SAY_SOMETHING}"))
}

/// Lets events pass, and says where the room is a new one: a slip of the fingers makes one, too.
async fn watch(mut happenings: CommandEvents) -> Failure {
    loop {
        match happenings.next().await {
            Ok(Event::Joined { room, head }) if head.seq == 0 && room != RoomName::lobby() => {
                tell(&format!("{room} is a new room: nobody has posted to it before"));
            }
            Ok(_) => {}
            Err(failure) => return failure,
        }
    }
}

async fn post_lines(client: &Client, room: &RoomName, out: &Output) -> Result<(), Failure> {
    let mut lines = stdin::lines();
    let mut batch = Batch { client, room, posts: VecDeque::new(), lines: 0, refused: 0 };
    let mut ended = false;
    while !ended || !batch.posts.is_empty() {
        tokio::select! {
            line = lines.recv(), if !ended && batch.posts.len() < WINDOW => match line {
                None => ended = true,
                Some(Ok(line)) => batch.post(line).await?,
                Some(Err(error)) => {
                    return Err(Failure::Other(format!("cannot read standard input: {error}")));
                }
            },
            Some((number, done)) = first(&mut batch.posts) => {
                batch.answered(number, done, out).await?;
            }
        }
    }
    if batch.lines == 0 {
        tell(&format!("nothing was posted to {room}: standard input had no lines"));
    }
    match batch.refused {
        0 => Ok(()),
        refused => {
            Err(Failure::Other(format!("{refused} of {} lines were not posted", batch.lines)))
        }
    }
}

/// A line on its way, by its number, and what comes of it.
type Post = (u64, Pin<Box<dyn Future<Output = Result<Posted, Error>>>>);

/// What came of the first line. The others wait for it, so that what is printed is in the order of
/// the lines.
async fn first(posts: &mut VecDeque<Post>) -> Option<(u64, Result<Posted, Error>)> {
    let (number, stored) = posts.front_mut()?;
    let done = (*number, stored.await);
    posts.pop_front();
    Some(done)
}

/// The lines of standard input on their way.
struct Batch<'a> {
    client: &'a Client,
    room: &'a RoomName,
    posts: VecDeque<Post>,
    lines: u64,
    refused: u64,
}

impl Batch<'_> {
    async fn post(&mut self, line: stdin::Line) -> Result<(), Error> {
        self.lines += 1;
        let text = match line {
            stdin::Line::Text(line) if line.trim().is_empty() => return Ok(()),
            stdin::Line::Text(line) => Text::parse(line).map_err(|problem| problem.to_string()),
            stdin::Line::TooLong => Err("too long for a post".into()),
        };
        match text {
            Err(problem) => self.refuse(self.lines, &problem),
            Ok(text) => {
                let stored = self.client.post(self.room.clone(), text).begin().await?;
                self.posts.push_back((self.lines, Box::pin(stored)));
            }
        }
        Ok(())
    }

    async fn answered(
        &mut self,
        number: u64,
        done: Result<Posted, Error>,
        out: &Output,
    ) -> Result<(), Failure> {
        match done {
            Ok(posted) => out.only_json(&posted).await?,
            Err(Error::Stopped) => return Err(Error::Stopped.into()),
            Err(error) => self.refuse(number, &failure::describe(&error)),
        }
        Ok(())
    }

    fn refuse(&mut self, number: u64, problem: &str) {
        self.refused += 1;
        complain(&format!("line {number}: {problem}"));
    }
}
