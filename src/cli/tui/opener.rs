//! Opens a web link with the program that the system has for that.

use std::{
    process::{Command, Stdio},
    thread,
};

/// The program that opens a link, and the arguments before the link. No shell is involved.
const OPENER: (&str, &[&str]) = if cfg!(target_os = "macos") {
    ("open", &[])
} else if cfg!(windows) {
    ("rundll32", &["url.dll,FileProtocolHandler"])
} else {
    ("xdg-open", &[])
};

/// Starts the program, which may run as long as the browser does. Errors with what to tell the user.
pub(super) fn open(link: &str) -> Result<(), String> {
    let (program, arguments) = OPENER;
    let mut command = Command::new(program);
    command.args(arguments).arg(link);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C and the end of the terminal are not meant for the browser.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().map_err(|error| {
        format!("cannot run {program} to open {link} ({error}); Alt-C copies it instead")
    })?;
    // Collects its exit status. Nobody joins the thread, because the browser may stay open.
    thread::spawn(move || child.wait());
    Ok(())
}
