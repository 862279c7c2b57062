//! Servers compared with each other: `encke-bench` does it, once it is built.

use crate::step::{Outcome, Step, target};

/// What the arguments mean, `encke-bench compare --help` says.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    Step::new("cargo build --release --package encke-bench").run()?;
    let program = target().join("release/encke-bench");
    Step::new(&format!(
        "{} compare {}",
        program.display(),
        arguments.join(" ")
    ))
    .run()
}
