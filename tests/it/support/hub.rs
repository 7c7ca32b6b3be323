//! A real hub as a child process, on its own port.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
};

use crate::support::within::PATIENCE;

/// A running `chinwagd`. It is killed on drop; its log is printed if the test fails.
#[derive(Debug)]
pub(crate) struct TestHub {
    options: Options,
    process: Process,
}

#[derive(Debug)]
struct Options {
    args: Vec<String>,
    environment: Vec<(String, String)>,
    /// Its limit of open files; `None`: that of this process.
    files: Option<u32>,
    /// Its standard error; `None`: a file that [`TestHub::log`] reads.
    log: Option<File>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    address: SocketAddr,
    link: String,
    /// The lines on stdout after the listen address and the join link.
    stdout: mpsc::Receiver<String>,
    log: tempfile::NamedTempFile,
}

impl TestHub {
    /// Starts an ephemeral hub.
    pub(crate) fn start() -> Self {
        Self::with(&["--ephemeral"])
    }

    /// Starts a hub with these options beside `--listen`.
    pub(crate) fn with(args: &[&str]) -> Self {
        Self::with_environment(args, &[])
    }

    /// Starts a hub with these options and environment variables.
    pub(crate) fn with_environment(args: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::try_start(args, environment).unwrap_or_else(|said| panic!("{said}"))
    }

    /// Starts a hub with a limit of open files.
    pub(crate) fn with_files(args: &[&str], files: Option<u32>) -> Self {
        let args = args.iter().map(|arg| arg.to_string()).collect();
        let options = Options { args, environment: Vec::new(), files, log: None };
        let process = Process::start("127.0.0.1:0", &options);
        Self { options, process: process.unwrap_or_else(|said| panic!("{said}")) }
    }

    /// Starts a hub that listens at this address.
    pub(crate) fn at(listen: &str, args: &[&str]) -> Self {
        Self::start_at(listen, args, &[]).unwrap_or_else(|said| panic!("{said}"))
    }

    /// Starts a hub. Returns its output if it does not start.
    pub(crate) fn try_start(args: &[&str], environment: &[(&str, &str)]) -> Result<Self, String> {
        Self::start_at("127.0.0.1:0", args, environment)
    }

    fn start_at(listen: &str, args: &[&str], environment: &[(&str, &str)]) -> Result<Self, String> {
        let own = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let options = Options {
            args: args.iter().map(|arg| arg.to_string()).collect(),
            environment: environment.iter().map(own).collect(),
            files: None,
            log: None,
        };
        let process = Process::start(listen, &options)?;
        Ok(Self { options, process })
    }

    /// Starts a hub with this standard error.
    pub(crate) fn logging_to(log: File, args: &[&str]) -> Self {
        let args = args.iter().map(|arg| arg.to_string()).collect();
        let options = Options { args, environment: Vec::new(), files: None, log: Some(log) };
        let process = Process::start("127.0.0.1:0", &options);
        Self { options, process: process.unwrap_or_else(|said| panic!("{said}")) }
    }

    /// Returns the address it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.process.address
    }

    /// Returns the join link that it printed.
    pub(crate) fn link(&self) -> &str {
        &self.process.link
    }

    /// Sends SIGKILL.
    pub(crate) fn kill9(&mut self) {
        self.process.child.kill().unwrap();
        self.process.child.wait().unwrap();
    }

    /// Sends SIGTERM. Returns the exit status and the lines on stdout after the first two.
    pub(crate) fn terminate(&mut self) -> (ExitStatus, Vec<String>) {
        let kill = format!("kill -TERM {}", self.process.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        self.wait()
    }

    /// Waits until the hub exits by itself. Returns the same as [`TestHub::terminate`].
    pub(crate) fn wait(&mut self) -> (ExitStatus, Vec<String>) {
        // The pipe closes when the process ends.
        let mut rest = Vec::new();
        loop {
            match self.process.stdout.recv_timeout(PATIENCE) {
                Ok(line) => rest.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("the hub did not stop"),
            }
        }
        (self.process.child.wait().unwrap(), rest)
    }

    /// Restarts an exited hub with the same options and port.
    pub(crate) fn restart(&mut self) {
        let address = self.process.address.to_string();
        let started = Process::start(&address, &self.options);
        self.process = started.unwrap_or_else(|said| panic!("{said}"));
    }

    /// Returns its resident memory in bytes.
    #[cfg(target_os = "linux")]
    pub(crate) fn memory(&self) -> usize {
        memory_of(self.pid(), "VmRSS:")
    }

    /// Returns its peak resident memory in bytes.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_memory(&self) -> usize {
        memory_of(self.pid(), "VmHWM:")
    }

    /// Returns its log. A line may come a moment later than what it is about, except those before
    /// the start, and those of a hub that has ended.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.process.log.path()).unwrap()
    }

    /// Returns its log once it has this text.
    #[track_caller]
    pub(crate) fn log_with(&self, text: &str) -> String {
        let began = std::time::Instant::now();
        loop {
            let log = self.log();
            if log.contains(text) {
                return log;
            }
            assert!(began.elapsed() < PATIENCE, "no {text:?} in the log:\n{log}");
            thread::yield_now();
        }
    }

    /// Returns its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.child.id()
    }
}

impl Process {
    fn start(listen: &str, options: &Options) -> Result<Self, String> {
        let log = tempfile::NamedTempFile::new().unwrap();
        let hub = env!("CARGO_BIN_EXE_chinwagd");
        let program = match options.files {
            None => command(hub),
            Some(files) => {
                let mut shell = command("sh");
                shell.args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\""), hub]);
                shell
            }
        };
        let mut child = { program }
            .args(["--listen", listen])
            .args(&options.args)
            .envs(options.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(options.log.as_ref().unwrap_or(log.as_file()).try_clone().unwrap())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, stdout) = mpsc::channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let line = || stdout.recv_timeout(PATIENCE);
        let (Ok(listening), Ok(joining)) = (line(), line()) else {
            let _ = child.kill();
            let _ = child.wait();
            let said = std::fs::read_to_string(log.path()).unwrap();
            return Err(format!("the hub did not start with {options:?}:\n{said}"));
        };
        let address = listening.strip_prefix("chinwagd listening on ").expect(&listening);
        let address = address.parse().unwrap();
        let link = joining.strip_prefix("join with: chinwag chat ").expect(&joining);
        let link = link.trim_matches('\'').to_owned();
        Ok(Self { child, address, link, stdout, log })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let said = std::fs::read_to_string(self.log.path()).unwrap_or_default();
            eprintln!("--- the hub's log ---\n{said}---");
        }
    }
}

/// Returns a command that is independent of the settings of the user who runs the tests.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CHINWAG_") {
            command.env_remove(name);
        }
    }
    command
}

/// Returns the resident memory of a process in bytes: `VmRSS:` now, `VmHWM:` at its peak.
#[cfg(target_os = "linux")]
pub(crate) fn memory_of(pid: u32, which: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(which)).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
}

/// Makes the peak of a process's memory count from now on (proc(5), `clear_refs`).
#[cfg(target_os = "linux")]
pub(crate) fn reset_peak_of(pid: u32) {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
}
