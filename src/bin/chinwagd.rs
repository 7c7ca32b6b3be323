//! The hub.

use std::process::ExitCode;

/// jemalloc, because a hub holds many small buffers of many sizes for a long time. It places them
/// closer than glibc does and gives back what is free: 5,000 idle subscribers took 24.7 KiB each
/// instead of 29.4 (`make bench ONLY=idle`). Elsewhere the system's own has to do.
#[cfg(any(target_os = "linux", target_os = "macos"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    chinwag::cli::daemon::main(std::env::args_os())
}
