//! Everything that has to hold before a change is taken, cheapest first; the first failure ends it.

use std::time::Instant;

use crate::autobahn;
use crate::faults;
use crate::setup::TARGETS;
use crate::step::{Outcome, Step, target};

/// Every check and test, on a machine that is set up.
pub(crate) fn everything() -> Outcome {
    let begun = Instant::now();
    rust_only()?;
    other_systems()?;
    fuzz_targets()?;
    bench_peers()?;
    what_plain_cargo_test_leaves()?;
    faults::run(faults::SHORT)?;
    let conformance = autobahn::is_set();
    if conformance {
        autobahn::run(autobahn::SAMPLE)?;
    }
    println!("\nall passed in {} s", begun.elapsed().as_secs());
    if !conformance {
        println!("NOT RUN: autobahn (set {})", autobahn::VARIABLE);
    }
    if !has_ordered_nats() {
        println!("NOT RUN: fail-over of NATS (it needs nats-server 2.9.21 or later)");
    }
    Ok(())
}

/// The checks and tests that need nothing but Rust.
pub(crate) fn rust_only() -> Outcome {
    let target = target();
    let target = target.display();

    Step::new("cargo fmt --all --check").run()?;
    Step::new("cargo clippy --workspace --all-targets --all-features -- -D warnings").run()?;
    Step::new("cargo clippy -p encke --no-default-features -- -D warnings").run()?;
    Step::new("cargo test --workspace").run()?;
    Step::new("cargo build --workspace --examples --bins").run()?;
    Step::new("cargo doc --workspace --no-deps --all-features")
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    // Another target directory, or the flag would have everything built anew each time.
    Step::new(&format!(
        "cargo test -p encke --lib --release --target-dir {target}/loom loom"
    ))
    .env("RUSTFLAGS", "--cfg encke_loom")
    .run()
}

/// The library where it has no shards. The program, and the client of NATS, need a C compiler for each
/// of them.
fn other_systems() -> Outcome {
    for target in TARGETS {
        Step::new(&format!(
            "cargo clippy --target {target} -p encke --features redis,tls -- -D warnings"
        ))
        .run()?;
    }
    Ok(())
}

/// The fuzz targets need a nightly compiler to run, and C++ for their driver even to be checked.
fn fuzz_targets() -> Outcome {
    let target = target();
    let target = target.display();
    Step::new(&format!(
        "cargo check --manifest-path fuzz/Cargo.toml --target-dir {target}/fuzz"
    ))
    .run()
}

/// The servers that encke is compared with, which are a workspace of their own.
fn bench_peers() -> Outcome {
    let target = target();
    let target = target.display();
    Step::new(&format!(
        "cargo check --locked --manifest-path bench/peers/rust/Cargo.toml --target-dir {target}/bench/rust"
    ))
    .run()
}

/// Older ones store a message in a place that another has, where a stream has replicas
/// (nats-server's issue 4320): there encke refuses them, here it relies on them.
const ORDERED_NATS: [u32; 3] = [2, 9, 21];

/// The tests that `cargo test` lists as ignored.
fn what_plain_cargo_test_leaves() -> Outcome {
    let other = if has_ordered_nats() {
        "before_nats_2_9_21"
    } else {
        "from_nats_2_9_21"
    };
    // Two at a time: the browsers of more tests would only wait for each other.
    Step::new(&format!(
        "cargo test -p encke-tests --tests -- --ignored --test-threads=2 --skip {other}"
    ))
    .run()
}

fn has_ordered_nats() -> bool {
    // "nats-server: v2.9.10"
    let version = Step::new("nats-server --version").output();
    let numbers = version.trim().rsplit('v').next().unwrap_or_default();
    let numbers = numbers.split('.').map_while(|number| number.parse().ok());
    numbers.collect::<Vec<u32>>() >= ORDERED_NATS.to_vec()
}
