//! A real terminal that a test can read and resize: tmux, steered by its control mode.
//!
//! One process is enough: commands go into its standard input, and out of its standard output come
//! their answers and, as it happens, word of everything that the pane draws. So nothing is polled.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Instant,
};

use parking_lot::{Condvar, Mutex};
use tempfile::TempDir;

use crate::support::{lacks::not_tested, within::PATIENCE};

/// What the shell in the pane asks with.
pub(crate) const PROMPT: &str = "ready$ ";

/// The program: the one that `make test` has fetched, or else the machine's own.
pub(crate) fn tmux() -> Option<PathBuf> {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin/tmux");
    let found = [fetched, PathBuf::from("tmux")].into_iter().find(|tmux| is_new_enough(tmux));
    if found.is_some() {
        return found;
    }
    not_tested("tmux 3.2 or later is missing: `make test` fetches it where there is apt-get");
    None
}

/// Whether a program is a tmux that knows all that is asked of it: 3.2, as in "tmux 3.3a", and
/// "tmux next-3.6" alike.
fn is_new_enough(tmux: &Path) -> bool {
    let Ok(said) = Command::new(tmux).arg("-V").output() else { return false };
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = said.trim().rsplit([' ', '-']).next().unwrap_or_default();
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>());
    let mut number = || numbers.next().and_then(Result::ok).unwrap_or(0);
    (number(), number()) >= (3, 2)
}

/// A terminal with a shell. Everything in it ends when this is dropped.
pub(crate) struct Tmux {
    child: Child,
    line: Mutex<Line>,
    drawn: Arc<Drawn>,
    /// Holds the socket.
    _folder: TempDir,
}

/// Commands and their answers, which come in the same order.
struct Line {
    commands: ChildStdin,
    answers: mpsc::Receiver<Result<String, String>>,
}

/// How often the pane has drawn something, and a bell for when it does.
#[derive(Default)]
struct Drawn {
    times: Mutex<u64>,
    again: Condvar,
}

impl Tmux {
    /// A shell whose home is `home`, and which has `chinwag` in its path.
    pub(crate) fn start(tmux: &Path, home: &Path, columns: u16, rows: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = Path::new(env!("CARGO_BIN_EXE_chinwag")).parent().unwrap();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let (width, height) = (columns.to_string(), rows.to_string());
        let socket = folder.path().join("socket");
        let mut command = Command::new(tmux);
        command.arg("-S").arg(&socket).args(["-f", "/dev/null", "-C", "new-session"]);
        command.args(["-x", &width, "-y", &height, "exec sh"]);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("CHINWAG_") || name.starts_with("TMUX") || name == "NO_COLOR" {
                command.env_remove(name);
            }
        }
        command.envs([("HOME", home), ("CHINWAG_HOME", home)]);
        // Not as PS1 itself, which a shell in between may take away.
        let begin = folder.path().join("begin");
        std::fs::write(&begin, format!("PS1='{PROMPT}'\n")).unwrap();
        command.env("PATH", path).env("ENV", begin);
        command.envs([("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC"), ("USER", "ann")]);
        command.env("CHINWAG_LISTEN", "127.0.0.1:0");
        command.env("TERM", "xterm-256color").current_dir(home);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (said, answers) = mpsc::channel();
        let drawn = Arc::<Drawn>::default();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn({
            let drawn = drawn.clone();
            move || listen(output, &said, &drawn)
        });
        let line = Mutex::new(Line { commands: child.stdin.take().unwrap(), answers });
        let this = Self { child, line, drawn, _folder: folder };
        // The session itself is the first thing that is answered.
        this.answer().unwrap();
        for option in ["window-size manual", "status off", "focus-events on"] {
            this.order(&format!("set-option -g {option}"));
        }
        this.resize(columns, rows);
        this.wait_for(PROMPT.trim_end());
        this
    }

    /// Types a text, and ends the line.
    pub(crate) fn type_line(&self, text: &str) {
        self.type_text(text);
        self.press(&["Enter"]);
    }

    /// Types a text.
    pub(crate) fn type_text(&self, text: &str) {
        self.order(&format!("send-keys -l -- {}", quoted(text)));
    }

    /// Presses keys, by tmux's names: `Tab`, `C-c`, `M-1`, `PPage`.
    pub(crate) fn press(&self, keys: &[&str]) {
        self.order(&format!("send-keys {}", keys.join(" ")));
    }

    /// Pastes a text, in brackets where the program asked for them.
    pub(crate) fn paste(&self, text: &str) {
        self.order(&format!("set-buffer -- {}", quoted(text)));
        self.order("paste-buffer -p -r");
    }

    /// Gives the terminal another size.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.order(&format!("resize-window -x {columns} -y {rows}"));
    }

    /// What is on the screen.
    pub(crate) fn screen(&self) -> String {
        self.order("capture-pane -p")
    }

    /// The same with the sequences that colour it.
    pub(crate) fn coloured(&self) -> String {
        self.order("capture-pane -p -e")
    }

    /// What tmux says of the pane, as in `#{alternate_on}`.
    pub(crate) fn ask(&self, format: &str) -> String {
        self.order(&format!("display-message -p {}", quoted(format)))
    }

    /// The first line with this text, once there is one.
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

    /// What `look` finds on the screen, once it finds something.
    #[track_caller]
    pub(crate) fn wait_until<T>(&self, what: &str, look: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Before the screen is read: what is drawn in between is looked at again.
            let seen = *self.drawn.times.lock();
            let screen = self.screen();
            if let Some(found) = look(&screen) {
                return found;
            }
            let mut times = self.drawn.times.lock();
            while *times == seen {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    panic!("{what:?} was never shown; what was:\n{screen}\n---");
                }
                self.drawn.again.wait_for(&mut times, left);
            }
        }
    }

    fn order(&self, command: &str) -> String {
        let mut line = self.line.lock();
        writeln!(line.commands, "{command}").unwrap();
        let answer = line.answers.recv_timeout(PATIENCE).expect("an answer of tmux");
        answer.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    fn answer(&self) -> Result<String, String> {
        self.line.lock().answers.recv_timeout(PATIENCE).expect("an answer of tmux")
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = writeln!(self.line.lock().commands, "kill-server");
        let _ = self.child.wait();
    }
}

/// A text as tmux reads it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Hears what tmux says until it ends.
fn listen(output: impl BufRead, said: &mpsc::Sender<Result<String, String>>, drawn: &Drawn) {
    let mut answer: Option<(String, String)> = None;
    for line in output.split(b'\n') {
        let Ok(line) = line else { break };
        let line = String::from_utf8_lossy(&line).into_owned();
        match &mut answer {
            None => match line.strip_prefix("%begin ") {
                Some(number) => answer = Some((number.to_owned(), String::new())),
                None if line.starts_with("%output ") => drawn.ring(),
                None => {}
            },
            Some((number, text)) => {
                let (end, error) = (format!("%end {number}"), format!("%error {number}"));
                if line == end || line == error {
                    let text = std::mem::take(text);
                    let _ = said.send(if line == end { Ok(text) } else { Err(text) });
                    answer = None;
                } else {
                    text.push_str(&line);
                    text.push('\n');
                }
            }
        }
    }
    drawn.ring();
}

impl Drawn {
    fn ring(&self) {
        *self.times.lock() += 1;
        self.again.notify_all();
    }
}
