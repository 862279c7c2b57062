//! The gallery's WebSockets.

#[allow(dead_code)]
#[path = "../gallery.rs"]
mod gallery;

use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Request};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message},
};

type Client = WebSocketStream<TcpStream>;

const PATIENCE: Duration = Duration::from_secs(20);

async fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(encke::serve(listener, gallery::app()).into_future());
    address
}

async fn open(
    path: &str,
    headers: &[(&str, &str)],
) -> Result<(Client, HeaderMap), (u16, HeaderMap)> {
    let address = serve().await;
    let tcp = TcpStream::connect(address).await.unwrap();
    let mut request = Request::get(format!("ws://{address}{path}"))
        .header("host", address.to_string())
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(()).unwrap();
    match tokio_tungstenite::client_async(request, tcp).await {
        Ok((client, response)) => Ok((client, response.headers().clone())),
        Err(Error::Http(response)) => Err((response.status().as_u16(), response.headers().clone())),
        Err(error) => panic!("{path}: {error}"),
    }
}

async fn hear(client: &mut Client) -> Message {
    timeout(PATIENCE, client.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap()
}

async fn close(client: &mut Client) -> (u16, String) {
    match hear(client).await {
        Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn echoes_send_back_what_they_take() {
    let text = || Message::text("kiki");
    let binary = || Message::binary(&b"kiki"[..]);
    for (path, message) in [
        ("/ws/echo", text()),
        ("/ws/echo", binary()),
        ("/ws/text", text()),
        ("/ws/binary", binary()),
        ("/ws/protocols", text()),
        ("/ws/headers", text()),
    ] {
        let (mut client, _) = open(path, &[]).await.unwrap();
        client.send(message.clone()).await.unwrap();
        assert_eq!(hear(&mut client).await, message, "{path}");
    }
    for (path, message) in [("/ws/text", binary()), ("/ws/binary", text())] {
        let (mut client, _) = open(path, &[]).await.unwrap();
        client.send(message).await.unwrap();
        assert_eq!(close(&mut client).await.0, 1003, "{path}");
    }
}

#[tokio::test]
async fn json_counts() {
    let (mut client, _) = open("/ws/json", &[]).await.unwrap();
    client.send(Message::text(r#"{"count": 1}"#)).await.unwrap();
    assert_eq!(hear(&mut client).await, Message::text(r#"{"count":2}"#));
}

#[tokio::test]
async fn hello_stays_and_hello_close_goes() {
    let (mut client, _) = open("/ws/hello", &[]).await.unwrap();
    assert_eq!(hear(&mut client).await, Message::text("Hello!"));
    client.send(Message::Ping("kiki".into())).await.unwrap();
    assert_eq!(hear(&mut client).await, Message::Pong("kiki".into()));

    let (mut client, _) = open("/ws/hello-close", &[]).await.unwrap();
    assert_eq!(hear(&mut client).await, Message::text("Hello!"));
    assert_eq!(close(&mut client).await, (1000, String::new()));
}

#[tokio::test]
async fn sockets_close_as_they_are_told() {
    let (mut client, _) = open("/ws/close?code=4001&reason=x", &[]).await.unwrap();
    assert_eq!(close(&mut client).await, (4001, "x".into()));
    let (mut client, _) = open("/ws/fail", &[]).await.unwrap();
    assert_eq!(close(&mut client).await, (1011, String::new()));
    assert_eq!(open("/ws/close?code=1006", &[]).await.unwrap_err().0, 400);
}

#[tokio::test]
async fn slow_socket_answers_pings_all_the_same() {
    let (mut client, _) = open("/ws/slow", &[]).await.unwrap();
    client.send(Message::text("never read")).await.unwrap();
    client.send(Message::Ping("kiki".into())).await.unwrap();
    assert_eq!(hear(&mut client).await, Message::Pong("kiki".into()));
}

#[tokio::test]
async fn handshakes_are_answered_as_the_query_says() {
    let (status, headers) = open("/ws/reject", &[]).await.unwrap_err();
    assert_eq!(status, 403);
    assert!(headers.contains_key("set-cookie"));

    let (_, headers) = open("/ws/headers", &[]).await.unwrap();
    assert_eq!(headers["x-gallery"], "kiki");
    assert!(headers.contains_key("set-cookie"));

    let offer = [("sec-websocket-protocol", "A, B")];
    let (_, headers) = open("/ws/protocols?choose=B", &offer).await.unwrap();
    assert_eq!(headers["sec-websocket-protocol"], "B");
    for not_offered in ["C", "b"] {
        let path = format!("/ws/protocols?choose={not_offered}");
        assert_eq!(open(&path, &offer).await.unwrap_err().0, 500);
    }
}

#[tokio::test]
async fn pages_of_other_origins_open_each_with_origin_any_and_none_without() {
    let offer = ("sec-websocket-protocol", "B");
    for origin in ["https://evil.example", "null"] {
        let foreign = [("origin", origin), offer];
        for path in [
            "/ws/echo?",
            "/ws/text?",
            "/ws/binary?",
            "/ws/json?",
            "/ws/hello?",
            "/ws/hello-close?",
            "/ws/close?code=4001&reason=x&",
            "/ws/fail?",
            "/ws/protocols?choose=B&",
            "/ws/headers?",
            "/ws/slow?",
        ] {
            // Who offers subprotocols without need gets none, and gives up.
            let offered = usize::from(path.contains("protocols"));
            let headers = &foreign[..1 + offered];
            assert_eq!(open(path, headers).await.unwrap_err().0, 403, "{path}");
            let any = format!("{path}origin=any");
            assert!(open(&any, headers).await.is_ok(), "{path}");
        }
    }
}
