//! Two machines joined by a cable: network namespaces with a pair of virtual interfaces.
//!
//! Nothing of it outlives the test, however that ends: a namespace lasts as long as a process is in
//! it, and the two that are in these end with their input.

use std::{
    io::{BufRead, BufReader},
    net::{IpAddr, Ipv4Addr},
    process::{Child, Command, Stdio},
};

use crate::support::skip::not_tested;

/// The names of the cable's ends, each on its machine.
pub(crate) const INTERFACE: &str = "cable";

/// What is needed beside the project, and where it comes from.
const TOOLS: [(&str, &str); 3] =
    [("ip", "iproute2"), ("nsenter", "util-linux"), ("unshare", "util-linux")];

/// What makes one the root of one's own machines, whoever one is on the real one.
const ROOT: &[&str] = &["--user", "--map-root-user"];

/// The machines. Those who run nothing on them any more are gone when this is dropped.
pub(crate) struct Cable {
    pub(crate) near: Machine,
    pub(crate) far: Machine,
}

/// One of the machines.
pub(crate) struct Machine {
    pub(crate) address: IpAddr,
    /// Does nothing but to be there.
    keeper: Child,
}

impl Cable {
    /// Lays a cable, where this machine's tools and its kernel let us.
    pub(crate) fn lay() -> Option<Self> {
        match missing() {
            None => {
                let near = Machine::boot("192.0.2.1", unshare(ROOT));
                let far = Machine::boot("192.0.2.2", near.on(&unshare(&[])));
                let cable = Self { near, far };
                cable.connect();
                Some(cable)
            }
            Some(lacks) => {
                not_tested(&lacks);
                None
            }
        }
    }

    fn connect(&self) {
        let far = self.far.keeper.id().to_string();
        let veth = ["link", "add", INTERFACE, "type", "veth", "peer", "name", INTERFACE];
        self.near.ip(&[&veth[..], &["netns", &far]].concat());
        for machine in [&self.near, &self.far] {
            let address = format!("{}/24", machine.address);
            machine.ip(&["address", "add", &address, "dev", INTERFACE]);
            machine.ip(&["link", "set", INTERFACE, "up"]);
            machine.ip(&["link", "set", "lo", "up"]);
        }
    }
}

impl Machine {
    /// A machine that `unshare` makes.
    fn boot(address: &str, mut unshare: Command) -> Self {
        unshare.args(["sh", "-c", "echo up; exec cat"]);
        let mut keeper = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut up = String::new();
        BufReader::new(keeper.stdout.as_mut().unwrap()).read_line(&mut up).unwrap();
        assert_eq!(up, "up\n");
        Self { address: address.parse::<Ipv4Addr>().unwrap().into(), keeper }
    }

    /// The command, to be run on this machine.
    pub(crate) fn on(&self, command: &Command) -> Command {
        let mut entered = Command::new("nsenter");
        entered.args(["--target", &self.keeper.id().to_string()]);
        entered.args(["--user", "--preserve-credentials", "--net", "--"]);
        entered.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => entered.env(name, value),
                None => entered.env_remove(name),
            };
        }
        entered
    }

    fn ip(&self, args: &[&str]) {
        let done = self.on(Command::new("ip").args(args)).status().unwrap();
        assert!(done.success(), "ip {}", args.join(" "));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// Why there can be no cable.
fn missing() -> Option<String> {
    for (tool, package) in TOOLS {
        if Command::new(tool).arg("--version").output().is_err() {
            return Some(format!("{tool} is missing: install {package}"));
        }
    }
    let tried = unshare(ROOT).arg("true").output().unwrap();
    let said = String::from_utf8_lossy(&tried.stderr);
    (!tried.status.success()).then(|| format!("no network namespace may be made here: {said}"))
}

/// What begins a command in a network of its own.
fn unshare(more: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.arg("--net").args(more);
    command
}
