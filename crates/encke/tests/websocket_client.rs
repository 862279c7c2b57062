//! The client's end of a WebSocket, against this library's own server.

mod socket;

use bytes::Bytes;
use encke::{
    BoxError, WebSocket,
    websocket::{AnswerError, Client, CloseCode, KeepAlive, Message, codec},
};
use futures_util::StreamExt;
use http::{Request, Response, StatusCode, header};
use http_body_util::Empty;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use socket::{PATIENCE, ends, serve};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, DuplexStream, duplex},
    net::TcpStream,
    time::timeout,
};

/// Sends the handshake of a client; gives the answer and the connection behind it.
async fn ask<C>(
    client: &Client<C>,
    address: SocketAddr,
) -> (Response<hyper::body::Incoming>, TokioIo<Upgraded>) {
    let tcp = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut http, connection) = hyper::client::conn::http1::handshake(tcp).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    let request = Request::get("/").header(header::HOST, address.to_string());
    let mut request = request.body(Empty::<Bytes>::new()).unwrap();
    request.headers_mut().extend(client.headers());
    let mut answer = http.send_request(request).await.unwrap();
    let upgraded = hyper::upgrade::on(&mut answer).await.unwrap();
    (answer, TokioIo::new(upgraded))
}

#[tokio::test]
async fn texts_go_both_ways_compressed() {
    let server = serve(|ws| ws.text(|incoming| incoming.map(|text| text.to_uppercase()))).await;
    let client = Client::new();
    let (answer, io) = ask(&client, server.address).await;
    let extensions = answer.headers()[header::SEC_WEBSOCKET_EXTENSIONS].to_str();
    assert!(extensions.unwrap().starts_with("permessage-deflate"));
    let (mut incoming, outgoing) = client.open(&answer, io).unwrap();
    let long = "kiki ".repeat(1000);
    for text in ["kiki", &long] {
        outgoing.send(text).await.unwrap();
        let heard = timeout(PATIENCE, incoming.next()).await.unwrap();
        assert_eq!(heard.unwrap().as_str(), text.to_uppercase());
    }
    outgoing.close();
    assert!(timeout(PATIENCE, incoming.next()).await.unwrap().is_none());
    assert_eq!(incoming.closed().unwrap().code, CloseCode::NORMAL);
}

#[tokio::test]
async fn pings_are_answered() {
    let server = serve(|ws| {
        let ws = ws.keep_alive(KeepAlive::Off).using(codec::Messages);
        ws.with(|ws| async move {
            let (mut incoming, outgoing) = ws.accept().await?;
            outgoing.send(Message::Ping("kiki".into())).await?;
            while let Some(message) = incoming.next().await {
                if message == Message::Pong("kiki".into()) {
                    outgoing.send("answered").await?;
                }
            }
            Ok::<_, BoxError>(())
        })
    })
    .await;
    let client = Client::new();
    let (answer, io) = ask(&client, server.address).await;
    let (mut incoming, _outgoing) = client.open(&answer, io).unwrap();
    let heard = timeout(PATIENCE, incoming.next()).await.unwrap();
    assert_eq!(heard.unwrap().as_str(), "answered");
}

#[tokio::test]
async fn dropping_what_comes_in_closes_the_socket() {
    let (ended, mut ends) = ends();
    let server = serve(move |ws: WebSocket| {
        let ended = ended.clone();
        ws.on_ready(move |incoming, _| {
            incoming.on_close(move |closed| drop(ended.send(closed)));
        })
    })
    .await;
    let client = Client::new();
    let (answer, io) = ask(&client, server.address).await;
    let (incoming, outgoing) = client.open(&answer, io).unwrap();
    drop(incoming);
    let closed = ends.next().await;
    assert_eq!((closed.code, closed.clean), (CloseCode::NORMAL, true));
    timeout(PATIENCE, outgoing.closed()).await.unwrap();
}

#[tokio::test]
async fn messages_over_the_limit_close_with_1009() {
    let server = serve(|ws| ws.text(|_| futures_util::stream::iter(["x".repeat(2000)]))).await;
    let client = Client::new().max_message(1000);
    let (answer, io) = ask(&client, server.address).await;
    let (mut incoming, _outgoing) = client.open(&answer, io).unwrap();
    assert!(timeout(PATIENCE, incoming.next()).await.unwrap().is_none());
    let closed = incoming.closed().unwrap();
    assert_eq!((closed.code, closed.clean), (CloseCode::TOO_BIG, false));
}

/// A good answer to a client, without a server.
fn answer<C>(client: &Client<C>) -> Response<()> {
    let mut request = Request::new(());
    *request.headers_mut() = client.headers();
    let (parts, ()) = request.into_parts();
    let offer =
        encke_proto::ws::handshake::Offer::from_parts(&parts.method, parts.version, &parts.headers);
    let accepted = offer.unwrap().accept(None, None).unwrap();
    let mut response = Response::new(());
    *response.status_mut() = accepted.status;
    *response.headers_mut() = accepted.headers;
    response
}

fn refusal(change: impl FnOnce(&mut Response<()>)) -> AnswerError {
    let client = Client::new();
    let mut answer = answer(&client);
    change(&mut answer);
    client.open(&answer, duplex(64).0).unwrap_err()
}

#[tokio::test]
async fn answers_to_another_key_or_with_what_was_not_offered_are_refused() {
    let accept = refusal(|answer| {
        let other = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".parse().unwrap();
        answer.headers_mut().insert("sec-websocket-accept", other);
    });
    assert_eq!(accept, AnswerError::Accept);
    for extensions in ["x-unknown", "permessage-deflate; server_max_window_bits=16"] {
        let unoffered = refusal(|answer| {
            let value = extensions.parse().unwrap();
            answer
                .headers_mut()
                .insert("sec-websocket-extensions", value);
        });
        assert!(unoffered.to_string().contains(extensions), "{unoffered}");
    }
    let subprotocol = refusal(|answer| {
        let value = "chat".parse().unwrap();
        answer.headers_mut().insert("sec-websocket-protocol", value);
    });
    assert_eq!(subprotocol, AnswerError::Subprotocol("chat".to_owned()));
    let status = refusal(|answer| *answer.status_mut() = StatusCode::FORBIDDEN);
    assert_eq!(status, AnswerError::Refused(StatusCode::FORBIDDEN));
}

/// A whole masked frame of four bytes: its key and what is behind it.
async fn frame(io: &mut DuplexStream) -> ([u8; 4], [u8; 4]) {
    let mut frame = [0; 10];
    let read = timeout(PATIENCE, io.read_exact(&mut frame)).await;
    read.unwrap().unwrap();
    let [0x81, 0x84, key @ .., a, b, c, d] = frame else {
        panic!("not a masked text of four bytes: {frame:?}");
    };
    (key, [a, b, c, d])
}

#[tokio::test]
async fn every_frame_is_masked_with_a_key_of_its_own() {
    let (first, second) = (Client::new(), Client::new());
    assert_ne!(
        first.headers()[header::SEC_WEBSOCKET_KEY],
        second.headers()[header::SEC_WEBSOCKET_KEY]
    );
    let (ours, mut theirs) = duplex(1024);
    let answer = answer(&first);
    let (_incoming, outgoing) = first.open(&answer, ours).unwrap();
    let mut keys = Vec::new();
    for _ in 0..3 {
        outgoing.send("kiki").await.unwrap();
        let (key, masked) = frame(&mut theirs).await;
        let text: Vec<u8> = masked
            .iter()
            .zip(key)
            .map(|(byte, key)| byte ^ key)
            .collect();
        assert_eq!(text, b"kiki");
        assert!(!keys.contains(&key), "{keys:?}");
        keys.push(key);
    }
}
