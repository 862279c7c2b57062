//! One command, printed before it runs, so that it can be repeated by hand.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

pub(crate) type Outcome = Result<(), String>;

/// A command to be run at the root of the repository.
pub(crate) struct Step {
    command: Command,
    line: String,
}

impl Step {
    /// `line` is split at white space: no argument of ours holds any.
    pub(crate) fn new(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let program = words.next().expect("a step names a program");
        let mut command = Command::new(program);
        command.args(words).current_dir(root()).env("PATH", path());
        Self {
            command,
            line: line.to_owned(),
        }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self.line = format!("{name}='{value}' {}", self.line);
        self
    }

    pub(crate) fn run(mut self) -> Outcome {
        println!("\n$ {}", self.line);
        let begun = Instant::now();
        let status = self
            .command
            .status()
            .map_err(|error| format!("cannot run `{}`: {error}", self.line))?;
        if !status.success() {
            return Err(format!("`{}` failed: {status}", self.line));
        }
        println!("  ({:.0} s)", begun.elapsed().as_secs_f64());
        Ok(())
    }

    /// Whether it succeeds, without printing anything.
    pub(crate) fn succeeds(mut self) -> bool {
        self.command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// What it prints, without printing it here; nothing where it fails.
    pub(crate) fn output(mut self) -> String {
        let output = self.command.stderr(Stdio::null()).output();
        let printed = output.map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&printed).into_owned()
    }
}

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the repository")
}

/// Where cargo put this program, and so everything else it builds.
pub(crate) fn target() -> PathBuf {
    let program = env::current_exe().expect("a running program has a path");
    let target = program.ancestors().nth(2);
    target.expect("target/debug/xtask").to_owned()
}

/// Whether a command called `program` would be found.
pub(crate) fn installed(program: &str) -> bool {
    env::split_paths(&path()).any(|directory| directory.join(program).is_file())
}

/// `PATH`, and where servers are and `cargo install` puts programs, which not everyone has there.
fn path() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin");
    let home = env::home_dir().map(|home| home.join(".cargo"));
    if let Some(cargo) = env::var_os("CARGO_HOME").map(PathBuf::from).or(home) {
        path.push(":");
        path.push(cargo.join("bin"));
    }
    path
}
