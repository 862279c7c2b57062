//! The cookie of the login example decides who may open its socket.

#[allow(dead_code)]
#[path = "../login.rs"]
mod login;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Sends a request, and reads the head of the response.
async fn ask(socket: &mut TcpStream, request: &str) -> String {
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

fn handshake(cookie: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         cookie: {cookie}\r\n\r\n"
    )
}

#[tokio::test]
async fn only_who_has_logged_in_opens_the_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(encke::serve(listener, login::app()).into_future());
    let connect = || async { TcpStream::connect(address).await.unwrap() };

    let login = "POST /login HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\
                 content-type: application/x-www-form-urlencoded\r\n\r\nname=kiki";
    let head = ask(&mut connect().await, login).await;
    let (_, cookie) = head.split_once("set-cookie: ").unwrap();
    let (cookie, _) = cookie.split_once(';').unwrap();

    for forged in ["name=kiki".to_owned(), cookie.replace("kiki", "foo")] {
        let head = ask(&mut connect().await, &handshake(&forged)).await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{forged}: {head}");
    }
    let mut socket = connect().await;
    let head = ask(&mut socket, &handshake(cookie)).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let mut hello = [0; 14];
    socket.read_exact(&mut hello).await.unwrap();
    assert_eq!(hello, *b"\x81\x0cHello, kiki!");
}
