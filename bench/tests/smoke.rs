//! A few connections of every kind, so that the load program works on the day it is needed.
#![cfg(target_os = "linux")]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use encke_tests::Program;
use serde_json::Value;

const TRANSPORTS: [&str; 4] = ["ws", "sse", "comet", "ndjson"];

/// The bare loop on a free port, until dropped.
struct Limit {
    process: Child,
    url: String,
}

impl Limit {
    fn start(options: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_encke-bench"))
            .arg("limit")
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let output = process.stdout.take().expect("piped");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("text");
        let url = line.trim().strip_prefix("listens on ").expect("an address");
        Self {
            url: format!("{url}/smoke"),
            process,
        }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a run measured.
fn load(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_encke-bench"))
        .arg("load")
        .args(arguments)
        .output()
        .expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    serde_json::from_slice(&output.stdout).expect("a line of JSON")
}

fn fanout(transport: &str, url: &str, publish_url: &str, more: &[&str]) -> Value {
    let mut arguments = vec!["fanout", "--transport", transport, "--url", url];
    arguments.extend([
        "--publish-url",
        publish_url,
        "--seconds",
        "0.05",
        "--warm",
        "5",
    ]);
    arguments.extend(["--settle", "5", "--subscribers", "8"]);
    arguments.extend(more);
    load(&arguments)
}

#[track_caller]
fn assert_all_arrived(report: &Value) {
    let published = report["published"].as_u64().expect("a number");
    assert!(published > 0, "{report}");
    let each = report["subscribers"].as_u64().expect("a number")
        / report["channels"].as_u64().expect("a number");
    assert_eq!(report["delivered"], published * each, "{report}");
    for wrong in ["lost", "again", "damaged"] {
        assert_eq!(report[wrong], 0, "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_published_to_encke_arrives_on_every_transport() {
    let program = Program::start().await;
    let channel = program.url("/live/smoke");
    for transport in TRANSPORTS {
        let url = format!("{channel}?transport={transport}&callback=parent.push");
        for more in [
            [].as_slice(),
            &["--burst", "20"],
            &["--rate", "200", "--stalled", "2"],
        ] {
            assert_all_arrived(&fanout(transport, &url, &channel, more));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_published_to_encke_arrives_over_tls_and_http2() {
    let program = Program::start_secure().await;
    let certificate = program.certificate();
    let certificate = certificate.to_str().expect("text");
    let channel = program.url("/live/smoke");
    for (transport, http2) in [
        ("ws", [].as_slice()),
        ("sse", &[]),
        ("sse", &["--http2", "4"]),
    ] {
        let url = format!("{channel}?transport={transport}");
        for more in [[].as_slice(), &["--burst", "20"]] {
            let more = [&["--ca", certificate], http2, more].concat();
            assert_all_arrived(&fanout(transport, &url, &channel, &more));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_published_to_many_channels_of_encke_arrives() {
    let program = Program::start().await;
    let channels = program.url("/live/smoke-{channel}");
    let url = format!("{channels}?transport=sse");
    for number in ["8", "4"] {
        let more = ["--channels", number, "--burst", number];
        assert_all_arrived(&fanout("sse", &url, &channels, &more));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn newcomers_to_encke_get_what_they_missed() {
    let program = Program::start().await;
    let channel = program.url("/live/smoke");
    for transport in TRANSPORTS {
        let url = format!(
            "{channel}-{{channel}}-{transport}?transport={transport}&callback=parent.push&since={{epoch}}:{{offset}}"
        );
        let publish_url = format!("{channel}-{{channel}}-{transport}");
        let mut arguments = vec!["connect", "--transport", transport, "--url", &url];
        arguments.extend(["--publish-url", &publish_url]);
        arguments.extend(["--connections", "8", "--recover", "50"]);
        let report = load(&arguments);
        assert_eq!(report["delivered"], 8 * 50, "{report}");
        assert_eq!(report["lost"], 0, "{report}");
    }
}

#[test]
fn everything_published_to_the_bare_loop_arrives_on_every_transport() {
    for transport in TRANSPORTS {
        for coalesce in [[].as_slice(), &["--coalesce"]] {
            let limit = Limit::start(&[&["--transport", transport], coalesce].concat());
            for more in [[].as_slice(), &["--burst", "20"], &["--channels", "4"]] {
                let url = format!("{}-{{channel}}", limit.url);
                assert_all_arrived(&fanout(transport, &url, &url, more));
            }
        }
    }
}

#[test]
fn the_bare_loop_echoes_and_gives_newcomers_its_history() {
    let limit = Limit::start(&["--history", "50"]);
    for (size, depth) in [("20", "1"), ("20", "64"), ("70000", "2")] {
        let mut arguments = vec![
            "echo", "--url", &limit.url, "--size", size, "--depth", depth,
        ];
        arguments.extend(["--connections", "2", "--seconds", "0.05"]);
        assert!(load(&arguments)["messages"].as_u64() > Some(0));
    }
    let url = format!("{}?since=any", limit.url);
    let mut arguments = vec!["connect", "--url", &url, "--publish-url", &limit.url];
    arguments.extend(["--connections", "8", "--recover", "50"]);
    assert_eq!(load(&arguments)["delivered"], 8 * 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_offset_that_many_publish_to_encke_arrives() {
    let program = Program::start().await;
    for channels in ["1", "4"] {
        let url = program.url(&format!("/live/many-{channels}-{{channel}}"));
        let mut arguments = vec!["publish", "--url", &url, "--publish-url", &url];
        arguments.extend(["--transport", "ndjson", "--offsets", "--writers", "8"]);
        arguments.extend(["--channels", channels, "--ahead", "20", "--seconds", "0.05"]);
        arguments.extend(["--warm", "5", "--settle", "5"]);
        let report = load(&arguments);
        assert!(report["published"].as_u64() > Some(0), "{report}");
        assert_eq!(report["published"], report["delivered"], "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_load_program_fails_where_something_else_arrives() {
    let program = Program::start().await;
    // Both channels are this one.
    let url = program.url("/live/mixed");
    let output = Command::new(env!("CARGO_BIN_EXE_encke-bench"))
        .args(["load", "publish", "--url", &url, "--publish-url", &url])
        .args(["--channels", "2", "--seconds", "0.05"])
        .output()
        .expect("it runs");
    assert!(!output.status.success());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("damaged"), "{errors}");
}

#[test]
fn the_memory_of_idle_connections_is_read() {
    let limit = Limit::start(&[]);
    let pid = limit.process.id().to_string();
    let mut arguments = vec!["idle", "--url", &limit.url, "--server-pid", &pid];
    arguments.extend(["--connections", "2000", "--settle", "5", "--hold", "0.05"]);
    let report = load(&arguments);
    let memory = report["anonymous_per_connection"].as_f64();
    assert!(memory > Some(20.0) && memory < Some(400.0), "{report}");
}
