//! A real terminal multiplexer that a test types into and reads: tmux, through its control mode.
//!
//! One process is enough: commands go to its standard input, and its standard output has their answers
//! and a line for everything that the pane draws. So nothing is polled.

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

use crate::support::{skip::not_tested, within::PATIENCE};

/// The prompt of the shell in the pane.
pub(crate) const PROMPT: &str = "ready$ ";

/// Returns tmux: the one that `make test` has fetched, or that of the machine.
pub(crate) fn tmux() -> Option<PathBuf> {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin/tmux");
    let found = [fetched, PathBuf::from("tmux")].into_iter().find(|tmux| is_new_enough(tmux));
    if found.is_none() {
        not_tested("tmux 3.2 or later is missing: `make test` fetches it where there is apt-get");
    }
    found
}

/// Returns true for tmux 3.2 or later, as in "tmux 3.3a" and "tmux next-3.6".
fn is_new_enough(tmux: &Path) -> bool {
    let Ok(output) = Command::new(tmux).arg("-V").output() else { return false };
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = output.trim().rsplit([' ', '-']).next().unwrap_or_default();
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>());
    let mut number = || numbers.next().and_then(Result::ok).unwrap_or(0);
    (number(), number()) >= (3, 2)
}

/// A shell in tmux. Everything in it ends when this is dropped.
pub(crate) struct Tmux {
    child: Child,
    control: Mutex<Control>,
    drawn: Arc<Drawn>,
    /// Holds the socket and what is pasted.
    folder: TempDir,
}

/// Commands and their answers, which come in the same order.
struct Control {
    commands: ChildStdin,
    answers: mpsc::Receiver<Result<String, String>>,
}

/// How often the pane has drawn something, and a signal for when it does.
#[derive(Default)]
struct Drawn {
    times: Mutex<u64>,
    again: Condvar,
}

impl Tmux {
    /// Starts a shell with its home in `home` and `chinwag` in its path.
    pub(crate) fn start(tmux: &Path, home: &Path, (columns, rows): (u16, u16)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = Path::new(env!("CARGO_BIN_EXE_chinwag")).parent().unwrap();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(tmux);
        command.arg("-S").arg(folder.path().join("socket"));
        command.args(["-f", "/dev/null", "-C", "new-session", "exec sh"]);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("CHINWAG_") || name.starts_with("TMUX") || name == "NO_COLOR" {
                command.env_remove(name);
            }
        }
        // Not as PS1 itself, which a shell in between may remove.
        let begin = folder.path().join("begin");
        std::fs::write(&begin, format!("PS1='{PROMPT}'\n")).unwrap();
        command.envs([("HOME", home), ("CHINWAG_HOME", home), ("ENV", &begin)]);
        command.env("PATH", path).env("CHINWAG_LISTEN", "127.0.0.1:0");
        command.envs([("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC"), ("USER", "ann")]);
        command.env("TERM", "xterm-256color").current_dir(home);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (tell, answers) = mpsc::channel();
        let drawn = Arc::<Drawn>::default();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn({
            let drawn = drawn.clone();
            move || read(output, &tell, &drawn)
        });
        let control = Mutex::new(Control { commands: child.stdin.take().unwrap(), answers });
        let this = Self { child, control, drawn, folder };
        // The first answer is for the session.
        this.control.lock().answer().unwrap();
        for option in ["window-size manual", "status off", "focus-events on", "set-clipboard on"] {
            this.run(&format!("set-option -g {option}"));
        }
        this.run(&format!("resize-window -x {columns} -y {rows}"));
        this.wait_for(PROMPT.trim_end());
        this
    }

    /// Types a line and presses Enter.
    pub(crate) fn type_line(&self, line: &str) {
        self.run(&format!("send-keys -l -- {}", quoted(line)));
        self.press(&["Enter"]);
    }

    /// Presses keys, by tmux's names: `Tab`, `C-c`, `M-1`.
    pub(crate) fn press(&self, keys: &[&str]) {
        self.run(&format!("send-keys {}", keys.join(" ")));
    }

    /// Pastes a text, bracketed if the program asked for that.
    pub(crate) fn paste(&self, text: &str) {
        let file = self.folder.path().join("pasted");
        std::fs::write(&file, text).unwrap();
        self.run(&format!("load-buffer -b pasted {}", quoted(file.to_str().unwrap())));
        self.run("paste-buffer -d -p -r -b pasted");
    }

    /// Returns the text of the screen.
    pub(crate) fn screen(&self) -> String {
        self.run("capture-pane -p")
    }

    /// Returns what was copied last, or nothing.
    pub(crate) fn copied(&self) -> String {
        self.control.lock().run("show-buffer").unwrap_or_default()
    }

    /// Waits for a line with this text and returns it.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let line = |screen: &str| screen.lines().find(|l| l.contains(text)).map(str::to_owned);
        self.wait_until(text, line)
    }

    /// Waits until `look` returns a value for the screen.
    #[track_caller]
    pub(crate) fn wait_until<T>(&self, what: &str, look: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Counted before the screen is read: what is drawn in between is looked at again.
            let seen = *self.drawn.times.lock();
            let screen = self.screen();
            if let Some(found) = look(&screen) {
                return found;
            }
            let mut times = self.drawn.times.lock();
            while *times == seen {
                if self.drawn.again.wait_until(&mut times, deadline).timed_out() {
                    panic!("{what:?} was never shown; what was:\n{screen}\n---");
                }
            }
        }
    }

    fn run(&self, command: &str) -> String {
        let answer = self.control.lock().run(command);
        answer.unwrap_or_else(|error| panic!("{command}: {error}"))
    }
}

impl Control {
    fn run(&mut self, command: &str) -> Result<String, String> {
        writeln!(self.commands, "{command}").unwrap();
        self.answer()
    }

    fn answer(&mut self) -> Result<String, String> {
        self.answers.recv_timeout(PATIENCE).expect("an answer of tmux")
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = writeln!(self.control.lock().commands, "kill-server");
        let _ = self.child.wait();
    }
}

/// A text as tmux parses it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Reads the output of tmux until it ends.
fn read(output: impl BufRead, tell: &mpsc::Sender<Result<String, String>>, drawn: &Drawn) {
    let mut answer: Option<(String, String)> = None;
    for line in output.split(b'\n') {
        let Ok(line) = line else { break };
        let line = String::from_utf8_lossy(&line).into_owned();
        match &mut answer {
            None => match line.strip_prefix("%begin ") {
                Some(number) => answer = Some((number.to_owned(), String::new())),
                None if line.starts_with("%output ") => drawn.count(),
                None => {}
            },
            Some((number, text)) => {
                let (end, error) = (format!("%end {number}"), format!("%error {number}"));
                if line == end || line == error {
                    let text = std::mem::take(text);
                    let _ = tell.send(if line == end { Ok(text) } else { Err(text) });
                    answer = None;
                } else {
                    text.push_str(&line);
                    text.push('\n');
                }
            }
        }
    }
    drawn.count();
}

impl Drawn {
    fn count(&self) {
        *self.times.lock() += 1;
        self.again.notify_all();
    }
}
