//! Two machines joined by a cable: network namespaces with a pair of virtual interfaces.
//!
//! Nothing outlives the test, however it ends: a namespace exists as long as a process is in it,
//! and the processes in these two end when their input closes.

use std::{
    io::{BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    process::{Child, Command, Stdio},
};

use crate::support::skip::not_tested;

/// The name of each end of the cable.
pub(crate) const INTERFACE: &str = "cable";

/// The required tools and their packages.
const TOOLS: [(&str, &str); 3] =
    [("ip", "iproute2"), ("nsenter", "util-linux"), ("unshare", "util-linux")];

/// Makes any user root within the new namespaces.
const ROOT: &[&str] = &["--user", "--map-root-user"];

/// The machines. On drop they end, unless other processes run on them.
pub(crate) struct Cable {
    pub(crate) near: Machine,
    pub(crate) far: Machine,
}

/// One of the machines.
pub(crate) struct Machine {
    pub(crate) address: IpAddr,
    /// An address that is reached over [`INTERFACE`] only.
    pub(crate) link_local: Ipv6Addr,
    /// An idle process that keeps the namespace open.
    keeper: Child,
}

impl Cable {
    /// Creates the machines and the cable; `None` if tools or the kernel do not allow it.
    pub(crate) fn lay() -> Option<Self> {
        match missing() {
            None => {
                let near = Machine::boot(1, unshare(ROOT));
                let far = Machine::boot(2, near.on(&unshare(&[])));
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
            // Without the detection of duplicates, during which nobody can listen there.
            let link_local = format!("{}/64", machine.link_local);
            machine.ip(&["address", "add", &link_local, "dev", INTERFACE, "nodad"]);
            machine.ip(&["link", "set", INTERFACE, "up"]);
            machine.ip(&["link", "set", "lo", "up"]);
        }
    }
}

impl Machine {
    /// Creates a machine with `unshare`. Its addresses end with the number.
    fn boot(number: u8, mut unshare: Command) -> Self {
        unshare.args(["sh", "-c", "echo up; exec cat"]);
        let mut keeper = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut up = String::new();
        BufReader::new(keeper.stdout.as_mut().unwrap()).read_line(&mut up).unwrap();
        assert_eq!(up, "up\n");
        let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, number.into());
        Self { address: Ipv4Addr::new(192, 0, 2, number).into(), link_local, keeper }
    }

    /// Returns the command, to be run on this machine.
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

/// Returns why a cable cannot be created.
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

/// Returns the start of a command in a separate network.
fn unshare(more: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.arg("--net").args(more);
    command
}
