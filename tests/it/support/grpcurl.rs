//! Runs grpcurl and its examples in `docs/grpc.md`.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::Stdio,
};

use crate::support::{hub::command, skip::not_tested};

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/grpc.md"));

/// Returns a search path that includes grpcurl, if `make test` has fetched it.
pub(crate) fn path() -> Option<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin");
    if folder.join("grpcurl").exists() {
        return Some(format!("{}:{}", folder.display(), std::env::var("PATH").unwrap()));
    }
    not_tested("grpcurl is missing: `make test` fetches it where there is Go");
    None
}

/// Returns the commands in the document's `sh` blocks that call grpcurl with this option.
pub(crate) fn examples(option: &str) -> Vec<String> {
    let blocks = DOCUMENT.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut commands: Vec<String> = Vec::new();
    for line in blocks.filter(|block| block.contains("grpcurl")).flat_map(str::lines) {
        match commands.last_mut().filter(|_| !line.starts_with("grpcurl")) {
            Some(command) => *command += &format!("\n{line}"),
            None => commands.push(line.to_owned()),
        }
    }
    commands.retain(|command| command.contains(option));
    commands
}

/// Runs a shell command until it has printed all of `wanted` or has ended. Subscriptions do not end
/// by themselves.
pub(crate) fn run(shell: &str, path: &str, token: &str, wanted: &[&str]) -> String {
    let mut child = command("sh")
        .args(["-c", &format!("exec {shell} 2>&1")])
        .env("PATH", path)
        .env("TOKEN", token)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        printed += &format!("{}\n", line.unwrap());
        if shell.contains("Subscribe") && wanted.iter().all(|word| printed.contains(word)) {
            break;
        }
    }
    let _ = child.kill();
    child.wait().unwrap();
    for word in wanted {
        assert!(printed.contains(word), "{word} is not in what this prints:\n{shell}\n{printed}");
    }
    printed
}
