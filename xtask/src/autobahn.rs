//! The Autobahn suite against the gallery's echo.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::step::{Outcome, Step, target};

/// Names the folder of the suite, with its `setup.sh` and `run.sh`.
pub(crate) const VARIABLE: &str = "ENCKE_AUTOBAHN";

/// Everything but compression, and a case of each kind of that: all of them take ten minutes.
pub(crate) const SAMPLE: &[&str] = &["[1-9].*", "10.*", "12.*.1", "12.*.11", "13.*.5", "13.*.14"];

/// What a case may not be.
const FAIL_ON: &str = "FAILED,UNCLEAN,WRONG CODE,UNIMPLEMENTED,NON-STRICT";

pub(crate) fn is_set() -> bool {
    env::var_os(VARIABLE).is_some()
}

/// Runs these cases, or all of them.
pub(crate) fn run(cases: &[&str]) -> Outcome {
    let suite = env::var_os(VARIABLE).ok_or_else(|| format!("set {VARIABLE} to its folder"))?;
    let suite = PathBuf::from(suite);
    let suite = suite
        .canonicalize()
        .map_err(|error| format!("{VARIABLE}: {}: {error}", suite.display()))?;
    let suite = suite.display();
    let target = target();
    Step::new(&format!("{suite}/setup.sh")).run()?;
    Step::new("cargo build -p encke-examples --example gallery").run()?;
    let gallery = Gallery::start(target.join("debug/examples/gallery"))?;
    Step::new(&format!(
        "{suite}/run.sh {} {} {}",
        gallery.url,
        target.join("autobahn").display(),
        cases.join(" ")
    ))
    .env("AUTOBAHN_FAIL_ON", FAIL_ON)
    .run()
}

/// The gallery on a free port, until dropped.
struct Gallery {
    process: Child,
    url: String,
}

impl Gallery {
    fn start(program: PathBuf) -> Result<Self, String> {
        let cannot = |error| format!("cannot run {}: {error}", program.display());
        let mut process = Command::new(&program)
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(cannot)?;
        let mut line = String::new();
        if let Some(output) = process.stdout.take() {
            BufReader::new(output)
                .read_line(&mut line)
                .map_err(cannot)?;
        }
        let url = line.trim().replacen("http", "ws", 1) + "ws/echo";
        Ok(Self { process, url })
    }
}

impl Drop for Gallery {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
