//! Whose pages are the server's own where a proxy in front of it tells the scheme.

mod listener;
mod socket;

use encke::{Hub, SchemeHeader, WebSocket};
use listener::{ask, open};
use std::net::SocketAddr;

const TRUSTED: SchemeHeader = SchemeHeader::XForwardedProto;

fn handshake(path: &str, headers: &str) -> String {
    let handshake = socket::HANDSHAKE;
    format!("GET {path} HTTP/1.1\r\nhost: encke\r\n{handshake}{headers}\r\n")
}

/// The status of what a page of this origin gets, and the body, which says why.
async fn page(address: SocketAddr, origin: &str, told: &str) -> (u16, String) {
    let headers = format!("origin: {origin}\r\n{told}");
    let (status, _, body) = ask(address, &handshake("/", &headers)).await;
    (status, body)
}

async fn echo(accept: fn(WebSocket) -> WebSocket) -> SocketAddr {
    let server = socket::serve(move |ws| accept(ws).text(|incoming| incoming));
    server.await.address
}

#[tokio::test]
async fn only_pages_of_the_scheme_that_the_proxy_tells_open_a_socket() {
    let address = echo(|ws| ws.trust_proxy_scheme(TRUSTED)).await;
    for (told, own, other) in [
        ("https", "https://encke", "http://encke"),
        ("http", "http://encke", "https://encke"),
        ("http, wss", "https://encke", "http://encke"),
    ] {
        let told = format!("x-forwarded-proto: {told}\r\n");
        assert_eq!(page(address, own, &told).await.0, 101, "{told}");
        assert_eq!(page(address, other, &told).await.0, 403, "{told}");
        assert_eq!(page(address, "https://evil.example", &told).await.0, 403);
    }
}

#[tokio::test]
async fn a_header_that_says_nothing_clear_refuses_with_the_reason() {
    let address = echo(|ws| ws.trust_proxy_scheme(TRUSTED)).await;
    for (told, reason) in [
        ("", "X-Forwarded-Proto is missing"),
        ("x-forwarded-proto: https, \r\n", "neither http nor https"),
        ("x-forwarded-proto: gopher\r\n", "gopher"),
        (
            "x-forwarded-proto: https\r\nx-forwarded-proto: https\r\n",
            "two lines",
        ),
    ] {
        let (status, body) = page(address, "https://encke", told).await;
        assert_eq!(status, 403, "{told}");
        assert!(body.contains(reason), "{body}");
    }
    let program = ask(address, &handshake("/", "")).await;
    assert_eq!(program.0, 101, "no page, so no scheme is asked for");
}

#[tokio::test]
async fn two_trusted_headers_that_contradict_each_other_refuse() {
    let both = |ws: WebSocket| {
        ws.trust_proxy_scheme(TRUSTED)
            .trust_proxy_scheme(SchemeHeader::Forwarded)
    };
    let address = echo(both).await;
    let told = |forwarded| format!("x-forwarded-proto: https\r\nforwarded: {forwarded}\r\n");
    let agree = told("for=192.0.2.1;proto=http, for=192.0.2.2;proto=\"https\"");
    assert_eq!(page(address, "https://encke", &agree).await.0, 101);
    let (status, body) = page(address, "https://encke", &told("proto=http")).await;
    assert_eq!(status, 403);
    assert!(
        body.contains("X-Forwarded-Proto says https, Forwarded says http"),
        "{body}"
    );
}

#[tokio::test]
async fn what_a_client_says_of_the_scheme_changes_nothing_unless_it_is_trusted() {
    let address = echo(|ws| ws).await;
    for told in ["https", "http", "nonsense"] {
        let told = format!("x-forwarded-proto: {told}\r\nforwarded: {told}\r\n");
        assert_eq!(page(address, "http://encke", &told).await.0, 101);
    }
}

#[tokio::test]
async fn channels_are_listened_and_published_to_by_pages_of_the_told_scheme() {
    let hub = Hub::default();
    let live = open(&hub).trust_proxy_scheme(SchemeHeader::Forwarded);
    let address = listener::serve(live).await;
    for (told, status) in [
        ("forwarded: proto=https\r\n", 200),
        ("forwarded: proto=http\r\n", 403),
        ("forwarded: for=192.0.2.1\r\n", 403),
        ("", 403),
    ] {
        let headers = format!("origin: https://encke\r\n{told}");
        let post = format!(
            "POST /live/news HTTP/1.1\r\nhost: encke\r\ncontent-length: 1\r\n{headers}\r\nx"
        );
        assert_eq!(ask(address, &post).await.0, status, "{told}");
        let opened = ask(address, &handshake("/live/news", &headers)).await.0;
        assert_eq!(opened == 101, status == 200, "{told}");
        let framed =
            format!("GET /live/news?post=https://encke HTTP/1.1\r\nhost: encke\r\n{told}\r\n");
        assert_eq!(ask(address, &framed).await.0, status, "{told}");
    }
    assert_eq!(hub.stats().published, 1);
}
