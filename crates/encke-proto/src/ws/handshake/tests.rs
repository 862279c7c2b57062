//! Handshakes as browsers, other servers and attackers make them.

use super::*;
use crate::ws::deflate::{self, WindowBits};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Version, header};

fn request(changes: &[(&str, Option<&str>)]) -> Request<()> {
    let mut request = Request::get("/ws")
        .header("Connection", "keep-alive, Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "x3JJHMbDL1EzLkh9GBhXDw==")
        .body(())
        .unwrap();
    for (name, value) in changes {
        let name = HeaderName::try_from(*name).unwrap();
        match value {
            Some(value) => {
                let value = HeaderValue::from_str(value).unwrap();
                request.headers_mut().append(name, value);
            }
            None => {
                request.headers_mut().remove(name);
            }
        }
    }
    request
}

fn offering(extensions: &[&str]) -> Offer {
    let changes: Vec<_> = extensions
        .iter()
        .map(|line| ("sec-websocket-extensions", Some(*line)))
        .collect();
    Offer::read(&request(&changes)).unwrap()
}

#[test]
fn the_key_is_answered_as_rfc_6455_computes_it() {
    assert_eq!(
        accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="),
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
    let accepted = Offer::read(&request(&[]))
        .unwrap()
        .accept(None, None)
        .unwrap();
    assert_eq!(accepted.status, 101);
    let headers = &accepted.headers;
    assert_eq!(
        headers[header::SEC_WEBSOCKET_ACCEPT],
        "HSmrc0sMlYUkAGmm5OPpG2HaGWk="
    );
    assert_eq!(headers[header::UPGRADE], "websocket");
    assert_eq!(headers[header::CONNECTION], "Upgrade");
    assert_eq!(headers.len(), 3);
}

#[test]
fn a_request_that_does_not_upgrade_gets_426() {
    for changes in [
        &[("connection", None)][..],
        &[("upgrade", None)],
        &[("connection", None), ("connection", Some("keep-alive"))],
        &[("upgrade", None), ("upgrade", Some("h2c, websockets"))],
    ] {
        let error = Offer::read(&request(changes)).unwrap_err();
        assert_eq!(error, HandshakeError::NotWebSocket);
        let response = error.response();
        assert_eq!(response.status(), 426);
        assert_eq!(response.body(), "Upgrade to WebSocket required");
        assert_eq!(response.headers()[header::UPGRADE], "websocket");
        assert_eq!(response.headers()[header::CONNECTION], "Upgrade");
    }
    let mut old = request(&[]);
    *old.version_mut() = Version::HTTP_10;
    assert_eq!(Offer::read(&old).unwrap_err(), HandshakeError::NotWebSocket);
}

#[test]
fn tokens_are_found_among_others_over_lines_and_in_any_case() {
    let spread = request(&[
        ("connection", None),
        ("connection", Some("keep-alive ,\tUPGRADE")),
        ("connection", Some("x")),
        ("upgrade", None),
        ("upgrade", Some("h2c")),
        ("upgrade", Some("WebSocket")),
    ]);
    assert!(Offer::read(&spread).is_ok());
}

#[test]
fn another_version_is_told_which_one_is_spoken() {
    for version in [&[][..], &["8"], &["13", "13"], &["013"]] {
        let mut changes = vec![("sec-websocket-version", None)];
        changes.extend(
            version
                .iter()
                .map(|line| ("sec-websocket-version", Some(*line))),
        );
        let response = Offer::read(&request(&changes)).unwrap_err().response();
        assert_eq!(response.status(), 426);
        assert_eq!(response.headers()[header::SEC_WEBSOCKET_VERSION], "13");
    }
}

#[test]
fn a_bad_key_or_method_gets_400() {
    for key in [
        &[][..],
        &["x3JJHMbDL1EzLkh9GBhXDw==", "x3JJHMbDL1EzLkh9GBhXDw=="],
        &["x3JJHMbDL1EzLkh9GBhX"],
        &["x3JJHMbDL1EzLkh9GBhXDw"],
        &["not base64, not at all!"],
        &["x3JJHMbDL1EzLkh9GBhXDw8P"],
        &[""],
    ] {
        let mut changes = vec![("sec-websocket-key", None)];
        changes.extend(key.iter().map(|line| ("sec-websocket-key", Some(*line))));
        let error = Offer::read(&request(&changes)).unwrap_err();
        assert_eq!(error, HandshakeError::Key, "{key:?}");
        assert_eq!(error.response().status(), 400);
    }
    let mut post = request(&[]);
    *post.method_mut() = http::Method::POST;
    assert_eq!(Offer::read(&post).unwrap_err().response().status(), 400);
}

#[test]
fn a_key_of_rfc_6455_with_idle_bits_at_its_end_is_taken() {
    let key = Some("AQIDBAUGBwgJCgsMDQ4PEC==");
    let changes = [("sec-websocket-key", None), ("sec-websocket-key", key)];
    assert!(Offer::read(&request(&changes)).is_ok());
}

#[test]
fn over_http_2_there_is_neither_key_nor_upgrade() {
    let mut headers = HeaderMap::new();
    assert!(Offer::from_extended_connect(&headers).is_err());
    headers.insert(
        header::SEC_WEBSOCKET_VERSION,
        HeaderValue::from_static("13"),
    );
    headers.insert(
        header::SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static("a"),
    );
    let offer = Offer::from_extended_connect(&headers).unwrap();
    let accepted = offer.accept(Some("a"), None).unwrap();
    assert_eq!(accepted.status, 200);
    assert_eq!(accepted.headers.len(), 1);
}

#[test]
fn a_subprotocol_is_one_that_was_offered() {
    let name = "sec-websocket-protocol";
    let offered = request(&[(name, Some("a, B")), (name, Some("c/d, e"))]);
    let offer = Offer::read(&offered).unwrap();
    assert_eq!(offer.subprotocols().collect::<Vec<_>>(), ["a", "B", "e"]);
    let accepted = offer.accept(Some("B"), None).unwrap();
    assert_eq!(accepted.headers[name], "B");
    for unoffered in ["b", "", "a, B", "a\r\nx: y"] {
        assert!(offer.accept(Some(unoffered), None).is_err());
    }
}

#[test]
fn headers_of_the_handshake_are_reserved() {
    for (name, reserved) in [
        ("Sec-WebSocket-Anything", true),
        ("connection", true),
        ("Transfer-Encoding", true),
        ("content-length", true),
        ("upgrade", true),
        ("set-cookie", false),
        ("x-sec-websocket", false),
    ] {
        assert_eq!(
            is_reserved(&HeaderName::try_from(name).unwrap()),
            reserved,
            "{name}"
        );
    }
}

/// What is answered to offers; empty where none is accepted.
fn answer(offers: &[&str], config: &deflate::Config) -> String {
    let accepted = offering(offers).accept(None, Some(config)).unwrap();
    let answer = accepted.headers.get(header::SEC_WEBSOCKET_EXTENSIONS);
    assert_eq!(answer.is_some(), accepted.deflate.is_some());
    answer.map_or_else(String::new, |answer| answer.to_str().unwrap().to_owned())
}

#[test]
fn compression_is_agreed_on_as_offered() {
    const PLAIN: &str =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    let default = deflate::Config::default();
    for (offer, expected) in [
        ("permessage-deflate", PLAIN.to_owned()),
        ("PERMESSAGE-DEFLATE", PLAIN.to_owned()),
        (
            "permessage-deflate; client_max_window_bits",
            PLAIN.to_owned(),
        ),
        (
            "permessage-deflate; client_max_window_bits=10",
            format!("{PLAIN}; client_max_window_bits=10"),
        ),
        (
            "permessage-deflate; client_max_window_bits=\"8\"",
            format!("{PLAIN}; client_max_window_bits=8"),
        ),
        (
            "permessage-deflate;server_max_window_bits = 9;client_no_context_takeover",
            format!("{PLAIN}; server_max_window_bits=9"),
        ),
        (
            "x-webkit-deflate-frame, permessage-deflate; server_max_window_bits=8, \
             permessage-deflate; server_max_window_bits=15",
            format!("{PLAIN}; server_max_window_bits=15"),
        ),
        (
            ", permessage-deflate; unknown=1 ,, permessage-deflate",
            PLAIN.to_owned(),
        ),
    ] {
        assert_eq!(answer(&[offer], &default), expected, "{offer}");
    }
    assert_eq!(answer(&["x", "permessage-deflate"], &default), PLAIN);
}

#[test]
fn an_offer_that_cannot_be_kept_is_declined() {
    for parameters in [
        "server_max_window_bits",
        "server_max_window_bits=8",
        "server_max_window_bits=16",
        "server_max_window_bits=09",
        "server_max_window_bits=\"\"",
        "client_max_window_bits=7",
        "client_max_window_bits=+9",
        "client_max_window_bits; client_max_window_bits",
        "client_max_window_bits=10; client_max_window_bits=10",
        "server_no_context_takeover; server_no_context_takeover",
        "server_no_context_takeover=1",
        "client_no_context_takeover=\"true\"",
        "mem_level=9",
        "",
        "client_max_window_bits=\"15",
        "server_max_window_bits=15 14",
    ] {
        let offer = format!("permessage-deflate; {parameters}");
        assert_eq!(
            answer(&[&offer], &deflate::Config::default()),
            "",
            "{offer}"
        );
    }
    assert_eq!(answer(&[], &deflate::Config::default()), "");
}

#[test]
fn a_servers_wishes_bind_clients_that_offer_it() {
    let config = deflate::Config {
        server_window: WindowBits::new(12).unwrap(),
        client_window: WindowBits::new(11).unwrap(),
        server_context_takeover: true,
        client_context_takeover: true,
        ..deflate::Config::default()
    };
    for (offer, expected) in [
        ("", "; server_max_window_bits=12"),
        (
            "; client_max_window_bits",
            "; server_max_window_bits=12; client_max_window_bits=11",
        ),
        (
            "; client_max_window_bits=9; server_max_window_bits=10; server_no_context_takeover",
            "; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits=9",
        ),
        (
            "; client_no_context_takeover",
            "; client_no_context_takeover; server_max_window_bits=12",
        ),
    ] {
        let offer = format!("permessage-deflate{offer}");
        assert_eq!(
            answer(&[&offer], &config),
            format!("permessage-deflate{expected}")
        );
    }
}

fn client() -> ClientHandshake {
    ClientHandshake::new(*b"the sample nonce")
        .subprotocol("a")
        .and_then(|client| client.subprotocol("b"))
        .unwrap()
        .deflate(deflate::Config::default())
}

fn server_answers(changes: &[(&str, &str)]) -> Result<Established, AnswerError> {
    let mut headers = HeaderMap::new();
    headers.insert("connection", HeaderValue::from_static("upgrade"));
    headers.insert("upgrade", HeaderValue::from_static("WebSocket"));
    let accept = HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    headers.insert("sec-websocket-accept", accept);
    for (name, value) in changes {
        let name = HeaderName::try_from(*name).unwrap();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    client().read_answer(StatusCode::SWITCHING_PROTOCOLS, &headers)
}

#[test]
fn a_clients_request_is_understood_by_the_server() {
    let mut request = Request::new(());
    *request.headers_mut() = client().headers();
    assert_eq!(
        request.headers()["sec-websocket-key"],
        "dGhlIHNhbXBsZSBub25jZQ=="
    );
    let offer = Offer::read(&request).unwrap();
    let accepted = offer
        .accept(Some("b"), Some(&deflate::Config::default()))
        .unwrap();
    let established = client()
        .read_answer(accepted.status, &accepted.headers)
        .unwrap();
    assert_eq!(established.subprotocol.as_deref(), Some("b"));
    assert_eq!(established.deflate, accepted.deflate);
    assert!(established.deflate.is_some());
}

#[test]
fn a_client_takes_no_answer_to_what_it_did_not_ask() {
    assert!(server_answers(&[]).is_ok());
    assert_eq!(
        server_answers(&[("upgrade", "h2c")]),
        Err(AnswerError::NotUpgraded)
    );
    assert_eq!(
        server_answers(&[("connection", "close")]),
        Err(AnswerError::NotUpgraded)
    );
    let other = "HSmrc0sMlYUkAGmm5OPpG2HaGWk=";
    assert_eq!(
        server_answers(&[("sec-websocket-accept", other)]),
        Err(AnswerError::Accept)
    );
    let unoffered = Err(AnswerError::Subprotocol("c".to_owned()));
    assert_eq!(
        server_answers(&[("sec-websocket-protocol", "c")]),
        unoffered
    );
    let refused = client().read_answer(StatusCode::FORBIDDEN, &HeaderMap::new());
    assert_eq!(refused, Err(AnswerError::Refused(StatusCode::FORBIDDEN)));
    for extensions in [
        "permessage-bzip2",
        "permessage-deflate, permessage-deflate",
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover; unknown",
    ] {
        let answer = server_answers(&[("sec-websocket-extensions", extensions)]);
        assert!(
            matches!(answer, Err(AnswerError::Extensions(_))),
            "{extensions}"
        );
    }
}
