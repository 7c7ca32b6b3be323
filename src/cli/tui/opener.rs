//! Opens a web link with the program that the system has for that.

use std::{
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

/// The program that opens a link, and the arguments before the link. No shell is involved.
const OPENER: (&str, &[&str]) = if cfg!(target_os = "macos") {
    ("open", &[])
} else if cfg!(windows) {
    ("rundll32", &["url.dll,FileProtocolHandler"])
} else {
    ("xdg-open", &[])
};

/// How long to wait for a failure. A program that exits later has most likely opened the link.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts the program, which may run as long as the browser does. Errors with what to tell the user, also
/// if there is no browser.
pub(super) async fn open(link: &str) -> Result<(), String> {
    open_with(OPENER, link).await
}

async fn open_with((program, arguments): (&str, &[&str]), link: &str) -> Result<(), String> {
    let failed = |why: String| {
        format!("{program} cannot open {link} ({why}): /open lists it again, and Alt-C copies it")
    };
    let mut command = Command::new(program);
    command.args(arguments).arg(link);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C and the end of the terminal are not meant for the browser.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let (sender, exited) = oneshot::channel();
    // Nobody joins the thread, because the browser may stay open.
    thread::spawn(move || sender.send(child.wait()));
    match timeout(START_TIMEOUT, exited).await {
        Ok(Ok(Ok(status))) if !status.success() => Err(failed(status.to_string())),
        _ => Ok(()),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_a_browser_the_user_learns_how_to_copy_the_link() {
        for (program, why) in [("false", "exit status: 1"), ("/nowhere/xdg-open", "No such file")] {
            let error = open_with((program, &[]), "https://a.example/").await.unwrap_err();
            assert!(error.contains("https://a.example/") && error.contains(why), "{error}");
            assert!(error.contains("/open lists it again, and Alt-C copies it"), "{error}");
        }
        assert_eq!(open_with(("true", &[]), "https://a.example/").await, Ok(()));
    }
}
