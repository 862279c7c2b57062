//! `encke-bench`: see `bench/README.md`.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    encke_bench::main()
}

#[cfg(not(target_os = "linux"))]
#[allow(clippy::print_stderr, reason = "it talks to its user")]
fn main() -> ExitCode {
    eprintln!("encke-bench: only on Linux");
    ExitCode::FAILURE
}
