//! Runs Python programs with gRPC and stubs generated from the protos.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::support::skip::not_tested;

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

/// Returns the Python with the required packages, if `make test` has fetched it.
pub(crate) fn python() -> Option<PathBuf> {
    let python = Path::new(PROJECT).join("target/tools/bin/python");
    if python.exists() {
        return Some(python);
    }
    not_tested("Python's gRPC is missing: `make test` fetches it where there is python3");
    None
}

/// Returns the command that runs `tests/interop/PROGRAM.py` with stubs for all protos.
pub(crate) fn program(python: &Path, program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(python);
    command.arg(Path::new(PROJECT).join(format!("tests/interop/{program}.py"))).args(args);
    command.env("PYTHONPATH", stubs(python)).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Returns the folder with the stubs, which are generated once.
fn stubs(python: &Path) -> &'static Path {
    static STUBS: OnceLock<PathBuf> = OnceLock::new();
    STUBS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-stubs");
        std::fs::create_dir_all(&folder).unwrap();
        let protos = ["types", "presence", "broadcast", "peer_chat"];
        let made = Command::new(python)
            .args(["-m", "grpc_tools.protoc", "-Iproto"])
            .args(
                ["--python_out", "--grpc_python_out"]
                    .map(|out| format!("{out}={}", folder.display())),
            )
            .args(protos.map(|proto| format!("proto/chinwag/v1/{proto}.proto")))
            .current_dir(PROJECT)
            .status();
        assert!(made.unwrap().success(), "the stubs cannot be made");
        folder
    })
}
