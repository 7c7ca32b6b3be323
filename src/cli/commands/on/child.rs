//! A command that is run for a message: a line in, an answer out, and an end in any case.

use std::{
    io::{self, Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

use crate::model::MAX_TEXT_BYTES;

/// How much of what a command prints is kept: an answer of the largest size, and newlines after it.
const MAX_OUTPUT: u64 = MAX_TEXT_BYTES as u64 + 1024;

/// How soon to look whether a command that has closed its output has ended; doubled each time.
const FIRST_LOOK: Duration = Duration::from_millis(1);

/// The most time between two looks.
const LAST_LOOK: Duration = Duration::from_millis(128);

/// `sh -c` of what a person wrote, in a process group of its own, so that all of it can be ended.
pub(super) fn shell(run: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(run);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}

/// Runs a command, which reads `line`, and returns what it printed without the newlines at the end.
/// It is killed, with all that it started, where it takes longer than `timeout` or the future is
/// dropped.
///
/// # Errors
///
/// Says why there is no answer.
pub(super) async fn run(
    mut command: Command,
    line: String,
    timeout: Duration,
) -> Result<String, String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cannot run sh: {error}"))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let running = Running(Arc::new(Mutex::new(State { child, is_over: false })));
    // Threads that nobody waits for: reads and writes of pipes cannot be given up otherwise. Both
    // end with the command.
    thread::spawn(move || {
        // A command that does not read it all is no mistake.
        let _ = stdin.map(|mut stdin| writeln!(stdin, "{line}"));
    });
    let (done, ended) = oneshot::channel();
    let state = running.0.clone();
    thread::spawn(move || {
        // It was given up meanwhile.
        let _ = done.send(read_all(stdout).and_then(|said| Ok((said, wait(&state)?))));
    });
    let (said, status) = match tokio::time::timeout(timeout, ended).await {
        Err(_) => return Err(format!("the command was killed: it took longer than {timeout:?}")),
        Ok(Err(_)) => return Err("the command was lost".into()),
        Ok(Ok(ended)) => ended.map_err(|error| format!("cannot hear the command: {error}"))?,
    };
    if !status.success() {
        return Err(format!("the command failed: {status}"));
    }
    let said = said.ok_or("its answer is longer than a text may be")?;
    Ok(String::from_utf8_lossy(&said).trim_end_matches(['\n', '\r']).to_owned())
}

/// Everything up to the end; `None` where that is too much.
fn read_all(output: Option<impl Read>) -> io::Result<Option<Vec<u8>>> {
    let mut said = Vec::new();
    let Some(mut output) = output else { return Ok(Some(said)) };
    output.by_ref().take(MAX_OUTPUT).read_to_end(&mut said)?;
    // The rest is read as well: a command that cannot write would fail for another reason.
    let more = io::copy(&mut output, &mut io::sink())?;
    Ok((more == 0).then_some(said))
}

fn wait(state: &Mutex<State>) -> io::Result<ExitStatus> {
    let mut pause = FIRST_LOOK;
    loop {
        let mut state = lock(state);
        if let Some(status) = state.child.try_wait()? {
            state.is_over = true;
            return Ok(status);
        }
        drop(state);
        thread::sleep(pause);
        pause = (pause * 2).min(LAST_LOOK);
    }
}

/// A command that is killed when this is dropped.
struct Running(Arc<Mutex<State>>);

struct State {
    child: Child,
    /// Whether the system may have given its number to somebody else.
    is_over: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        if !state.is_over {
            kill(&mut state.child);
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock()
}

/// Ends a command and, where the system has process groups, all that it started.
fn kill(child: &mut Child) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process_group};
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        // What has ended meanwhile needs nothing.
        let _ = group.map(|group| kill_process_group(group, Signal::KILL));
    }
    let _ = child.kill();
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs::File, sync::mpsc};

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    async fn says(run: &str) -> Result<String, String> {
        super::run(shell(run), "{\"text\":\"hi\"}".into(), LONG).await
    }

    #[tokio::test]
    async fn what_a_command_prints_is_the_answer() {
        assert_eq!(says("cat").await.unwrap(), "{\"text\":\"hi\"}");
        assert_eq!(says("echo one; echo two; echo").await.unwrap(), "one\ntwo");
        assert_eq!(says("true").await.unwrap(), "");
        assert_eq!(says("printf 'a\\377b'").await.unwrap(), "a\u{fffd}b");
        let most = "head -c 16384 /dev/zero | tr '\\0' x";
        assert_eq!(says(most).await.unwrap().len(), MAX_TEXT_BYTES);
    }

    #[tokio::test]
    async fn a_failure_is_named_and_no_answer() {
        assert!(says("echo no; exit 3").await.unwrap_err().contains("exit status: 3"));
        assert!(says("kill -9 $$").await.unwrap_err().contains("signal: 9"));
        let long = says("head -c 1000000 /dev/zero | tr '\\0' x").await;
        assert!(long.unwrap_err().contains("longer than a text may be"));
    }

    #[tokio::test]
    async fn what_takes_too_long_is_killed_with_all_that_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let alive = dir.path().join("alive");
        let mkfifo = Command::new("mkfifo").arg(&alive).status().unwrap();
        assert!(mkfifo.success());
        // Somebody holds the other end for as long as anything of the command lives.
        let run = format!("sleep 1000 >'{}' & sleep 1000", alive.display());
        let ((opens, opened), (ends, ended)) = (oneshot::channel(), mpsc::channel());
        thread::spawn(move || {
            let mut held = File::open(alive).unwrap();
            opens.send(()).unwrap();
            let _ = ends.send(held.read_to_end(&mut Vec::new()).unwrap());
        });
        // From then on time jumps to the end of what the command is given.
        let jump = async {
            tokio::time::timeout(LONG, opened).await.expect("it runs").unwrap();
            tokio::time::pause();
        };
        let (killed, ()) = tokio::join!(super::run(shell(&run), String::new(), LONG), jump);
        assert!(killed.unwrap_err().contains("longer than 30s"));
        assert_eq!(ended.recv_timeout(LONG), Ok(0));
    }
}
