//! Carries out the lines that are typed.

use std::{
    io,
    time::{Duration, Instant},
};

use tokio::sync::oneshot::{self, error::TryRecvError};

use super::{Chat, TERMINAL_WAIT, console::Console};
use crate::{
    cli::{
        chat::{
            actions::{self, ActionOutcome, NO_ROOM, POST_WAITS},
            help,
            hubs::{self, HubChoice},
            input::{Input, Request},
        },
        failure::{Failure, Result},
        stdin,
    },
    model::{RoomName, Text},
};

/// How long to wait for unfinished tasks at the end of a pipe.
const PIPE_WAIT: Duration = Duration::from_secs(10);

impl Chat {
    /// Handles `/hub`. For a script, a hub that cannot be found ends the chat: its next lines are meant
    /// for that hub.
    fn choose_hub(&mut self, wanted: Option<&str>, is_edited: bool) {
        match hubs::choose(&self.settings, wanted) {
            Ok(HubChoice::List(lines)) => self.pending.push_back(lines.join("\n")),
            Ok(HubChoice::Here(notice)) => self.notify(&notice),
            Ok(HubChoice::Go(profile)) => self.next_hub = Some(profile),
            Err(problem) if is_edited || wanted.is_none() => self.report_failure(&problem),
            Err(problem) => self.failure = Some(Failure::Other(problem)),
        }
    }

    /// Asks for the next line, and remembers the room in its prompt.
    pub(super) fn prompt(&mut self, console: &Console, wipe: bool) {
        self.prompted = self.state.current().cloned();
        let room = self.prompted.as_ref().map_or("", |room| room.as_str());
        console.prompt(format!("{room}> "), wipe);
    }

    /// Handles a typed line, or the end of the input.
    pub(super) async fn on_line(
        &mut self,
        line: Option<io::Result<stdin::InputLine>>,
        console: &mut Console,
    ) -> Result<()> {
        let offer = self.offer.take();
        let input = match line {
            Some(Ok(stdin::InputLine::Text(line)))
                if let Some((to, id, text)) = offer
                    && matches!(line.trim(), "" | "/queue") =>
            {
                self.tasks.spawn(actions::queue(self.client.clone(), to, id, text));
                Input::Nothing
            }
            Some(Ok(stdin::InputLine::Text(line))) => Input::parse(&line),
            Some(Ok(stdin::InputLine::Invalid(problem))) => Input::Invalid(problem),
            Some(Err(error)) => {
                self.failure = Some(stdin::unreadable(&error));
                Input::Nothing
            }
            None => Input::Quit,
        };
        if let Input::Hub(wanted) = &input {
            self.choose_hub(wanted.as_deref(), console.is_edited());
        }
        if input == Input::Quit || self.next_hub.is_some() || self.failure.is_some() {
            let wait = if console.is_edited() { TERMINAL_WAIT } else { PIPE_WAIT };
            self.leaving = Some(Instant::now() + wait);
            if input == Input::Quit {
                console.stop_typing();
            }
            return Ok(());
        }
        let wipe = self.is_echoed(&input);
        match input {
            Input::Post(_) if console.is_edited() && self.room_has_changed() => self.report_moved(),
            Input::Ask(Request::Join(room)) if console.is_edited() && self.must_wait(&room) => {
                self.notify(&actions::join_waits(&room));
                let join = actions::run(self.client.clone(), Request::Join(room), None);
                self.tasks.spawn(join);
            }
            input => self.execute(input, console.is_edited()).await?,
        }
        if self.awaited.is_none() {
            self.prompt(console, wipe);
        }
        Ok(())
    }

    /// Asks for the next line, whether or not the room has changed yet.
    pub(super) fn resume_input(&mut self, console: &Console) {
        self.awaited = None;
        self.prompt(console, false);
    }

    /// Returns true if a typed line would go to another room than its prompt said, which was left.
    fn room_has_changed(&self) -> bool {
        self.prompted.as_ref() != self.state.current()
    }

    fn report_moved(&mut self) {
        let prompted = self.prompted.as_ref().map_or("no room", |room| room.as_str());
        self.notify(&match self.state.current() {
            Some(now) => {
                format!("not posted: the current room has changed from {prompted} to {now}")
            }
            None => format!("not posted: you are no longer in {prompted}, and in no other room"),
        });
    }

    /// Returns true if a room cannot be joined before the hub is back.
    fn must_wait(&self, room: &RoomName) -> bool {
        self.state.is_offline() && !self.state.rooms().contains(room)
    }

    /// Returns true if the input will appear as a line of its own: a post once it comes from the hub, a
    /// direct message once it has a receipt.
    fn is_echoed(&self, input: &Input) -> bool {
        match input {
            Input::Post(_) => self.state.current().is_some() && !self.room_has_changed(),
            Input::Ask(request) => {
                matches!(request, Request::Send { .. } | Request::SendTo { .. })
            }
            _ => false,
        }
    }

    async fn execute(&mut self, input: Input, is_edited: bool) -> Result<()> {
        match input {
            // Done before.
            Input::Nothing | Input::Quit | Input::Hub(_) => {}
            Input::Invalid(problem) => self.report_failure(&problem),
            Input::Help => self.pending.push_back(help()),
            Input::ShowStatus => self.show_status(),
            Input::Theme(_) => self.report_failure("a theme is for the full screen"),
            Input::OnScreen(_) => self.report_failure("this command is for the full screen"),
            Input::Post(text) => self.post(text).await?,
            Input::Ask(Request::Join(room)) if self.state.rooms().contains(&room) => {
                self.switch_to(room);
            }
            Input::Ask(request) => {
                let current = self.state.current().cloned();
                if let Request::Leave(room) = &request
                    && let Some(room) = room.as_ref().or(current.as_ref())
                {
                    let forgotten = self.joined.remove(room);
                    self.report_forgetful(forgotten);
                }
                let waits = request.changes_room() || !is_edited;
                let task = self.in_order(request);
                let id = self.tasks.spawn(task).id();
                self.awaited =
                    waits.then(|| (id, is_edited.then(|| Instant::now() + TERMINAL_WAIT)));
            }
        }
        Ok(())
    }

    /// Returns the task of a request. A direct message begins once the one before it to the same
    /// receiver is done.
    fn in_order(&mut self, request: Request) -> impl Future<Output = ActionOutcome> + Send + use<> {
        let current = self.state.current().cloned();
        self.sending.retain(|_, last| last.try_recv() == Err(TryRecvError::Empty));
        let (done, next) = oneshot::channel();
        let last = receiver(&request).and_then(|to| self.sending.insert(to, next));
        let task = actions::run(self.client.clone(), request, current);
        async move {
            if let Some(last) = last {
                // Errors once that task has dropped its end.
                let _ = last.await;
            }
            let outcome = task.await;
            drop(done);
            outcome
        }
    }

    async fn post(&mut self, text: Text) -> Result<()> {
        let Some(room) = self.state.current().cloned() else {
            self.report_failure(NO_ROOM);
            return Ok(());
        };
        self.tasks.spawn(actions::post(&self.client, room, text).await?);
        if self.state.is_offline() {
            self.notify(POST_WAITS);
        }
        Ok(())
    }
}

/// Returns who a direct message is for; `None` for other requests.
fn receiver(request: &Request) -> Option<String> {
    match request {
        Request::Send { to, .. } | Request::Queue { to, .. } => Some(to.to_string()),
        Request::SendTo { to, .. } => Some(to.to_string()),
        _ => None,
    }
}
