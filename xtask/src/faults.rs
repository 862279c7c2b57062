//! The fault campaign: `encke-tests` has it, and breaks the program as tests have it built, with its
//! debug assertions.

use crate::step::{Outcome, Step};

/// What is run with every change: two rounds over each broker, one of them with loss, and with most
/// kinds of faults.
pub(crate) const SHORT: &[&str] = &["--seed", "630", "--rounds", "2"];

/// What the arguments mean, it says where it does not understand them.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    Step::new(&format!(
        "cargo run --package encke-tests --bin faults -- {}",
        arguments.join(" ")
    ))
    .run()
}
