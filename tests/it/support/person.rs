//! A user of the command line.

use std::{net::SocketAddr, time::Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    cli::{self, Ended, Running},
    hub::TestHub,
    within::PATIENCE,
};

/// A user with a directory.
pub(crate) struct Person<'a> {
    pub(crate) hub: SocketAddr,
    pub(crate) name: &'a str,
    pub(crate) home: TempDir,
}

impl<'a> Person<'a> {
    pub(crate) fn new(hub: &TestHub, name: &'a str) -> Self {
        Self { hub: hub.address(), name, home: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn command(&self, args: &[&str]) -> std::process::Command {
        cli::command(self.home.path(), self.hub, self.name, args)
    }

    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        cli::run(self.command(args), b"")
    }

    #[track_caller]
    pub(crate) fn run_with(&self, args: &[&str], input: &str) -> Ended {
        cli::run(self.command(args), input.as_bytes())
    }

    /// Runs a search until it finds something, since the index lags behind the log. Returns the hits.
    #[track_caller]
    pub(crate) fn search_until_found(&self, args: &[&str]) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "nothing is ever found: {args:?}");
            let found = self.run(&[&["search", "--json"], args].concat()).objects();
            if !found.is_empty() {
                return found;
            }
        }
    }

    pub(crate) fn start(&self, args: &[&str]) -> Running {
        Running::start(self.command(args))
    }
}
