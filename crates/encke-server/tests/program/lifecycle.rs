//! Starting, refusing to start, and stopping.

use std::{
    net::{TcpListener, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

use crate::support::{Server, Stream, complaint, encke, run};

impl Server {
    /// What a service manager does to stop it.
    pub(crate) fn terminate(&mut self) {
        self.signal("TERM");
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(status.expect("kill is there").success());
    }
}

#[test]
fn the_banner_says_what_to_try() {
    let server = Server::start(&[]);
    for line in [
        format!("{}/\n", server.url()),
        format!("curl -N '{}/live/news'", server.url()),
        format!("-d 'hello' '{}/live/news'", server.url()),
        "<iframe src=\"/live/news?callback=parent.cometMessage\"".to_owned(),
    ] {
        assert!(
            server.banner.contains(&line),
            "{line} is not in {}",
            server.banner
        );
    }
}

#[test]
fn a_port_in_use_is_told_with_how_to_choose_another() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let text = complaint(&run(&["--listen", &address]));
    assert!(
        text.contains(&address) && text.contains("in use") && text.contains("--listen"),
        "{text}"
    );
}

#[test]
fn an_address_of_another_machine_is_told() {
    let text = complaint(&run(&["serve", "--insecure", "--listen", "192.0.2.1:0"]));
    assert!(text.contains("192.0.2.1:0"), "{text}");
}

#[test]
fn other_machines_are_let_in_only_with_a_token_or_aloud() {
    let text = complaint(&run(&["--listen", "0.0.0.0:0"]));
    assert!(
        text.contains("--publish-token") && text.contains("--insecure"),
        "{text}"
    );
    Server::start_at("0.0.0.0:0", &["--insecure"]);
    Server::start_at("0.0.0.0:0", &["--publish-token", "s3cret"]);
}

#[test]
fn a_bad_option_is_told() {
    for args in [
        ["--host", "a b"],
        ["--allow-origin", "example.org/path"],
        ["--publish-token", "two words"],
    ] {
        complaint(&run(&args));
    }
}

#[test]
fn a_publish_token_in_the_environment_does_not_disturb_the_other_commands() {
    let server = Server::start(&[]);
    let output = encke(&["pub", "--url", &server.url(), "news", "x"])
        .env("ENCKE_PUBLISH_TOKEN", "t")
        .output();
    assert!(output.expect("the program starts").status.success());
}

#[test]
fn a_stopped_server_ends_every_stream_with_its_last_chunk() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&[]);
        let mut streams = [
            server.listen("/live/news", &["Accept: text/event-stream"]),
            server.listen("/live/news?callback=parent.cometMessage", &[]),
            server.listen("/live?channel=demo/clock&channel=demo/chat", &[]),
        ];
        let asked = Instant::now();
        server.signal(signal);
        for stream in &mut streams {
            assert!(stream.rest().ends_with("0\r\n\r\n"));
        }
        let status = server.child.wait().expect("the program ends");
        assert!(
            asked.elapsed() < Duration::from_secs(5),
            "{signal} took {:?}",
            asked.elapsed()
        );
        assert!(status.success(), "{signal}: {status}");
    }
}

/// A client that reads nothing although more waits for it than the sockets hold.
fn stall(server: &Server) -> Stream {
    let stream = server.listen("/live/news", &[]);
    let large = vec![b'a'; 1 << 20];
    for _ in 0..12 {
        assert_eq!(server.publish("news", &[], &large).status, 200);
    }
    stream
}

#[test]
fn a_client_that_reads_nothing_does_not_hold_up_the_end() {
    let mut server = Server::start(&[]);
    let _stalled = stall(&server);
    let asked = Instant::now();
    server.terminate();
    assert!(server.child.wait().expect("the program ends").success());
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
}

#[test]
fn a_second_ctrl_c_ends_it_at_once() {
    let mut server = Server::start(&[]);
    let _stalled = stall(&server);
    server.signal("INT");
    // Signals of one kind that wait to be seen count as one.
    while TcpStream::connect(server.address).is_ok() {}
    server.signal("INT");
    assert_eq!(
        server.child.wait().expect("the program ends").code(),
        Some(130)
    );
}

#[test]
fn listeners_are_told_with_any_number_of_shards() {
    for server in [
        Server::start(&["--shards", "2"]),
        Server::start(&["--shards", "0"]),
        Server::start_with(&[("ENCKE_SHARDS", "0")], &[]),
    ] {
        let mut listener = server.listen("/live/news", &[]);
        server.publish("news", &[], b"kiki");
        listener.until("\"data\":\"kiki\"");
    }
}
