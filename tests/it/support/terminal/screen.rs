//! The emulated screen.

use std::{collections::BTreeSet, fmt::Write};

use vt100::{Callbacks, Cell, Color, MouseProtocolMode};

/// The mode in which a terminal reports focus changes.
const FOCUS: u16 = 1004;

pub(super) struct Screen {
    parser: vt100::Parser<Observed>,
    /// The program has closed the terminal.
    pub(super) over: bool,
    /// The answer to the query for the background.
    pub(super) background: Option<&'static str>,
    /// True if nothing reads the screen any more.
    pub(super) gone: bool,
}

/// What the emulator does not keep.
#[derive(Default)]
pub(super) struct Observed {
    /// Whether the focus is reported.
    focus: bool,
    pub(super) title: String,
    /// What was copied last (OSC 52), in base64.
    pub(super) clipboard: Option<String>,
    /// The links that were drawn (OSC 8).
    pub(super) links: BTreeSet<String>,
    /// The notices of the desktop (OSC 9, 99, 777).
    pub(super) notices: Vec<String>,
}

impl Callbacks for Observed {
    fn set_window_title(&mut self, _: &mut vt100::Screen, title: &[u8]) {
        self.title = String::from_utf8_lossy(title).into_owned();
    }

    fn copy_to_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8], data: &[u8]) {
        self.clipboard = Some(String::from_utf8_lossy(data).into_owned());
    }

    fn unhandled_osc(&mut self, _: &mut vt100::Screen, params: &[&[u8]]) {
        let words: Vec<_> = params.iter().map(|word| String::from_utf8_lossy(word)).collect();
        match words.first().map(|word| &**word) {
            Some("8") => drop(self.links.insert(words[2..].join(";"))),
            Some("9" | "99" | "777") => self.notices.push(words.join(";")),
            _ => {}
        }
    }

    fn unhandled_csi(
        &mut self,
        _: &mut vt100::Screen,
        first: Option<u8>,
        _: Option<u8>,
        params: &[&[u16]],
        last: char,
    ) {
        if first == Some(b'?') && params.iter().any(|param| param == &[FOCUS]) {
            self.focus = last == 'h';
        }
    }
}

impl Screen {
    /// Creates an empty screen of this size.
    pub(super) fn new((columns, rows): (u16, u16)) -> Self {
        let parser = vt100::Parser::new_with_callbacks(rows, columns, 0, Observed::default());
        Self { parser, over: false, background: Some(super::DARK), gone: false }
    }

    pub(super) fn draw(&mut self, written: &[u8]) {
        self.parser.process(written);
    }

    pub(super) fn resize(&mut self, (columns, rows): (u16, u16)) {
        self.parser.screen_mut().set_size(rows, columns);
    }

    /// Returns the cursor's row and column.
    pub(super) fn cursor(&self) -> (u16, u16) {
        self.parser.screen().cursor_position()
    }

    pub(super) fn observed(&self) -> &Observed {
        self.parser.callbacks()
    }

    pub(super) fn reports_mouse(&self) -> bool {
        self.parser.screen().mouse_protocol_mode() != MouseProtocolMode::None
    }

    pub(super) fn contents(&self) -> String {
        self.parser.screen().contents()
    }

    pub(super) fn is_alternate(&self) -> bool {
        self.parser.screen().alternate_screen()
    }

    pub(super) fn bracketed_paste(&self) -> bool {
        self.parser.screen().bracketed_paste()
    }

    /// Returns the modes that differ from a fresh terminal.
    pub(super) fn left_behind(&self) -> Vec<&'static str> {
        let screen = self.parser.screen();
        let settings = [
            (screen.alternate_screen(), "the alternate screen"),
            (screen.hide_cursor(), "a hidden cursor"),
            (self.reports_mouse(), "reports of the mouse"),
            (self.observed().focus, "reports of the focus"),
        ];
        settings.into_iter().filter_map(|(set, name)| set.then_some(name)).collect()
    }

    /// Returns the cells of each row: what is in it, and its style in words. The second cell of a wide
    /// character is left out.
    pub(super) fn cells(&self) -> Vec<Vec<(String, String)>> {
        let screen = self.parser.screen();
        let (rows, columns) = screen.size();
        let row = |row| {
            let cells = (0..columns).filter_map(move |column| screen.cell(row, column));
            let cells = cells.filter(|cell| !cell.is_wide_continuation());
            cells.map(|cell| (cell.contents().to_owned(), style(cell))).collect()
        };
        (0..rows).map(row).collect()
    }

    /// Returns the contents with an SGR sequence before each change of colour or weight.
    pub(super) fn coloured(&self) -> String {
        let screen = self.parser.screen();
        let (rows, columns) = screen.size();
        let mut coloured = String::new();
        for row in 0..rows {
            let mut style = String::new();
            for cell in (0..columns).filter_map(|column| screen.cell(row, column)) {
                if cell.is_wide_continuation() {
                    continue;
                }
                let wanted = sgr(cell);
                if wanted != style {
                    coloured += &wanted;
                    style = wanted;
                }
                coloured += if cell.has_contents() { cell.contents() } else { " " };
            }
            coloured.truncate(coloured.trim_end_matches(' ').len());
            coloured += "\x1b[0m\n";
        }
        coloured
    }
}

/// Returns the style of a cell in words. Of a blank, only what can be seen counts.
fn style(cell: &Cell) -> String {
    let is_blank = cell.contents().trim().is_empty();
    let colour = |name: &str, colour| match colour {
        Color::Default => String::new(),
        Color::Idx(index) => format!(" {name} {index}"),
        Color::Rgb(red, green, blue) => format!(" {name} #{red:02x}{green:02x}{blue:02x}"),
    };
    let attributes = [
        (cell.bold() && !is_blank, " bold"),
        (cell.dim() && !is_blank, " dim"),
        (cell.italic() && !is_blank, " italic"),
        (cell.underline(), " underlined"),
        (cell.inverse(), " reversed"),
    ];
    let mut style = if is_blank { String::new() } else { colour("text", cell.fgcolor()) };
    style += &colour("on", cell.bgcolor());
    style.extend(attributes.into_iter().filter_map(|(set, name)| set.then_some(name)));
    style.trim_start().to_owned()
}

/// Returns the sequence that selects a cell's style, independent of the previous style.
fn sgr(cell: &Cell) -> String {
    let mut sgr = "\x1b[0".to_owned();
    let attributes = [
        (cell.bold(), ";1"),
        (cell.dim(), ";2"),
        (cell.italic(), ";3"),
        (cell.underline(), ";4"),
        (cell.inverse(), ";7"),
    ];
    sgr.extend(attributes.into_iter().filter_map(|(set, code)| set.then_some(code)));
    for (colour, base) in [(cell.fgcolor(), 38), (cell.bgcolor(), 48)] {
        let _ = match colour {
            Color::Default => Ok(()),
            Color::Idx(index) => write!(sgr, ";{base};5;{index}"),
            Color::Rgb(red, green, blue) => write!(sgr, ";{base};2;{red};{green};{blue}"),
        };
    }
    sgr + "m"
}
