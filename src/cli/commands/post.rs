//! `chinwag post`: posts a message, or each line of standard input, to a room.
//!
//! The first word is always the room, as the first word of `send` is always the name. Its meaning must
//! not depend on the number of words, or on where standard input comes from.

use std::{collections::VecDeque, pin::Pin};

use tokio_util::sync::CancellationToken;

use super::{CommandEvents, parse_text, read_whole, text_of, warn_if_new, with_client};
use crate::{
    cli::{
        failure::{self, Failure, Result},
        options::Settings,
        output::{Output, print_notice, print_warning},
        stdin, terminal, values,
    },
    client::{Client, Error, Event},
    model::{Posted, RoomName, Start, Text},
};

/// Posts that may be unacknowledged at a time: enough to keep a distant hub busy.
const WINDOW: usize = 256;

const TEXT_MISSING: &str = "put the text after the room, as in `chinwag post lobby hello`, or on \
                            standard input: one post per line, or with --whole as one post";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Room to post to [default: that of --room]
    #[arg(value_name = "ROOM", value_parser = room)]
    to: Option<RoomName>,
    /// Words of the message; options come before it. Without any, each line of standard input is posted
    /// as a message, except blank lines; - alone is the same as --whole
    #[arg(trailing_var_arg = true)]
    text: Vec<String>,
    /// Post all of standard input as one message
    #[arg(long, conflicts_with = "text")]
    whole: bool,
    /// Whether --room is on the command line
    #[arg(skip)]
    pub(crate) has_room_option: bool,
}

pub(crate) async fn run(args: Args, settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let room = args.to.as_ref().unwrap_or_else(|| settings.room()).clone();
    if args.has_room_option && room != *settings.room() {
        return Err(Failure::Usage(format!(
            "the first word of post is the room, here {room}: leave out --room, or use \
             `chinwag post {} {room} …`",
            settings.room()
        )));
    }
    let text = match args.text.as_slice() {
        [] if args.whole => Some(parse_text(read_whole(stop).await?)?),
        [] if terminal::has_no_input() => {
            return Err(Failure::Usage(format!("nothing to post to {room}: {TEXT_MISSING}")));
        }
        [] => None,
        words => Some(text_of(words, stop).await?),
    };
    let mut options = settings.invisible()?;
    options.rooms = vec![(room.clone(), Start::Head)];

    let out = settings.output();
    with_client(options, out, stop, async |client, events, out| {
        let posting = async {
            match text {
                Some(text) => Ok(out.only_json(&client.post(room, text).await?).await?),
                None => post_lines(&client, &room, out).await,
            }
        };
        tokio::select! {
            biased;
            failure = watch(events) => Err(failure),
            done = posting => done,
        }
    })
    .await
}

fn room(raw: &str) -> Result<RoomName, String> {
    values::room(raw).map_err(|problem| format!("{problem}; {TEXT_MISSING}"))
}

/// Discards events, and prints a notice if the room is new.
async fn watch(mut events: CommandEvents) -> Failure {
    loop {
        match events.next().await {
            Ok(Event::Joined { room, head }) => warn_if_new(&room, head),
            Ok(_) => {}
            Err(failure) => return failure,
        }
    }
}

async fn post_lines(client: &Client, room: &RoomName, out: &Output) -> Result<()> {
    let mut lines = stdin::lines();
    let mut poster = LinePoster { client, room, posts: VecDeque::new(), lines: 0, failed: 0 };
    let mut ended = false;
    while !ended || !poster.posts.is_empty() {
        tokio::select! {
            line = lines.recv(), if !ended && poster.posts.len() < WINDOW => match line {
                None => ended = true,
                Some(Ok(line)) => poster.post(line).await?,
                Some(Err(error)) => return Err(stdin::unreadable(&error)),
            },
            Some((number, done)) = next_answer(&mut poster.posts) => {
                poster.on_answer(number, done, out).await?;
            }
        }
    }
    if poster.lines == 0 {
        print_notice(&format!("nothing was posted to {room}: standard input had no lines"));
    }
    match (poster.failed, poster.lines) {
        (0, _) => Ok(()),
        (_, 1) => Err(Failure::Other("the line was not posted".into())),
        (1, lines) => Err(Failure::Other(format!("one of {lines} lines was not posted"))),
        (failed, lines) => {
            Err(Failure::Other(format!("{failed} of {lines} lines were not posted")))
        }
    }
}

/// A post that is not acknowledged yet: its line number and its result.
type PendingPost = (u64, Pin<Box<dyn Future<Output = Result<Posted, Error>>>>);

/// Returns the result of the first pending post: results are printed in the order of the lines.
async fn next_answer(posts: &mut VecDeque<PendingPost>) -> Option<(u64, Result<Posted, Error>)> {
    let (number, stored) = posts.front_mut()?;
    let done = (*number, stored.await);
    posts.pop_front();
    Some(done)
}

/// Posts the lines of standard input.
struct LinePoster<'a> {
    client: &'a Client,
    room: &'a RoomName,
    posts: VecDeque<PendingPost>,
    lines: u64,
    failed: u64,
}

impl LinePoster<'_> {
    async fn post(&mut self, line: stdin::InputLine) -> Result<(), Error> {
        self.lines += 1;
        let text = match line {
            stdin::InputLine::Text(line) if line.trim().is_empty() => return Ok(()),
            stdin::InputLine::Text(line) => {
                Text::parse(line).map_err(|problem| problem.to_string())
            }
            stdin::InputLine::Invalid(problem) => Err(problem),
        };
        match text {
            Err(problem) => self.report_failure(self.lines, &problem),
            Ok(text) => {
                let stored = self.client.post(self.room.clone(), text).begin().await?;
                self.posts.push_back((self.lines, Box::pin(stored)));
            }
        }
        Ok(())
    }

    async fn on_answer(
        &mut self,
        number: u64,
        done: Result<Posted, Error>,
        out: &Output,
    ) -> Result<()> {
        match done {
            Ok(posted) => out.only_json(&posted).await?,
            Err(Error::Stopped) => return Err(Error::Stopped.into()),
            Err(error) => self.report_failure(number, &failure::describe(&error)),
        }
        Ok(())
    }

    fn report_failure(&mut self, number: u64, problem: &str) {
        self.failed += 1;
        print_warning(&format!("line {number}: {problem}"));
    }
}
