//! The broker that a server is told to use.

use crate::support::{Server, complaint, encke, run};

#[test]
fn without_a_broker_the_banner_says_nothing_of_it() {
    for server in [
        Server::start(&[]),
        Server::start(&["--broker", "memory:"]),
        Server::start_with(&[("ENCKE_BROKER", "memory:")], &[]),
    ] {
        assert!(!server.banner.contains("memory"), "{}", server.banner);
    }
}

#[test]
fn a_broker_that_cannot_be_had_is_told_by_its_setting_and_without_its_password() {
    for url in [
        "nonsense",
        "",
        "memory:x",
        "http://u:s3cret@localhost",
        "http://u:s3/cret@localhost",
        "u:s3cret@localhost",
    ] {
        let args = ["--listen", "127.0.0.1:0", "--broker", url];
        let environment = encke(&args[..2]).env("ENCKE_BROKER", url).output();
        for output in [run(&args), environment.expect("the program starts")] {
            assert!(output.stdout.is_empty(), "{output:?}");
            let text = complaint(&output);
            assert!(
                text.contains("--broker") && text.contains("ENCKE_BROKER"),
                "{text}"
            );
            assert!(!text.contains("s3") && !text.contains("cret"), "{text}");
        }
    }
}

#[test]
fn a_password_in_the_environment_is_not_shown_by_the_help() {
    let help = encke(&["help", "serve"])
        .env("ENCKE_BROKER", "redis://u:s3cret@localhost")
        .output()
        .expect("the program starts");
    let help = String::from_utf8(help.stdout).expect("help is text");
    assert!(help.contains("ENCKE_BROKER") && !help.contains("s3cret"));
}

#[test]
fn what_is_no_count_or_time_is_told_with_the_option() {
    for (option, value) in [
        ("--history", "-1"),
        ("--history", "many"),
        ("--history-age", "5 minutes"),
        ("--idempotency-window", "0"),
        ("--broker-patience", "-1s"),
        ("--check-period", "0s"),
        ("--keep-alive", "1.5"),
    ] {
        let output = run(&[&format!("{option}={value}")]);
        assert!(!output.status.success());
        let text = String::from_utf8(output.stderr).expect("errors are UTF-8");
        assert!(text.contains(option), "{text}");
    }
}

#[test]
fn history_is_as_long_as_it_is_told_to_be() {
    for server in [
        Server::start(&["--history", "1"]),
        Server::start_with(&[("ENCKE_HISTORY", "1"), ("ENCKE_HISTORY_AGE", "1h")], &[]),
    ] {
        for text in ["kiki", "bouba"] {
            server.publish("news", &[], text.as_bytes());
        }
        let mut newcomer = server.listen("/live/news?history=100", &[]);
        let seen = newcomer.until("bouba");
        assert!(!seen.contains("kiki"), "{seen}");
    }
}
