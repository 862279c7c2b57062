//! What a server has used: CPU time and memory of a process and all its descendants, from /proc.

use std::fs;

/// A running server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(pub(crate) u32);

/// Resident memory in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    /// The part that is no file: heap and stacks.
    pub(crate) anonymous: u64,
}

impl Process {
    pub(crate) fn this() -> Self {
        Self(std::process::id())
    }

    /// Seconds its threads were running, to the nanosecond. Threads that have ended are not counted.
    pub(crate) fn cpu_seconds(self) -> f64 {
        let mut nanoseconds = 0;
        for process in self.family() {
            for thread in entries(&format!("/proc/{process}/task")) {
                let path = format!("/proc/{process}/task/{thread}/schedstat");
                let running = fs::read_to_string(path).unwrap_or_default();
                let running = running.split_whitespace().next();
                nanoseconds += running.map_or(0, |field| field.parse().unwrap_or(0_u64));
            }
        }
        nanoseconds as f64 / 1e9
    }

    pub(crate) fn memory(self) -> Memory {
        let mut memory = Memory::default();
        for process in self.family() {
            // Some kernels keep the counters of `status` per core and sum them up late.
            let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"));
            let rollup = rollup.unwrap_or_default();
            memory.resident += kib(&rollup, "Rss:");
            memory.anonymous += kib(&rollup, "Anonymous:");
        }
        memory
    }

    /// It, and the processes it has started, and theirs.
    pub(crate) fn family(self) -> Vec<u32> {
        let mut family = vec![self.0];
        let mut next = 0;
        while let Some(process) = family.get(next).copied() {
            next += 1;
            for thread in entries(&format!("/proc/{process}/task")) {
                let path = format!("/proc/{process}/task/{thread}/children");
                let children = fs::read_to_string(path).unwrap_or_default();
                family.extend(
                    children
                        .split_whitespace()
                        .filter_map(|pid| pid.parse::<u32>().ok()),
                );
            }
        }
        family
    }
}

fn entries(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

fn kib(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kib| kib.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn work_and_memory_of_a_process_show() {
        let process = Process::this();
        let (cpu, memory) = (process.cpu_seconds(), process.memory());
        let block = black_box(vec![1_u8; 32 << 20]);
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        black_box(sum);
        assert!(process.cpu_seconds() > cpu);
        let grown = process.memory().anonymous - memory.anonymous;
        assert!(grown > 30 << 20, "{grown}");
    }

    #[test]
    fn a_process_that_has_ended_uses_nothing() {
        assert_eq!(Process(u32::MAX).cpu_seconds(), 0.0);
        assert_eq!(Process(u32::MAX).memory().resident, 0);
    }
}
