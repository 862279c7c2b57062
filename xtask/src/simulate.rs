//! As many schedules of the simulation as one likes.

use crate::step::{Outcome, Step};

/// `--schedules N` and `--seed S`, of which the first is one million and the seed of the first
/// schedule 0 where nothing else is said.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let (mut schedules, mut seed) = ("1000000", "0");
    for pair in arguments.chunks(2) {
        match pair {
            ["--schedules", number] => schedules = check(number)?,
            ["--seed", number] => seed = check(number)?,
            _ => return Err(format!("simulate takes no {}", pair.join(" "))),
        }
    }
    Step::new(
        "cargo test -p encke --lib --profile simulate simulation_of_many_schedules \
         -- --ignored --nocapture",
    )
    .env("ENCKE_SIMULATE_SCHEDULES", schedules)
    .env("ENCKE_SIMULATE_SEED", seed)
    .run()
}

fn check(number: &str) -> Result<&str, String> {
    let parsed: Result<u64, _> = number.parse();
    parsed.map_err(|error| format!("{number:?} is no number: {error}"))?;
    Ok(number)
}
