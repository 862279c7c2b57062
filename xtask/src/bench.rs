//! Servers compared with each other: `encke-bench` does it, once it is built.

use crate::step::{Outcome, Step, target};

/// What the arguments mean, `encke-bench compare --help` says, and behind the word `brokers`
/// `encke-bench brokers --help`.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    Step::new("cargo build --release --package encke-bench").run()?;
    let program = target().join("release/encke-bench");
    let (command, arguments) = match arguments {
        ["brokers", rest @ ..] => ("brokers", rest),
        arguments => ("compare", arguments),
    };
    Step::new(&format!(
        "{} {command} {}",
        program.display(),
        arguments.join(" ")
    ))
    .run()
}
