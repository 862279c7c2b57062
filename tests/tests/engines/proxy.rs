//! The proxy, in front of a server that answers what it is told.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use encke_tests::Proxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Long enough for what passes on this machine, if it does.
const MOMENT: Duration = Duration::from_millis(50);

/// A proxy in front of a server that says what it hears.
async fn echo() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
                let _ = to.shutdown().await;
            });
        }
    });
    Proxy::to(address).await
}

async fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).await;
    stream.expect("the proxy listens")
}

async fn say(stream: &mut TcpStream, word: &[u8; 4]) {
    stream.write_all(word).await.expect("it is open");
}

async fn hear(stream: &mut TcpStream) -> [u8; 4] {
    let mut word = [0; 4];
    let heard = timeout(Duration::from_secs(10), stream.read_exact(&mut word)).await;
    heard.expect("in time").expect("it is open");
    word
}

async fn assert_silent(stream: &mut TcpStream) {
    let heard = timeout(MOMENT, stream.read(&mut [0])).await;
    assert!(heard.is_err(), "{heard:?}");
}

async fn assert_closed(mut stream: TcpStream) {
    let read = timeout(Duration::from_secs(10), stream.read(&mut [0])).await;
    match read.expect("in time") {
        Ok(length) => assert_eq!(length, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

#[tokio::test]
async fn passes_on_to_the_end() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    let sent = vec![b'x'; 1 << 20];
    let (mut from, mut to) = stream.split();
    let send = async {
        to.write_all(&sent).await.expect("it is open");
        to.shutdown().await.expect("it is open");
    };
    let mut heard = Vec::new();
    let (_, read) = tokio::join!(send, from.read_to_end(&mut heard));
    read.expect("it is open");
    assert!(heard == sent);
}

#[tokio::test]
async fn a_cut_ends_connections_and_takes_new_ones() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    say(&mut stream, b"ping").await;
    assert_eq!(&hear(&mut stream).await, b"ping");
    proxy.cut();
    assert_closed(stream).await;
    let mut stream = connect(&proxy).await;
    say(&mut stream, b"ping").await;
    assert_eq!(&hear(&mut stream).await, b"ping");
}

#[tokio::test]
async fn nobody_gets_through_while_it_refuses() {
    let proxy = echo().await;
    let before = connect(&proxy).await;
    proxy.refuse();
    assert_closed(before).await;
    assert_closed(connect(&proxy).await).await;
    proxy.accept_again();
    let mut stream = connect(&proxy).await;
    say(&mut stream, b"ping").await;
    assert_eq!(&hear(&mut stream).await, b"ping");
}

#[tokio::test]
async fn stalled_connections_stay_open_and_lose_nothing() {
    let proxy = echo().await;
    let mut before = connect(&proxy).await;
    say(&mut before, b"ping").await;
    assert_eq!(&hear(&mut before).await, b"ping");
    proxy.stall();
    let mut meanwhile = connect(&proxy).await;
    say(&mut before, b"tick").await;
    say(&mut meanwhile, b"tock").await;
    assert_silent(&mut before).await;
    assert_silent(&mut meanwhile).await;
    proxy.flow();
    assert_eq!(&hear(&mut before).await, b"tick");
    assert_eq!(&hear(&mut meanwhile).await, b"tock");

    proxy.stall();
    proxy.cut();
    assert_closed(before).await;
    assert_closed(meanwhile).await;
}

#[tokio::test]
async fn a_delay_holds_back_both_directions() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    proxy.delay(MOMENT);
    let begun = Instant::now();
    say(&mut stream, b"ping").await;
    assert_eq!(&hear(&mut stream).await, b"ping");
    assert!(begun.elapsed() >= 2 * MOMENT);
    proxy.delay(Duration::ZERO);
    say(&mut stream, b"ping").await;
    assert_eq!(&hear(&mut stream).await, b"ping");
}
