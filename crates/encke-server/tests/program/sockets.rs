//! Channels over WebSockets: who may open one, and what its client may say.

use crate::support::{Server, Stream};

const HANDSHAKE: [&str; 4] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// `kiki` as a client says it, masked with zeros.
const KIKI: &[u8] = b"\x81\x84\0\0\0\0kiki";

/// Asks for a socket on the channel `chat`, with more headers in its handshake.
fn ask(server: &Server, headers: &[&str]) -> Stream {
    let headers = [&HANDSHAKE, headers].concat();
    let mut stream = Stream::connect(server.address);
    stream.send((server.head("GET /live/chat", &headers) + "\r\n").as_bytes());
    stream.until("\r\n\r\n");
    stream
}

fn open(server: &Server, headers: &[&str]) -> Stream {
    let socket = ask(server, headers);
    assert!(socket.seen.starts_with("HTTP/1.1 101 "), "{}", socket.seen);
    socket
}

#[test]
fn what_a_client_says_is_published_with_allow_client_publish() {
    let server = Server::start(&["--allow-client-publish"]);
    let mut listener = server.listen("/live/chat", &[]);
    open(&server, &[]).send(KIKI);
    listener.until("\"data\":\"kiki\"");
}

#[test]
fn what_a_client_says_is_refused_otherwise() {
    let told = "Nobody publishes over this socket";
    let server = Server::start(&[]);
    let mut socket = open(&server, &[]);
    socket.send(KIKI);
    socket.until(told);

    let server = Server::start(&["--allow-client-publish", "--publish-token", "s3cret"]);
    let mut stranger = open(&server, &[]);
    stranger.send(KIKI);
    stranger.until(told);
    let mut listener = server.listen("/live/chat", &[]);
    open(&server, &["Authorization: Bearer s3cret"]).send(KIKI);
    listener.until("\"data\":\"kiki\"");
}

#[test]
fn a_proxy_that_is_trusted_tells_the_scheme_of_the_servers_own_pages() {
    let by_flag = &["--trust-proxy-scheme", "x-forwarded-proto"][..];
    let by_variable = ("ENCKE_TRUST_PROXY_SCHEME", "x-forwarded-proto,forwarded");
    let forwarded = "Forwarded: for=192.0.2.1;proto=https";
    for server in [
        Server::start(by_flag),
        Server::start_with(&[by_variable], &[]),
    ] {
        let own = format!("Origin: https://{}", server.address);
        let ask = |told| ask(&server, &[&own, forwarded, told]).seen;
        let opened = ask("X-Forwarded-Proto: http, https");
        assert!(opened.starts_with("HTTP/1.1 101 "), "{opened}");
        let refused = ask("X-Forwarded-Proto: http");
        assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
        let told = "X-Forwarded-Proto: gopher";
        let refused = server.publish("chat", &[&own, forwarded, told], b"x");
        assert!(refused.problem(403).contains("gopher"));
    }
}

#[test]
fn pages_of_other_origins_and_unknown_hosts_open_none() {
    let server = Server::start(&["--allow-origin", "https://pages.example"]);
    open(&server, &["Origin: https://pages.example"]);
    for (header, status) in [
        ("Origin: https://evil.example", "403"),
        ("Host: evil.example", "421"),
    ] {
        let head = ask(&server, &[header]).seen;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    }
}
