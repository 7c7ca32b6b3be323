//! The contenders.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

use clap::ValueEnum;
use serde::Serialize;

use crate::process;

/// A server, or a substitute for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Contender {
    /// The real `chinwagd`; in direct messages, two of its clients.
    Chinwag,
    /// nats-server: core pub/sub, and JetStream in workloads that keep posts.
    Nats,
    /// redis-server: pub/sub, and a stream with an append-only file in workloads that keep posts.
    Redis,
    /// The simplest server with tonic: a `broadcast` channel, and prost for each subscriber.
    Plain,
    /// An echo over a bare socket.
    Tcp,
}

impl Contender {
    /// The contenders in the order of the table's columns.
    pub(crate) const ALL: [Self; 5] =
        [Self::Chinwag, Self::Nats, Self::Redis, Self::Plain, Self::Tcp];

    /// Returns its name on the command line.
    pub(crate) fn key(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Returns the program to start, if it is installed.
    pub(crate) fn program(self) -> Option<PathBuf> {
        match self {
            Self::Chinwag => Some(PathBuf::from(env!("CARGO_BIN_EXE_chinwagd"))),
            Self::Nats => {
                let ours =
                    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin/nats-server");
                if ours.exists() { Some(ours) } else { installed("nats-server") }
            }
            Self::Redis => installed("redis-server"),
            Self::Plain | Self::Tcp => std::env::current_exe().ok(),
        }
    }

    /// Returns how to install it.
    pub(crate) fn how_to_get(self) -> &'static str {
        match self {
            Self::Nats => "`tools/fetch.sh nats-server` installs it where Go is",
            Self::Redis => "install redis-server, for example with `apt-get install redis-server`",
            Self::Chinwag | Self::Plain | Self::Tcp => "it is built with the benchmark",
        }
    }

    /// Returns the version that it reports.
    pub(crate) fn version(self) -> Option<String> {
        match self {
            Self::Plain => Some(format!("tonic {}", tonic_version())),
            Self::Tcp => None,
            _ => process::first_line(Command::new(self.program()?).arg("--version")),
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Chinwag => "chinwag",
            Self::Nats => "nats-server",
            Self::Redis => "redis-server",
            Self::Plain => "plain tonic",
            Self::Tcp => "bare socket",
        })
    }
}

fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Returns the version of tonic of this build.
fn tonic_version() -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let entry = lock.split("[[package]]").find(|entry| entry.contains("name = \"tonic\"\n"));
    entry
        .and_then(|entry| entry.lines().find_map(|line| line.strip_prefix("version = ")))
        .map_or("", |version| version.trim_matches('"'))
}
