//! The program `encke`, as its user starts it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;

use serde_json::Value;
use tokio::process::Command;

use crate::process::Process;

/// A running `encke serve`, ended when dropped.
pub struct Program {
    origin: String,
    _process: Process,
}

impl Program {
    /// Starts it on a free port.
    pub async fn start() -> Self {
        let mut command = Command::new(built());
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.env_remove("ENCKE_PUBLISH_TOKEN");
        let mut process = Process::start(command);
        let origin = process.after("listens on ").await;
        Self {
            origin,
            _process: process,
        }
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The URL of `path`, which begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

/// The program's path, after cargo had a look whether it is up to date.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
        let output = std::process::Command::new(cargo)
            .args([
                "build",
                "--package",
                "encke-server",
                "--message-format=json",
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "encke-server does not build");
        let output = String::from_utf8(output.stdout).expect("cargo prints text");
        let executable = output.lines().find_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            Some(PathBuf::from(message["executable"].as_str()?))
        });
        executable.expect("cargo says where the program is")
    })
}
