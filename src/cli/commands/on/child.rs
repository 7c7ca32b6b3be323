//! Runs a command for a message: one line of input, bounded output, and a timeout.

use std::{
    io::{self, Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::model::MAX_TEXT_BYTES;

/// The most bytes of output that are kept: the largest reply, with line breaks after it.
const MAX_OUTPUT: u64 = MAX_TEXT_BYTES as u64 + 1024;

/// The first pause before checking whether a command without output has exited; then doubled.
const FIRST_POLL: Duration = Duration::from_millis(1);

/// The longest such pause.
const MAX_POLL: Duration = Duration::from_millis(128);

/// Returns `sh -c run` in a process group of its own, so that all its processes can be killed.
pub(super) fn shell(run: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(run);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}

/// Runs a command with `line` as its input, and returns its output without final line breaks. The
/// command and its children are killed after `timeout`, or when the future is dropped. Errors with
/// the reason if the command fails, takes too long or prints too much.
pub(super) async fn run(
    mut command: Command,
    line: String,
    timeout: Duration,
) -> Result<String, String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cannot run sh: {error}"))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let running = KillOnDrop(Arc::new(Mutex::new(ChildState { child, has_exited: false })));
    // Nobody joins these threads: reads and writes of pipes cannot be cancelled.
    thread::spawn(move || {
        // A command need not read its input.
        let _ = stdin.map(|mut stdin| writeln!(stdin, "{line}"));
    });
    let (done, ended) = oneshot::channel();
    let state = running.0.clone();
    thread::spawn(move || {
        // Fails if the command was given up meanwhile.
        let _ = done.send(read_all(stdout).and_then(|output| Ok((output, wait(&state)?))));
    });
    let (output, status) = match tokio::time::timeout(timeout, ended).await {
        Err(_) => return Err(format!("the command was killed: it took longer than {timeout:?}")),
        Ok(Err(_)) => return Err("internal error: lost the command".into()),
        Ok(Ok(ended)) => ended.map_err(|error| format!("cannot read its output: {error}"))?,
    };
    if !status.success() {
        return Err(format!("the command failed: {status}"));
    }
    let output = output.ok_or("its output is longer than a message may be")?;
    Ok(String::from_utf8_lossy(&output).trim_end_matches(['\n', '\r']).to_owned())
}

/// Reads to the end. Returns `None` if there are more than [`MAX_OUTPUT`] bytes.
fn read_all(output: Option<impl Read>) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let Some(mut output) = output else { return Ok(Some(bytes)) };
    output.by_ref().take(MAX_OUTPUT).read_to_end(&mut bytes)?;
    // The rest is read too: otherwise the command would fail to write.
    let more = io::copy(&mut output, &mut io::sink())?;
    Ok((more == 0).then_some(bytes))
}

fn wait(state: &Mutex<ChildState>) -> io::Result<ExitStatus> {
    let mut pause = FIRST_POLL;
    loop {
        let mut state = state.lock();
        if let Some(status) = state.child.try_wait()? {
            state.has_exited = true;
            return Ok(status);
        }
        drop(state);
        thread::sleep(pause);
        pause = (pause * 2).min(MAX_POLL);
    }
}

/// Kills the command when dropped, unless it has exited.
struct KillOnDrop(Arc<Mutex<ChildState>>);

struct ChildState {
    child: Child,
    /// Whether the system may have reused its process id.
    has_exited: bool,
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if !state.has_exited {
            kill(&mut state.child);
        }
    }
}

/// Kills a command and, where the system has process groups, its children.
fn kill(child: &mut Child) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process_group};
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        // Fails if all of them have exited.
        let _ = group.map(|group| kill_process_group(group, Signal::KILL));
    }
    let _ = child.kill();
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs::File, sync::mpsc};

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    async fn output_of(run: &str) -> Result<String, String> {
        super::run(shell(run), "{\"text\":\"hi\"}".into(), LONG).await
    }

    #[tokio::test]
    async fn the_output_is_returned() {
        assert_eq!(output_of("cat").await.unwrap(), "{\"text\":\"hi\"}");
        assert_eq!(output_of("echo one; echo two; echo").await.unwrap(), "one\ntwo");
        assert_eq!(output_of("true").await.unwrap(), "");
        assert_eq!(output_of("printf 'a\\377b'").await.unwrap(), "a\u{fffd}b");
        let most = "head -c 16384 /dev/zero | tr '\\0' x";
        assert_eq!(output_of(most).await.unwrap().len(), MAX_TEXT_BYTES);
    }

    #[tokio::test]
    async fn a_failure_is_an_error() {
        assert!(output_of("echo no; exit 3").await.unwrap_err().contains("exit status: 3"));
        assert!(output_of("kill -9 $$").await.unwrap_err().contains("signal: 9"));
        let long = output_of("head -c 1000000 /dev/zero | tr '\\0' x").await;
        assert!(long.unwrap_err().contains("longer than a message may be"));
    }

    #[tokio::test]
    async fn a_slow_command_is_killed_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let alive = dir.path().join("alive");
        let mkfifo = Command::new("mkfifo").arg(&alive).status().unwrap();
        assert!(mkfifo.success());
        // The other end stays open as long as any process of the command lives.
        let run = format!("sleep 1000 >'{}' & sleep 1000", alive.display());
        let ((opens, opened), (ends, ended)) = (oneshot::channel(), mpsc::channel());
        thread::spawn(move || {
            let mut held = File::open(alive).unwrap();
            opens.send(()).unwrap();
            let _ = ends.send(held.read_to_end(&mut Vec::new()).unwrap());
        });
        // From then on, time jumps to the timeout.
        let jump = async {
            tokio::time::timeout(LONG, opened).await.expect("it runs").unwrap();
            tokio::time::pause();
        };
        let (killed, ()) = tokio::join!(super::run(shell(&run), String::new(), LONG), jump);
        assert!(killed.unwrap_err().contains("longer than 30s"));
        assert_eq!(ended.recv_timeout(LONG), Ok(0));
    }
}
