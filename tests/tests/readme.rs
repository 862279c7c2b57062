//! The commands of the README do what it says; its Rust is run by the tests of `encke`.

use std::path::Path;

use encke_tests::{Process, Program};
use tokio::process::Command;

const README: &str = include_str!("../../README.md");

/// The lines of the README that begin with this command, asking `program` in place of its default.
fn commands(command: &str, program: &Program) -> Vec<String> {
    README
        .lines()
        .filter(|line| line.starts_with(command))
        .map(|line| line.replace("http://127.0.0.1:9000", program.origin()))
        .collect()
}

fn shell(line: &str) -> Process {
    let line = line.trim_end_matches('&');
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec {line}")]);
    Process::start(shell)
}

#[tokio::test]
#[ignore = "needs curl: cargo xtask test"]
async fn one_curl_hears_what_the_other_says() {
    let program = Program::start().await;
    let [listen] = &commands("curl -N ", &program)[..] else {
        panic!("the README listens once")
    };
    let [publish] = &commands("curl -d ", &program)[..] else {
        panic!("the README publishes once")
    };
    let mut listener = shell(listen);
    let opened = listener.after(r#""position":"#).await;
    assert!(!opened.contains("data"), "{opened}");

    let position = shell(publish).after(r#""offset":"#).await;
    let heard = listener.after(r#""offset":"#).await;
    assert!(heard.ends_with(r#""data":"hello"}"#), "{heard}");
    let offset = |text: &str| text.split(',').next().map(str::to_owned);
    assert_eq!(offset(&heard), offset(&position));
}

#[test]
fn every_example_it_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = README.split_whitespace().collect::<Vec<_>>().join(" ");
    let names: Vec<&str> = text
        .split("--example ")
        .skip(1)
        .filter_map(|rest| {
            rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
        })
        .collect();
    assert!(!names.is_empty());
    for name in names {
        let file = root.join("examples").join(name).with_extension("rs");
        assert!(file.is_file(), "{name}");
    }
}
