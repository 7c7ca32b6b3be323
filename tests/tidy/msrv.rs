//! Checks that every locked crate builds with the minimum supported compiler.

use std::process::Command;

use serde_json::Value;

/// The rust-version of `Cargo.toml`.
const OURS: &str = env!("CARGO_PKG_RUST_VERSION");

/// Returns the locked crates that need a newer compiler than [`OURS`].
pub(crate) fn violations() -> Vec<String> {
    let packages = packages();
    assert!(packages.len() > 100, "only {} crates are locked", packages.len());
    packages.iter().filter_map(violation).collect()
}

fn violation(package: &Value) -> Option<String> {
    let wanted = package["rust_version"].as_str()?;
    let (name, version) = (&package["name"], &package["version"]);
    (parse(wanted) > parse(OURS))
        .then(|| format!("{name} {version} needs Rust {wanted}, and Cargo.toml promises {OURS}"))
}

/// Returns cargo's metadata of the locked crates: for all systems if they have been downloaded, as
/// `make deny` does, or else for this one.
fn packages() -> Vec<Value> {
    let everywhere: [&str; 0] = [];
    let here = ["--filter-platform", &host()];
    metadata(&everywhere).or_else(|_| metadata(&here)).unwrap_or_else(|said| panic!("{said}"))
}

/// Returns rustc's name of this system.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let about = String::from_utf8(output.stdout).unwrap();
    about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

fn metadata(more: &[&str]) -> Result<Vec<Value>, String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .args(more)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    Ok(all["packages"].as_array().unwrap().clone())
}

/// "1.89" and "1.89.0" are the same version.
fn parse(version: &str) -> [u32; 3] {
    let release = version.split('-').next().unwrap_or_default();
    let mut numbers = release.split('.').map(|number| number.parse().unwrap());
    [(); 3].map(|()| numbers.next().unwrap_or(0))
}

mod tests {
    use super::*;

    #[test]
    fn a_newer_crate_is_found() {
        let with = |version: &str| {
            violation(&serde_json::json!({
                "name": "left-pad", "version": "1.0.0", "rust_version": version
            }))
        };
        assert_eq!(with(OURS), None);
        assert_eq!(with("1.56.1"), None);
        assert!(with("1.4294967.1").unwrap().contains("left-pad"));
        assert_eq!(violation(&serde_json::json!({ "name": "old", "rust_version": null })), None);
    }
}
