//! Drives terminals in tests: a program runs on a pseudo-terminal, and an emulator holds its
//! screen.
//!
//! Nothing is polled: waits end when the program draws the expected text, or ends.

mod answers;
mod keys;
mod screen;

use std::{
    io::Write,
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use answers::show;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use parking_lot::{Condvar, Mutex};
use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use screen::Screen;

use crate::support::within::PATIENCE;

/// Columns and rows. Higher than real terminals, so that nothing is scrolled away.
const SIZE: (u16, u16) = (120, 400);

/// How long a program draws nothing when it has drawn all.
const QUIET: Duration = Duration::from_millis(500);

/// The prompt of the shell that [`Terminal::login`] starts.
pub(crate) const PROMPT: &str = "ready$ ";

/// The colour of the background, as the answer to its query has it.
pub(crate) const DARK: &str = "rgb:1c1c/1c1c/1c1c";
pub(crate) const LIGHT: &str = "rgb:ffff/ffff/ffff";

/// A program on a terminal. It is killed on drop.
pub(crate) struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keyboard: Keyboard,
    shown: Arc<Shown>,
    /// Keeps the terminal open.
    master: Option<Box<dyn MasterPty + Send>>,
}

type Keyboard = Arc<Mutex<Box<dyn Write + Send>>>;

/// The screen, and a signal for when it changes.
struct Shown {
    screen: Mutex<Screen>,
    changed: Condvar,
}

impl Terminal {
    /// Runs `chinwag` with these arguments and all its files in `home`.
    pub(crate) fn chinwag(home: &Path, args: &[&str]) -> Self {
        Self::of_size(SIZE, home, args, &[])
    }

    /// Runs it on a terminal of this size, with more environment variables.
    pub(crate) fn of_size(
        size: (u16, u16),
        home: &Path,
        args: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_chinwag"));
        command.args(args);
        Self::run(at_home(command, home, environment), size)
    }

    /// Runs a script that gets `chinwag` and these arguments as its own arguments.
    pub(crate) fn shell(size: (u16, u16), home: &Path, script: &str, args: &[&str]) -> Self {
        let mut command = CommandBuilder::new("sh");
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_chinwag")]);
        command.args(args);
        Self::run(at_home(command, home, &[]), size)
    }

    /// Starts an interactive shell with `chinwag` in its path and all files in `home`.
    pub(crate) fn login(size: (u16, u16), home: &Path) -> Self {
        let programs = Path::new(env!("CARGO_BIN_EXE_chinwag")).parent().unwrap();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let environment = [
            ("PATH", path.as_str()),
            ("PS1", PROMPT),
            ("LC_ALL", "C.UTF-8"),
            ("TZ", "UTC"),
            ("USER", "ann"),
            ("COLORTERM", "truecolor"),
            ("CHINWAG_LISTEN", "127.0.0.1:0"),
        ];
        let terminal = Self::run(at_home(CommandBuilder::new("sh"), home, &environment), size);
        terminal.wait_for(PROMPT.trim_end());
        terminal
    }

    fn run(command: CommandBuilder, size: (u16, u16)) -> Self {
        let pty = native_pty_system().openpty(pty_size(size)).unwrap();
        let child = pty.slave.spawn_command(command).unwrap();
        // Only the program holds it now: the output ends with the program.
        drop(pty.slave);
        let keyboard: Keyboard = Arc::new(Mutex::new(pty.master.take_writer().unwrap()));
        let screen = Mutex::new(Screen::new(size));
        let shown = Arc::new(Shown { screen, changed: Condvar::new() });
        let reader = pty.master.try_clone_reader().unwrap();
        thread::spawn({
            let (keyboard, shown) = (keyboard.clone(), shown.clone());
            move || show(reader, &keyboard, &shown)
        });
        Self { child, keyboard, shown, master: Some(pty.master) }
    }

    /// Types a line and presses Enter.
    pub(crate) fn type_line(&self, line: &str) {
        self.type_keys(&format!("{line}\r"));
    }

    /// Types characters.
    pub(crate) fn type_keys(&self, keys: &str) {
        let mut keyboard = self.keyboard.lock();
        keyboard.write_all(keys.as_bytes()).unwrap();
        keyboard.flush().unwrap();
    }

    /// Presses keys by name: `Tab`, `C-c`, `M-1`.
    pub(crate) fn press(&self, names: &[&str]) {
        for name in names {
            self.type_keys(&keys::sequence(name));
        }
    }

    /// Pastes a text, bracketed if the program asked for that.
    pub(crate) fn paste(&self, text: &str) {
        let bracketed = self.shown.screen.lock().bracketed_paste();
        let (start, end) = if bracketed { ("\x1b[200~", "\x1b[201~") } else { ("", "") };
        self.type_keys(&format!("{start}{text}{end}"));
    }

    /// Resizes the terminal.
    pub(crate) fn resize(&self, size: (u16, u16)) {
        let mut screen = self.shown.screen.lock();
        screen.resize(size);
        self.master.as_ref().unwrap().resize(pty_size(size)).unwrap();
    }

    /// Sets the answer to the query for the background; `None`: none, also not for its abilities.
    pub(crate) fn set_background(&self, background: Option<&'static str>) {
        self.shown.screen.lock().background = background;
    }

    /// Returns true if a program uses the alternate screen.
    pub(crate) fn is_full_screen(&self) -> bool {
        self.shown.screen.lock().is_alternate()
    }

    /// Returns all modes that a program has changed and not restored.
    pub(crate) fn left_behind(&self) -> Vec<&'static str> {
        self.shown.screen.lock().left_behind()
    }

    /// Returns the screen with colour sequences.
    pub(crate) fn coloured(&self) -> String {
        self.shown.screen.lock().coloured()
    }

    /// Waits until this text is on the clipboard.
    #[track_caller]
    pub(crate) fn wait_for_clipboard(&self, text: &str) {
        let wanted = STANDARD.encode(text);
        self.wait_on(text, |screen| {
            (screen.observed().clipboard.as_ref() == Some(&wanted)).then_some(())
        });
    }

    /// Waits until the window has this title.
    #[track_caller]
    pub(crate) fn wait_for_title(&self, title: &str) {
        self.wait_on(title, |screen| (screen.observed().title == title).then_some(()));
    }

    /// Waits for a notice of the desktop with this text, and returns it.
    #[track_caller]
    pub(crate) fn wait_for_notice(&self, text: &str) -> String {
        let find = |screen: &Screen| {
            screen.observed().notices.iter().find(|notice| notice.contains(text)).cloned()
        };
        self.wait_on(text, find)
    }

    /// Returns the links that were drawn as such.
    pub(crate) fn links(&self) -> Vec<String> {
        let screen = self.shown.screen.lock();
        screen.observed().links.iter().filter(|link| !link.is_empty()).cloned().collect()
    }

    /// Returns true if the program has asked for reports of the mouse.
    pub(crate) fn reports_mouse(&self) -> bool {
        self.shown.screen.lock().reports_mouse()
    }

    /// Returns the cells of each row: what is in it, and its style in words.
    pub(crate) fn cells(&self) -> Vec<Vec<(String, String)>> {
        self.shown.screen.lock().cells()
    }

    /// Returns the text of the screen.
    pub(crate) fn screen(&self) -> String {
        self.shown.screen.lock().contents()
    }

    /// Waits for a line with this text and returns it.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let line = |screen: &str| screen.lines().find(|l| l.contains(text)).map(str::to_owned);
        self.wait_until(text, line)
    }

    /// Waits until no line has this text.
    #[track_caller]
    pub(crate) fn wait_without(&self, text: &str) {
        self.wait_until(&format!("no {text}"), |screen| (!screen.contains(text)).then_some(()));
    }

    /// Waits until `look` returns a value for the screen.
    #[track_caller]
    pub(crate) fn wait_until<T>(&self, what: &str, look: impl Fn(&str) -> Option<T>) -> T {
        self.wait_on(what, |screen| look(&screen.contents()))
    }

    #[track_caller]
    fn wait_on<T>(&self, what: &str, look: impl Fn(&Screen) -> Option<T>) -> T {
        self.wait(what, |screen| look(screen).ok_or_else(|| screen.contents()))
    }

    /// Waits until `look` returns a value for the text of the screen and its cells, see
    /// [`Terminal::cells`], or fails with what it says was shown instead.
    #[track_caller]
    pub(crate) fn wait_until_drawn<T>(
        &self,
        what: &str,
        look: impl Fn(&str, &[Vec<(String, String)>]) -> Result<T, String>,
    ) -> T {
        self.wait(what, |screen| look(&screen.contents(), &screen.cells()))
    }

    /// Waits until the program draws nothing for a while: to store a screen, not to compare one.
    pub(crate) fn wait_for_quiet(&self) {
        let mut screen = self.shown.screen.lock();
        while !self.shown.changed.wait_for(&mut screen, QUIET).timed_out() {}
    }

    #[track_caller]
    fn wait<T>(&self, what: &str, look: impl Fn(&Screen) -> Result<T, String>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut screen = self.shown.screen.lock();
        loop {
            let shown = match look(&screen) {
                Ok(found) => return found,
                Err(shown) => shown,
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if screen.over || left.is_zero() {
                panic!("{what:?} was never shown; what was:\n{shown}\n---");
            }
            self.shown.changed.wait_for(&mut screen, left);
        }
    }

    /// Returns the line discipline's modes, as in `ECHO | ICANON | ISIG`.
    pub(crate) fn modes(&self) -> String {
        format!("{:?}", self.master.as_ref().unwrap().get_termios().unwrap().local_flags)
    }

    /// Returns the number of lines with this text.
    pub(crate) fn lines_with(&self, text: &str) -> usize {
        self.screen().lines().filter(|line| line.contains(text)).count()
    }

    /// Waits for the program to exit.
    #[track_caller]
    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        let mut screen = self.shown.screen.lock();
        while !screen.over {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "still running:\n{}\n---", screen.contents());
            self.shown.changed.wait_for(&mut screen, left);
        }
        drop(screen);
        self.child.wait().unwrap()
    }

    /// Closes the terminal as a closed window does, after typing a character.
    pub(crate) fn hang_up(&mut self) {
        self.shown.screen.lock().gone = true;
        self.type_keys("x");
        let mut screen = self.shown.screen.lock();
        let waited = self.shown.changed.wait_while_for(&mut screen, |s| !s.over, PATIENCE);
        drop(screen);
        assert!(!waited.timed_out(), "what was typed was not answered");
        self.master = None;
        *self.keyboard.lock() = Box::new(std::io::sink());
    }

    /// Returns true if the program exits in time; kills it otherwise.
    pub(crate) fn ends(&mut self) -> bool {
        let (waits, ended) = mpsc::channel::<()>();
        let mut killer = self.child.clone_killer();
        let watch = thread::spawn(move || {
            let late = ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout);
            if late {
                killer.kill().unwrap();
            }
            !late
        });
        self.child.wait().unwrap();
        drop(waits);
        watch.join().unwrap()
    }

    /// Returns the id of the process that was started on the terminal.
    pub(crate) fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Sends a signal to the program, such as `KILL`.
    pub(crate) fn signal(&mut self, name: &str) {
        let kill = format!("kill -{name} {}", self.pid());
        assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }
}

fn at_home(
    mut command: CommandBuilder,
    home: &Path,
    environment: &[(&str, &str)],
) -> CommandBuilder {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CHINWAG_")
            || ["NO_COLOR", "COLORFGBG", "COLORTERM", "ENV"].iter().any(|known| name == *known)
        {
            command.env_remove(name);
        }
    }
    command.env("CHINWAG_HOME", home);
    command.env("HOME", home);
    command.env("TERM", "xterm-256color");
    command.env("LANG", "C.UTF-8");
    command.cwd(home);
    for (name, value) in environment {
        command.env(name, value);
    }
    command
}

fn pty_size((cols, rows): (u16, u16)) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
