//! What load balancers ask.

use crate::support::{Server, Stream};

#[test]
fn a_server_lives_and_is_ready_whatever_host_it_is_asked_by() {
    let server = Server::start(&["--publish-token", "s3cret"]);
    for host in ["Host: 10.0.0.7:9000", "Host: encke.internal", "Host:"] {
        for path in ["/livez", "/readyz", "/readyz?verbose"] {
            let answer = server.ask(&format!("GET {path}"), &[host], b"");
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert!(!answer.body.is_empty());
            let head = server.ask(&format!("HEAD {path}"), &[host], b"");
            assert_eq!((head.status, &*head.body), (200, ""));
        }
    }
    // Whatever else is there is not for such a host.
    let host = ["Host: 10.0.0.7:9000"];
    server.ask("GET /livez/", &host, b"").problem(421);
    server.ask("GET /live/readyz", &host, b"").problem(421);
}

#[test]
fn a_probe_of_http_1_0_needs_no_host() {
    let server = Server::start(&[]);
    let mut stream = Stream::connect(server.address);
    stream.send(b"GET /readyz HTTP/1.0\r\n\r\n");
    let answer = stream.rest();
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
}

#[test]
fn health_can_only_be_read() {
    let server = Server::start(&[]);
    for path in ["/livez", "/readyz"] {
        let answer = server.ask(&format!("POST {path}"), &[], b"x");
        answer.problem(405);
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    }
}

#[test]
fn a_server_that_drains_is_not_ready() {
    let mut server = Server::start(&[]);
    // Half a head keeps a connection open, over which to ask when nobody new is let in.
    let mut probe = Stream::connect(server.address);
    probe.send(server.head("GET /readyz", &[]).as_bytes());
    let mut listener = server.listen("/live/news", &[]);
    server.terminate();
    listener.rest();
    probe.send(b"\r\n");
    let answer = probe.rest();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("shutting down"), "{answer}");
    drop(listener);
    assert!(server.child.wait().expect("the program ends").success());
}
