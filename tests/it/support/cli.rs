//! Runs `chinwag` as a script does: arguments in, output and exit code out.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
};

use crate::support::within::PATIENCE;

/// The result of a command.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; `None` if a signal ended the process.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Returns its output. Panics unless it succeeded.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// Returns its JSON output, one object a line. Panics unless it succeeded.
    #[track_caller]
    pub(crate) fn objects(self) -> Vec<serde_json::Value> {
        self.done().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns its standard error. Panics unless it failed with this code.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stdout, "");
        self.stderr
    }
}

/// Returns a command with its files in `home`, without a configured hub.
pub(crate) fn homeless(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chinwag"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CHINWAG_") {
            command.env_remove(name);
        }
    }
    command.args(args).env("HOME", home).env("CHINWAG_HOME", home).env("TZ", "UTC");
    command
}

/// Returns a command of `name`, with its files in `home`.
pub(crate) fn command(home: &Path, hub: SocketAddr, name: &str, args: &[&str]) -> Command {
    let mut command = homeless(home, args);
    command.env("CHINWAG_HUB", hub.to_string()).env("CHINWAG_NAME", name);
    command.env("CHINWAG_LISTEN", "127.0.0.1:0");
    command
}

/// Runs a command to completion.
#[track_caller]
pub(crate) fn run(command: Command, input: &[u8]) -> Ended {
    let mut running = Running::start(command);
    running.write(input);
    running.end()
}

/// A running command. It is killed on drop.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    complaints: mpsc::Receiver<String>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let complaints = lines_of(child.stderr.take().unwrap());
        Self { child, lines, complaints }
    }

    /// Writes to its standard input. Ignores errors if the command does not read all of it.
    pub(crate) fn write(&mut self, input: &[u8]) {
        let _ = self.child.stdin.as_mut().unwrap().write_all(input);
    }

    /// Returns the next line of its output.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let complaints: Vec<_> = self.complaints.try_iter().collect();
            panic!("no line on standard output; complaints:\n{}", complaints.join("\n"))
        })
    }

    /// Returns the next JSON object of its output.
    #[track_caller]
    pub(crate) fn object(&self) -> serde_json::Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    /// Returns the next line of its standard error.
    #[track_caller]
    pub(crate) fn complaint(&self) -> String {
        self.complaints.recv_timeout(PATIENCE).expect("a line on standard error")
    }

    /// Returns the next line of standard error that contains this text; skips others.
    #[track_caller]
    pub(crate) fn complaint_of(&self, wanted: &str) -> String {
        let mut others = Vec::new();
        while let Ok(said) = self.complaints.recv_timeout(PATIENCE) {
            if said.contains(wanted) {
                return said;
            }
            others.push(said);
        }
        panic!("{wanted:?} is not on standard error; what is:\n{}", others.join("\n"))
    }

    /// Returns the printed address for direct messages, from a text or a JSON object.
    #[track_caller]
    pub(crate) fn direct_address(&self) -> SocketAddr {
        let said = self.complaint_of(" receives direct messages at ");
        said.rsplit_once(' ').unwrap().1.trim_end_matches("\"}").parse().unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `INT` or `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Closes its standard input and waits for it to exit. Returns only the output that was not
    /// read before.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        drop(self.child.stdin.take());
        let (stdout, stderr) = (rest(&self.lines), rest(&self.complaints));
        Ended { code: self.child.wait().unwrap().code(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines_of(output: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            if sender.send(line.unwrap()).is_err() {
                break;
            }
        }
    });
    lines
}

/// Reads to the end of the stream.
#[track_caller]
fn rest(lines: &mpsc::Receiver<String>) -> String {
    let mut all = String::new();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => all = all + &line + "\n",
            Err(mpsc::RecvTimeoutError::Disconnected) => return all,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("still running; so far:\n{all}"),
        }
    }
}
