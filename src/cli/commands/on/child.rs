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

use crate::model::{MAX_TEXT_BYTES, Text};

/// The most bytes of output that are kept: the largest reply, with line breaks after it.
const MAX_OUTPUT: usize = MAX_TEXT_BYTES + 1024;

/// How long the output of a command that has exited is still read while something that it has started
/// in the background may print more.
const OUTPUT_GRACE: Duration = Duration::from_millis(200);

/// The first pause before checking whether a command has exited; then doubled.
const FIRST_POLL: Duration = Duration::from_millis(1);

/// The longest such pause.
const MAX_POLL: Duration = Duration::from_millis(128);

/// Returns `sh -c run` in a process group of its own, so that all its processes can be killed.
pub(in crate::cli) fn shell(run: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(run);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}

/// Runs a command with `line` as its input, and returns its output without final line breaks. Once the
/// command has exited, what it has started in the background may run on, and its output is ignored. All
/// of it is killed after `timeout`, or when the future is dropped before. Errors with the reason if the
/// command fails, takes too long or prints too much.
pub(in crate::cli) async fn run(
    mut command: Command,
    line: String,
    timeout: Duration,
) -> Result<String, String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cannot run sh: {error}"))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let mut running = KillOnDrop { child, has_exited: false };
    // Nobody joins these threads: reads and writes of pipes cannot be cancelled. They end with the last
    // process that has the other end.
    thread::spawn(move || {
        // A command need not read its input.
        let _ = stdin.map(|mut stdin| writeln!(stdin, "{line}"));
    });
    let output = Arc::new(Mutex::new(Output::default()));
    let (done, mut all_read) = oneshot::channel();
    let reading = output.clone();
    thread::spawn(move || {
        // Fails if the command was given up meanwhile.
        let _ = done.send(stdout.map_or(Ok(()), |stdout| read_all(stdout, &reading)));
    });
    let unreadable = |error: io::Error| format!("cannot read its output: {error}");
    let ended = tokio::time::timeout(timeout, exit_of(&mut running, &mut all_read)).await;
    let (status, read) = ended
        .map_err(|_| format!("the command was killed: it took longer than {timeout:?}"))?
        .map_err(unreadable)?;
    match read {
        Some(read) => read.map_err(unreadable)?,
        // Something in the background holds the pipe.
        None => drop(tokio::time::timeout(OUTPUT_GRACE, all_read).await),
    }
    if !status.success() {
        return Err(format!("the command failed: {status}"));
    }
    let Output { bytes, length } = std::mem::take(&mut *output.lock());
    if length > bytes.len() {
        return Err(format!("reply: {}", Text::too_long(length)));
    }
    Ok(String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned())
}

/// What a command has printed so far.
#[derive(Default)]
struct Output {
    /// The first [`MAX_OUTPUT`] bytes.
    bytes: Vec<u8>,
    /// The number of all bytes.
    length: usize,
}

/// Reads to the end. What is too much is read too: otherwise the command would fail to write.
fn read_all(mut from: impl Read, output: &Mutex<Output>) -> io::Result<()> {
    let mut buffer = [0; 8 * 1024];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let mut output = output.lock();
        let kept = read.min(MAX_OUTPUT - output.bytes.len());
        output.bytes.extend_from_slice(&buffer[..kept]);
        output.length += read;
    }
}

/// The result of reading all output.
type AllRead = oneshot::Receiver<io::Result<()>>;

/// Waits until the command has exited. Returns its status, and the result of reading its output if that
/// has ended.
async fn exit_of(
    running: &mut KillOnDrop,
    all_read: &mut AllRead,
) -> io::Result<(ExitStatus, Option<io::Result<()>>)> {
    let (mut pause, mut read) = (FIRST_POLL, None);
    loop {
        if let Some(status) = running.child.try_wait()? {
            running.has_exited = true;
            return Ok((status, read));
        }
        tokio::select! {
            ended = &mut *all_read, if read.is_none() => {
                read = Some(ended.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into())));
                // It is about to exit.
                pause = FIRST_POLL;
            }
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(MAX_POLL),
        }
    }
}

/// Kills the command when dropped, unless it has exited.
struct KillOnDrop {
    child: Child,
    /// Whether the system may have reused its process id.
    has_exited: bool,
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if !self.has_exited {
            kill(&mut self.child);
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
        assert!(long.unwrap_err().ends_with("16384 bytes; this one has 1000000"));
    }

    #[tokio::test]
    async fn what_runs_in_the_background_is_not_waited_for() {
        let output = output_of("sleep 1000 & echo $!").await.unwrap();
        // It is left alone.
        assert!(Command::new("kill").arg(&output).status().unwrap().success(), "{output}");
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
