//! Installs what the tests need and this machine lacks, and says so.

use crate::step::{Outcome, Step, installed};

/// What a Debian package is needed for, and the program that shows it is there.
struct Package {
    name: &'static str,
    program: &'static str,
    purpose: &'static str,
}

const PACKAGES: [Package; 11] = [
    Package {
        name: "chromium",
        program: "chromium",
        purpose: "browser tests in Chromium",
    },
    Package {
        name: "chromium-driver",
        program: "chromedriver",
        purpose: "drives Chromium",
    },
    Package {
        name: "firefox-esr",
        program: "firefox-esr",
        purpose: "browser tests in Firefox",
    },
    Package {
        name: "webkit2gtk-driver",
        program: "WebKitWebDriver",
        purpose: "browser tests in WebKit, brings its MiniBrowser",
    },
    Package {
        name: "xvfb",
        program: "Xvfb",
        purpose: "a screen for WebKit, which has no headless mode",
    },
    Package {
        name: "g++",
        program: "c++",
        purpose: "compiles what drives the fuzz targets",
    },
    Package {
        name: "curl",
        program: "curl",
        purpose: "runs the commands of the README",
    },
    // Tests start these at ports of their own. Debian may start them too, where there is systemd,
    // and needs none of them.
    Package {
        name: "redis-server",
        program: "redis-server",
        purpose: "an engine for several nodes, alone and as a cluster",
    },
    Package {
        name: "redis-sentinel",
        program: "redis-sentinel",
        purpose: "watches over a Redis and its replica",
    },
    Package {
        name: "nats-server",
        program: "nats-server",
        purpose: "an engine for several nodes, with JetStream",
    },
    Package {
        name: "nginx",
        program: "nginx",
        purpose: "stands in front of several nodes",
    },
];

const GECKODRIVER: &str = "cargo install geckodriver --locked";

/// Systems that the library is checked for, and this machine is not.
pub(crate) const TARGETS: [&str; 2] = ["x86_64-apple-darwin", "x86_64-pc-windows-gnu"];

pub(crate) fn everything() -> Outcome {
    toolchain()?;
    targets()?;
    packages()?;
    geckodriver()
}

/// The parts of the Rust toolchain that a minimal installation leaves out.
pub(crate) fn toolchain() -> Outcome {
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if Step::new(&format!("cargo {subcommand} --version")).succeeds() {
            continue;
        }
        println!("missing: {component}");
        Step::new(&format!("rustup component add {component}")).run()?;
    }
    Ok(())
}

fn targets() -> Outcome {
    let installed = Step::new("rustup target list --installed").output();
    for target in TARGETS {
        if installed.lines().any(|line| line == target) {
            continue;
        }
        println!("missing: the standard library for {target}");
        Step::new(&format!("rustup target add {target}")).run()?;
    }
    Ok(())
}

fn packages() -> Outcome {
    let missing: Vec<&Package> = PACKAGES
        .iter()
        .filter(|package| !installed(package.program))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    for package in &missing {
        println!(
            "missing: {}, from package {} ({})",
            package.program, package.name, package.purpose
        );
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let names = names.join(" ");
    if !installed("apt-get") {
        return Err(format!(
            "there is no apt-get here: install what Debian calls {names} by hand, \
             or run `cargo xtask test --quick`, which needs nothing but Rust and a C compiler"
        ));
    }
    as_root("apt-get update")?;
    as_root(&format!(
        "apt-get install --yes --no-install-recommends {names}"
    ))
}

fn as_root(command: &str) -> Outcome {
    let command = format!("env DEBIAN_FRONTEND=noninteractive {command}");
    // Only root passes this test, whatever its name.
    if Step::new("test -w /var/lib/dpkg").succeeds() {
        return Step::new(&command).run();
    }
    if !installed("sudo") {
        return Err(format!("not root, and no sudo: as root, run `{command}`"));
    }
    Step::new(&format!("sudo {command}")).run()
}

fn geckodriver() -> Outcome {
    if installed("geckodriver") {
        return Ok(());
    }
    println!("missing: geckodriver, which Debian does not package (drives Firefox)");
    Step::new(GECKODRIVER).run()
}
