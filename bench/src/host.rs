//! What the figures were measured on, and when.

use std::{fs, process::Command};

use crate::{BoxError, machine};

/// Today.
pub(crate) fn date() -> Result<String, BoxError> {
    let output = Command::new("date").args(["-u", "+%F"]).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Processor, cores, memory, kernel and distribution.
pub(crate) fn describe() -> String {
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_default();
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
    let memory: f64 = memory
        .trim_end_matches(" kB")
        .parse()
        .map_or(f64::NAN, |kib: f64| kib / f64::from(1 << 20));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.trim();
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = system
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .unwrap_or_default()
        .trim_matches('"');
    let cores = machine::cores();
    format!("{processor}, {cores} cores, {memory:.0} GiB, Linux {kernel}, {system}")
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
