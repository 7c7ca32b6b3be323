//! What the kernel says about a process, and about the machine.

use std::{fs, process::Command};

use anyhow::{Context, Result};
use serde::Serialize;

/// What a process has used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Seconds of CPU time, its own and the kernel's on its behalf (`/proc/PID/stat`; the clock has
    /// steps of 10 ms).
    pub(crate) cpu: f64,
    /// Bytes of memory (`VmRSS` in `/proc/PID/status`).
    pub(crate) memory: f64,
}

/// Ticks of `/proc/PID/stat` in a second: the same on every Linux that one meets (USER_HZ).
const TICKS: f64 = 100.0;

impl Usage {
    /// Of a process that runs.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The second field is a name in parentheses, which may hold anything.
        let (_, fields) = stat.rsplit_once(") ").context("no fields in stat")?;
        let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<f64>());
        let ticks: f64 = ticks.sum::<Result<_, _>>()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let kilobytes: f64 = entry(&status, "VmRSS").context("no VmRSS")?.parse()?;
        Ok(Self { cpu: ticks / TICKS, memory: kilobytes * 1024.0 })
    }
}

/// Where and with what it was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory_mib: u64,
    kernel: String,
    /// The load average of the last minute before the first run: what else the machine did.
    load_before: f64,
    /// The versions of the servers, as they say it themselves.
    versions: Vec<String>,
}

impl Machine {
    /// This one.
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

    /// In one line.
    pub(crate) fn describe(&self) -> String {
        let Self { cpu, cores, memory_mib, kernel, load_before, versions } = self;
        let versions = versions.join(", ");
        format!(
            "{cpu}, {cores} cores, {} GiB, Linux {kernel}, load {load_before} before; {versions}",
            memory_mib / 1024
        )
    }
}

/// The first line that a program says.
pub(crate) fn first_line(command: &mut Command) -> Option<String> {
    let said = command.output().ok()?.stdout;
    Some(String::from_utf8_lossy(&said).lines().next()?.trim().to_owned())
}

/// What follows `name:` in a file of lines, without a unit.
fn entry<'a>(file: &'a str, name: &str) -> Option<&'a str> {
    let value = file.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.trim();
    Some(value.strip_suffix(" kB").unwrap_or(value))
}
