//! How much memory callers may make the hub hold.

use std::{fs, path::Path};

use crate::transport::Budget;

/// The least: below it, one connection could hardly fetch a page of messages.
const LEAST: usize = 32 * 1024 * 1024;

const MIB: usize = 1024 * 1024;

/// Parses a number of bytes such as "192MiB" or "2GiB".
pub(super) fn bytes(raw: &str) -> Result<u64, String> {
    let help = || "expected a size such as 192MiB or 2GiB".to_owned();
    let digits = raw.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit: u64 = match raw[digits.len()..].trim() {
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(help()),
    };
    let count: u64 = digits.parse().map_err(|_| help())?;
    count.checked_mul(unit).filter(|count| *count > 0).ok_or_else(help)
}

/// Parses a size such as "192MiB" or "2GiB".
pub(super) fn size(raw: &str) -> Result<usize, String> {
    let bytes = bytes(raw)?;
    if bytes < LEAST as u64 {
        return Err(format!("at least {}MiB", LEAST / MIB));
    }
    usize::try_from(bytes).map_err(|_| "more than this machine can address".to_owned())
}

/// Returns the default: three quarters of the limit of this process's control group, if there is
/// one, and [`Budget::DEFAULT_LIMIT`] otherwise.
pub(super) fn default_size() -> usize {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    limit_of(&groups, Path::new("/sys/fs/cgroup"))
        .map_or(Budget::DEFAULT_LIMIT, |limit| (limit / 4 * 3).max(LEAST))
}

/// Returns the lowest memory limit of a process's control groups, which `groups` lists as in
/// `/proc/PID/cgroup`, and of their parents (cgroups(7)).
fn limit_of(groups: &str, mounted: &Path) -> Option<usize> {
    let limits = groups.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, group) = rest.split_once(':')?;
        let (root, file) = match controllers {
            "" => (mounted.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|controller| controller == "memory") => {
                (mounted.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        // A container sees its own group as the root, whatever the path says.
        let group = root.join(group.trim_start_matches('/'));
        let within = group.ancestors().take_while(|group| group.starts_with(&root));
        let read = |group: &Path| fs::read_to_string(group.join(file)).ok()?.trim().parse().ok();
        within.filter_map(read).min()
    });
    // Version 1 says "no limit" with a number near the largest one.
    limits.min().filter(|limit| *limit < usize::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(size("192MiB"), Ok(192 * MIB));
        assert_eq!(size("2 GiB"), Ok(2048 * MIB));
        for raw in ["", "0MiB", "192", "192MB", "MiB", "-1GiB", "1.5GiB", "99999999999999GiB", "é"]
        {
            assert!(size(raw).unwrap_err().contains("192MiB"), "{raw}");
        }
        assert_eq!(size("1MiB").unwrap_err(), "at least 32MiB");
    }

    #[test]
    fn the_lowest_limit_of_the_control_groups_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let file = root.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        let limit = |groups| limit_of(groups, root.path());
        assert_eq!(limit("0::/system.slice/chinwag.service\n"), None);
        write("system.slice/chinwag.service/memory.max", "max\n");
        assert_eq!(limit("0::/system.slice/chinwag.service\n"), None);
        write("system.slice/memory.max", "1000\n");
        assert_eq!(limit("0::/system.slice/chinwag.service\n"), Some(1000));
        write("system.slice/chinwag.service/memory.max", "900\n");
        assert_eq!(limit("0::/system.slice/chinwag.service\n"), Some(900));
        // A container: the path is that of the machine.
        write("memory.max", "800\n");
        assert_eq!(limit("0::/docker/abc\n"), Some(800));
        write("memory/a/memory.limit_in_bytes", "9223372036854771712\n");
        write("memory/b/memory.limit_in_bytes", "700\n");
        assert_eq!(limit("7:cpu,cpuacct:/a\n5:memory:/a\n"), None);
        assert_eq!(limit("5:memory:/b\n"), Some(700));
    }
}
