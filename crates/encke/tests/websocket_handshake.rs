//! How WebSockets are opened, over HTTP/1.1 and HTTP/2, and how they are refused.

#[cfg(feature = "tls")]
mod secure;
mod socket;

use encke::{Body, WebSocket};
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{CONNECTION, SET_COOKIE},
};
use socket::{Client, HANDSHAKE, PATIENCE, Raw, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::{Error, Message};

fn echo(ws: WebSocket) -> Response<Body> {
    ws.text(|incoming| incoming)
}

/// The status of the response to a handshake with these headers.
async fn status(
    accept: impl Fn(WebSocket) -> Response<Body> + Clone + Send + Sync + 'static,
    headers: &[(&str, &str)],
) -> u16 {
    let server = serve(accept).await;
    match Client::request(server.address, headers).await {
        Ok((_, response)) => response.status().as_u16(),
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn request_that_is_no_handshake_is_told_to_upgrade() {
    let server = serve(echo).await;
    for (request, answer) in [
        ("GET / HTTP/1.1\r\nhost: a\r\n".to_owned(), "426"),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n".to_owned(),
            "426",
        ),
        (
            format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n{HANDSHAKE}"),
            "400",
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nhost: a\r\n{}",
                HANDSHAKE.replace("13", "8")
            ),
            "426",
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nhost: a\r\n{}",
                HANDSHAKE.replace("==", "")
            ),
            "400",
        ),
    ] {
        let mut socket = tokio::net::TcpStream::connect(server.address)
            .await
            .unwrap();
        let request = if request.contains(HANDSHAKE) || request.contains("Upgrade") {
            request
        } else {
            request + "connection: close\r\n"
        };
        socket
            .write_all((request.clone() + "\r\n").as_bytes())
            .await
            .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = tokio::time::timeout(PATIENCE, socket.read_u8()).await;
            head.push(byte.unwrap().unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(
            head.starts_with(&format!("HTTP/1.1 {answer} ")),
            "{request}{head}"
        );
        if answer == "426" {
            assert!(head.contains("upgrade: websocket\r\n"), "{head}");
            assert!(head.contains("sec-websocket-version: 13\r\n"), "{head}");
        }
    }
}

#[tokio::test]
async fn application_refuses_with_any_response_and_its_cookies() {
    let refuse = |_: WebSocket| {
        Response::builder()
            .status(StatusCode::FORBIDDEN)
            .header(SET_COOKIE, "rejected=1")
            .body(Body::full("not for you"))
            .unwrap()
    };
    let server = serve(refuse).await;
    let Err(Error::Http(response)) = Client::request(server.address, &[]).await else {
        panic!("not refused");
    };
    assert_eq!(response.status(), 403);
    assert_eq!(response.headers()[SET_COOKIE], "rejected=1");
}

#[tokio::test]
async fn only_pages_of_this_server_open_a_socket_unless_others_are_named() {
    let tell = |origin: &'static str| [("origin", origin)];
    let foreign = tell("https://evil.example");
    assert_eq!(status(echo, &[]).await, 101);
    assert_eq!(status(echo, &foreign).await, 403);
    assert_eq!(status(echo, &tell("null")).await, 403);
    assert_eq!(status(echo, &[foreign, foreign].concat()).await, 403);
    assert_eq!(status(|ws| echo(ws.any_origin()), &foreign).await, 101);
    assert_eq!(status(|ws| echo(ws.require_origin()), &[]).await, 403);

    let named = |ws: WebSocket| echo(ws.allow_origin("https://app.example").unwrap());
    assert_eq!(status(named, &tell("https://app.example")).await, 101);
    assert_eq!(
        status(named, &tell("https://app.example.evil.example")).await,
        403
    );
    assert_eq!(status(named, &foreign).await, 403);

    let server = serve(|ws| echo(ws.require_origin())).await;
    for (origin, opens) in [
        (format!("http://{}", server.address), true),
        (format!("http://{}.evil.example", server.address), false),
        ("http://127.0.0.1:1".to_owned(), false),
    ] {
        let opened = Client::request(server.address, &[("origin", &origin)]).await;
        assert_eq!(opened.is_ok(), opens, "{origin}");
    }
}

#[tokio::test]
async fn subprotocol_is_the_applications_choice_of_those_offered() {
    let server = serve(|ws| {
        let offered: Vec<_> = ws.subprotocols().map(str::to_owned).collect();
        assert_eq!(offered, ["A", "B"]);
        echo(ws.subprotocol("B").unwrap())
    })
    .await;
    let offer = [("sec-websocket-protocol", "A, B")];
    let (_, response) = Client::request(server.address, &offer).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "B");

    let server = serve(|ws| match ws.subprotocol("b") {
        Ok(ws) => echo(ws),
        Err(error) => {
            assert_eq!(
                error.to_string(),
                "subprotocol \"b\" was not offered by the client"
            );
            encke::problem(StatusCode::BAD_REQUEST, error)
        }
    })
    .await;
    assert!(Client::request(server.address, &offer).await.is_err());
}

#[tokio::test]
async fn response_has_added_headers_but_for_those_of_the_handshake() {
    let server = serve(|ws| {
        let value = HeaderValue::from_static;
        let ws = ws
            .header(HeaderName::from_static("x-kiki"), value("foo"))
            .header(SET_COOKIE, value("a=1"))
            .header(SET_COOKIE, value("b=2"))
            .header(CONNECTION, value("close"))
            .header(HeaderName::from_static("sec-websocket-accept"), value("no"));
        echo(ws)
    })
    .await;
    let (mut client, response) = Client::request(server.address, &[]).await.unwrap();
    let headers = response.headers();
    assert_eq!(headers["x-kiki"], "foo");
    let cookies: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert_eq!(headers.get_all(CONNECTION).iter().count(), 1);
    client.say("kiki").await;
    assert_eq!(client.hear().await, Message::text("kiki"));
}

#[tokio::test]
async fn compression_is_agreed_on_unless_switched_off() {
    const OFFER: &str = "sec-websocket-extensions: permessage-deflate\r\n";
    let on = serve(echo).await;
    let (_, head) = Raw::open(on.address, OFFER).await;
    assert!(head.contains("permessage-deflate"), "{head}");
    let off = serve(|ws| echo(ws.without_deflate())).await;
    let (_, head) = Raw::open(off.address, OFFER).await;
    assert!(!head.contains("permessage-deflate"), "{head}");
}

#[tokio::test]
async fn application_chooses_which_messages_are_compressed() {
    let server = serve(|ws| {
        let kikis = |message: &_| matches!(message, encke::websocket::Message::Text(_));
        ws.compress_if(kikis).messages(|_| {
            let zeros = vec![b'0'; 100];
            futures_util::stream::iter([
                encke::websocket::Message::text("0".repeat(100)),
                encke::websocket::Message::binary(zeros),
            ])
        })
    })
    .await;
    let offer = "sec-websocket-extensions: permessage-deflate\r\n";
    let (mut raw, _) = Raw::open(server.address, offer).await;
    let [head, length] = raw.read().await;
    assert_eq!(head, 0b1100_0001);
    assert!(length < 20);
    for _ in 0..length {
        raw.read::<1>().await;
    }
    assert_eq!(raw.read::<2>().await, [0b1000_0010, 100]);
}

#[tokio::test]
async fn socket_opens_under_a_server_of_another_make() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, socket::app(echo)).into_future());
    let mut client = Client::open(address).await;
    client.say("kiki").await;
    assert_eq!(client.hear().await, Message::text("kiki"));
    client.0.close(None).await.unwrap();
    client.end().await;
}

#[cfg(feature = "tls")]
mod http2 {
    use super::*;
    use bytes::Bytes;
    use h2::{client::SendRequest, ext::Protocol};
    use http::{Method, Request};
    use secure::{Http2, Identity};
    use tokio::time::timeout;

    fn connect(origin: &str) -> Request<()> {
        Request::builder()
            .method(Method::CONNECT)
            .uri("https://localhost/")
            .extension(Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
            .header("origin", origin)
            .body(())
            .unwrap()
    }

    async fn sender(http2: &Http2) -> SendRequest<Bytes> {
        let sender = http2.sender.clone();
        // The server says in its settings that it takes an extended CONNECT.
        while !sender.is_extended_connect_protocol_enabled() {
            tokio::task::yield_now().await;
        }
        sender
    }

    #[tokio::test]
    async fn socket_opens_by_extended_connect() {
        let identity = Identity::new();
        let config = identity.server.clone();
        let server = socket::serve_as(echo, |server| server.tls(config)).await;
        let http2 = identity.http2(server.address).await;
        let mut sender = sender(&http2).await;
        let mut open = async |origin: &str| {
            let (response, stream) = sender.send_request(connect(origin), false).unwrap();
            (timeout(PATIENCE, response).await.unwrap().unwrap(), stream)
        };
        for foreign in ["http://localhost", "https://localhost.evil.example"] {
            assert_eq!(open(foreign).await.0.status(), 403, "{foreign}");
        }
        let (response, mut stream) = open("https://localhost").await;
        assert_eq!(response.status(), 200);
        // "Hello", masked with zeros, then a Close.
        let frames = b"\x81\x85\0\0\0\0Hello\x88\x80\0\0\0\0";
        stream.send_data(Bytes::from_static(frames), false).unwrap();
        let mut body = response.into_body();
        let mut heard = Vec::new();
        while let Some(data) = timeout(PATIENCE, body.data()).await.unwrap() {
            heard.extend_from_slice(&data.unwrap());
        }
        assert_eq!(heard, b"\x81\x05Hello\x88\x00");
    }

    #[tokio::test]
    async fn socket_whose_client_takes_nothing_is_reset_alone() {
        let (closed, mut closes) = socket::ends();
        let accept = move |ws: WebSocket| {
            let closed = closed.clone();
            ws.without_deflate()
                .stall_limit(std::time::Duration::from_millis(20))
                .with(|ws| async move {
                    let (incoming, outgoing) = ws.accept().await?;
                    while outgoing.send("a".repeat(10_000)).await.is_ok() {}
                    closed.send(incoming.closed().unwrap())?;
                    Ok::<_, encke::BoxError>(())
                })
        };
        let identity = Identity::new();
        let config = identity.server.clone();
        let server = socket::serve_as(accept, |server| server.tls(config)).await;
        let http2 = identity.http2(server.address).await;
        let mut sender = sender(&http2).await;
        let request = connect("https://localhost");
        let (response, _stream) = sender.send_request(request.clone(), false).unwrap();
        let mut body = timeout(PATIENCE, response)
            .await
            .unwrap()
            .unwrap()
            .into_body();
        assert_eq!(closes.next().await.code.get(), 1006);
        let reset = loop {
            match timeout(PATIENCE, body.data()).await.unwrap() {
                Some(Ok(_)) => {}
                ended => break ended,
            }
        };
        assert!(reset.unwrap().unwrap_err().is_reset());
        let (response, _stream) = sender.send_request(request, false).unwrap();
        let response = timeout(PATIENCE, response).await.unwrap().unwrap();
        assert_eq!(response.status(), 200);
    }

    #[tokio::test]
    async fn socket_of_a_stream_is_closed_when_the_server_shuts_down() {
        let identity = Identity::new();
        let config = identity.server.clone();
        let server = socket::serve_as(echo, |server| server.tls(config)).await;
        let http2 = identity.http2(server.address).await;
        let mut sender = sender(&http2).await;
        let request = connect("https://localhost");
        let (response, mut stream) = sender.send_request(request, false).unwrap();
        let mut body = timeout(PATIENCE, response)
            .await
            .unwrap()
            .unwrap()
            .into_body();
        server.shutdown.begin();
        let close = timeout(PATIENCE, body.data()).await.unwrap();
        assert_eq!(close.unwrap().unwrap(), &b"\x88\x02\x03\xe9"[..]);
        assert!(!server.task.is_finished());
        // A Close, masked with zeros.
        let close = Bytes::from_static(b"\x88\x82\0\0\0\0\x03\xe9");
        stream.send_data(close, true).unwrap();
        drop((sender, http2));
        timeout(PATIENCE, server.task)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}
