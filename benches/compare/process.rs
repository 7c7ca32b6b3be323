//! Resource usage of a process, and facts about the machine.

use std::{fs, process::Command};

use anyhow::{Context, Result};
use serde::Serialize;

/// The resources that a process has used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Seconds of CPU time in user space and in the kernel (`/proc/PID/stat`, in steps of 10 ms).
    pub(crate) cpu: f64,
    /// Bytes of memory (`VmRSS` in `/proc/PID/status`).
    pub(crate) memory: f64,
    /// The most bytes of memory so far (`VmHWM`).
    pub(crate) peak: f64,
}

/// Ticks per second of `/proc/PID/stat` (USER_HZ), the same on all common Linux systems.
const TICKS: f64 = 100.0;

impl Usage {
    /// Returns the usage of a running process.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The second field is a name in parentheses, which may contain any character.
        let (_, fields) = stat.rsplit_once(") ").context("no fields in stat")?;
        let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<f64>());
        let ticks: f64 = ticks.sum::<Result<_, _>>()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let bytes = |name| -> Result<f64> {
            let kilobytes: f64 = entry(&status, name).context("no memory in status")?.parse()?;
            Ok(kilobytes * 1024.0)
        };
        Ok(Self { cpu: ticks / TICKS, memory: bytes("VmRSS")?, peak: bytes("VmHWM")? })
    }
}

/// The machine and the versions of the servers.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory_mib: u64,
    kernel: String,
    /// The load average of the last minute before the first run.
    load_before: f64,
    /// The versions that the servers report.
    versions: Vec<String>,
}

impl Machine {
    /// Returns the facts about this machine.
    pub(crate) fn look(versions: Vec<String>) -> Result<Self> {
        let memory = fs::read_to_string("/proc/meminfo")?;
        let kilobytes: u64 = entry(&memory, "MemTotal").context("no MemTotal")?.parse()?;
        let load = fs::read_to_string("/proc/loadavg")?;
        Ok(Self {
            cpu: entry(&fs::read_to_string("/proc/cpuinfo")?, "model name\t")
                .unwrap_or("unknown")
                .to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            memory_mib: kilobytes / 1024,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            load_before: load.split(' ').next().unwrap_or_default().parse()?,
            versions,
        })
    }

    /// Returns them in one line.
    pub(crate) fn describe(&self) -> String {
        let Self { cpu, cores, memory_mib, kernel, load_before, versions } = self;
        let versions = versions.join(", ");
        format!(
            "{cpu}, {cores} cores, {} GiB, Linux {kernel}, load {load_before} before; {versions}",
            memory_mib / 1024
        )
    }
}

/// Returns the first line of a program's output.
pub(crate) fn first_line(command: &mut Command) -> Option<String> {
    let said = command.output().ok()?.stdout;
    Some(String::from_utf8_lossy(&said).lines().next()?.trim().to_owned())
}

/// Returns the value after `name:` in a file of lines, without its unit.
fn entry<'a>(file: &'a str, name: &str) -> Option<&'a str> {
    let value = file.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.trim();
    Some(value.strip_suffix(" kB").unwrap_or(value))
}
