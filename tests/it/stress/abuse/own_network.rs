//! Runs a test in a network of its own, in which every address of [`NET`] is this machine's. The
//! limits of one address do not apply to loopback, so attackers need other addresses.

use std::{
    net::Ipv4Addr,
    process::{Command, Stdio},
};

use crate::support::skip::not_tested;

/// Set in the process that runs within the network.
const WITHIN: &str = "CHINWAG_TEST_NETWORK";

const NET: &str = "192.0.2.0/24";

/// Returns an address of the network.
pub(crate) fn address(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, host)
}

/// Returns true within the network. Otherwise runs the test of this full name there, and panics if
/// it fails.
pub(crate) fn within(test: &str) -> bool {
    if std::env::var_os(WITHIN).is_some() {
        return true;
    }
    let script = format!(
        "ip link set lo up && ip route add local {NET} dev lo && ulimit -n $(ulimit -Hn) && exec \"$@\""
    );
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--net", "--user", "--map-root-user", "sh", "-c", script, "sh"]);
        command
    };
    let tried = unshare(&script).arg("true").stdin(Stdio::null()).output();
    if !tried.as_ref().is_ok_and(|tried| tried.status.success()) {
        not_tested(&format!("no network can be made with unshare and ip: {tried:?}"));
        return false;
    }
    let mut inner = unshare(&script);
    inner.arg(std::env::current_exe().unwrap());
    inner.args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads=1"]);
    let status = inner.env(WITHIN, "1").stdin(Stdio::null()).status().unwrap();
    assert!(status.success(), "{test} failed in its network");
    false
}
