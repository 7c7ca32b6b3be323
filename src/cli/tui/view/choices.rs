//! What the switcher and the list of links show.

use ratatui::text::Line;

use super::{fit, pad, wrapped};
use crate::cli::{
    chat::input::commands::ChatCommand,
    graphemes,
    tui::{
        chat_id::ChatId,
        state::{Choice, State, Switcher},
    },
};

/// The title, the lines for a width, and the selected line.
type Content = (String, Vec<Line<'static>>, Option<usize>);

/// The columns of the number of a link.
const NUMBER: usize = 4;

/// What the user can go to, one in a line, with what is known about it.
pub(super) fn switcher(state: &State, switcher: &Switcher, width: usize) -> Content {
    let labels: Vec<String> = switcher.choices.iter().map(Choice::label).collect();
    let widest = labels.iter().map(|label| graphemes::width(label)).max();
    let widest = widest.unwrap_or(0).min(width / 2);
    let lines = labels.iter().zip(&switcher.choices).map(|(label, choice)| {
        fit(&format!("{}  {}", pad(label, widest), about(state, choice)), width).into()
    });
    let mut lines: Vec<Line<'_>> = lines.collect();
    if lines.is_empty() {
        lines.push("nothing fits".into());
    }
    (format!("go to: {}▏", switcher.typed), lines, Some(switcher.selected))
}

fn about(state: &State, choice: &Choice) -> String {
    let unread = |count: usize| if count > 0 { format!("{count} unread") } else { String::new() };
    match choice {
        Choice::Chat(ChatId::Room(room)) => unread(state.room(room).map_or(0, |room| room.unread)),
        Choice::Chat(ChatId::Peer(peer)) => {
            unread(state.direct_chat(peer).map_or(0, |chat| chat.unread))
        }
        Choice::Join(_) => "join this room".into(),
        Choice::Talk(_) => "send a direct message".into(),
        Choice::Command(name) => ChatCommand::find(name).map_or("", |command| command.help).into(),
    }
}

/// The links, each of them whole, because one looks at a link before one opens it.
pub(super) fn links(links: &[String], selected: usize, width: usize) -> Content {
    let mut lines = Vec::new();
    let mut selected_row = 0;
    for (index, link) in links.iter().enumerate() {
        for (row, part) in wrapped(link, width.saturating_sub(NUMBER)).iter().enumerate() {
            let number = if row == 0 { format!("{:>2}", index + 1) } else { String::new() };
            lines.push(format!("{number:<NUMBER$}{part}").into());
        }
        if index == selected {
            selected_row = lines.len() - 1;
        }
    }
    ("links — Enter opens, Alt-C copies".into(), lines, Some(selected_row))
}
