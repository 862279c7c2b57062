//! What a WebSocket does with too much, too slow, and no longer there.

mod socket;

use encke::{
    BoxError, SendError,
    websocket::{Closed, KeepAlive, Overflow, Text},
};
use futures_util::{StreamExt, stream};
use socket::{Client, PATIENCE, Raw, ends, serve, serve_as};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{Notify, mpsc},
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;

/// Short, and still longer than a busy machine needs to get from one line to the next.
const SHORT: Duration = Duration::from_millis(20);

#[tokio::test]
async fn message_over_the_limit_closes_with_1009() {
    let server = serve(|ws| ws.text(|incoming| incoming)).await;
    let mut client = Client::open(server.address).await;
    let largest = "a".repeat(64 << 10);
    client.say(largest.clone()).await;
    assert_eq!(client.hear().await, Message::text(largest.clone()));
    client.say(largest + "a").await;
    assert_eq!(client.close().await, (1009, "Message was too big".into()));
    client.end().await;
}

#[tokio::test]
async fn pings_and_a_close_do_not_wait_behind_a_slow_application() {
    let (closed, mut closes) = ends();
    let server = serve(move |ws| {
        let closed = closed.clone();
        ws.with(|ws| async move {
            let (incoming, outgoing) = ws.accept().await?;
            outgoing.closed().await;
            closed.send(incoming.closed().unwrap())?;
            Ok::<_, BoxError>(())
        })
    })
    .await;
    let mut client = Client::open(server.address).await;
    for _ in 0..10 {
        client.say("a".repeat(1000)).await;
    }
    client.say(Message::Ping("kiki".into())).await;
    assert_eq!(client.hear().await, Message::Pong("kiki".into()));
    client.0.close(None).await.unwrap();
    client.end().await;
    assert!(closes.next().await.clean);
}

#[tokio::test]
async fn slow_application_makes_the_client_wait_and_misses_nothing() {
    const COUNT: usize = 300;
    let go = Arc::new(Notify::new());
    let (heard, mut hears) = mpsc::unbounded_channel();
    let (server, begin) = (heard, go.clone());
    let server = serve(move |ws| {
        let (heard, begin) = (server.clone(), begin.clone());
        ws.with(|ws| async move {
            let (mut incoming, _outgoing) = ws.accept().await?;
            begin.notified().await;
            while let Some(text) = incoming.next().await {
                heard.send(text.len())?;
            }
            Ok::<_, BoxError>(())
        })
    })
    .await;
    let mut client = Client::open(server.address).await;
    let sending = tokio::spawn(async move {
        // More than sockets and buffers hold.
        for length in 0..COUNT {
            client.say("a".repeat(50_000 + length)).await;
        }
        client.0.close(None).await.unwrap();
        client
    });
    let mut sending = sending;
    assert!(
        timeout(Duration::from_millis(200), &mut sending)
            .await
            .is_err()
    );
    go.notify_one();
    for length in 0..COUNT {
        let heard = timeout(PATIENCE, hears.recv()).await.unwrap();
        assert_eq!(heard, Some(50_000 + length));
    }
    sending.await.unwrap().end().await;
}

#[tokio::test]
async fn idle_socket_is_closed_where_that_is_asked_for() {
    let server = serve(|ws| ws.idle_timeout(SHORT).text(|incoming| incoming)).await;
    let mut client = Client::open(server.address).await;
    assert_eq!(client.close().await, (1001, "Idle for too long".into()));
    client.end().await;
}

#[tokio::test]
async fn client_that_answers_no_ping_is_lost() {
    let (closed, mut closes) = ends();
    let server = serve(move |ws| {
        let closed = closed.clone();
        ws.keep_alive(KeepAlive::Ping {
            period: SHORT,
            deadline: SHORT,
        })
        .on_ready(move |incoming, _| incoming.on_close(move |end| closed.send(end).unwrap()))
    })
    .await;
    let (mut raw, _) = Raw::open(server.address, "").await;
    assert_eq!(raw.read::<2>().await, [0x89, 0]);
    let end: Closed = closes.next().await;
    assert_eq!(
        (end.code.get(), &*end.reason),
        (1006, "No answer to a ping")
    );
    assert_eq!(raw.0.read(&mut [0; 10]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn socket_may_be_kept_alive_with_pongs_that_expect_nothing() {
    let server = serve(|ws| {
        ws.keep_alive(KeepAlive::Pong { period: SHORT })
            .text(|incoming| incoming)
    })
    .await;
    let (mut raw, _) = Raw::open(server.address, "").await;
    for _ in 0..3 {
        assert_eq!(raw.read::<2>().await, [0x8a, 0]);
    }
}

#[tokio::test]
async fn client_that_does_not_answer_a_close_is_cut() {
    let (closed, mut closes) = ends();
    let server = serve(move |ws| {
        let closed = closed.clone();
        ws.close_timeout(SHORT).on_ready(move |incoming, outgoing| {
            incoming.on_close(move |end| closed.send(end).unwrap());
            outgoing.close();
        })
    })
    .await;
    let (mut raw, _) = Raw::open(server.address, "").await;
    assert_eq!(raw.read::<4>().await, [0x88, 2, 3, 0xe8]);
    assert_eq!(closes.next().await.reason, "No answer to a Close");
    assert_eq!(raw.0.read(&mut [0; 10]).await.unwrap_or(0), 0);
}

/// Sends without end until that is an error.
async fn flood(outgoing: encke::websocket::Outgoing<Text>) -> Result<(), BoxError> {
    let text = "a".repeat(10_000);
    loop {
        outgoing.send(text.clone()).await?;
    }
}

#[tokio::test]
async fn client_that_takes_nothing_is_cut() {
    for foreign in [false, true] {
        let (closed, mut closes) = ends();
        let accept = move |ws: encke::WebSocket| {
            let closed = closed.clone();
            ws.stall_limit(SHORT).with(|ws| async move {
                let (incoming, outgoing) = ws.accept().await?;
                let error = flood(outgoing).await.unwrap_err();
                assert!(matches!(error.downcast_ref(), Some(SendError::Closed)));
                closed.send(incoming.closed().unwrap())?;
                Ok::<_, BoxError>(())
            })
        };
        let address = if foreign {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(axum::serve(listener, socket::app(accept)).into_future());
            address
        } else {
            serve(accept).await.address
        };
        let (_raw, _) = Raw::open(address, "").await;
        assert_eq!(closes.next().await.code.get(), 1006);
    }
}

#[tokio::test]
async fn servers_own_stall_limit_holds_for_sockets_too() {
    let (closed, mut closes) = ends();
    let accept = move |ws: encke::WebSocket| {
        let closed = closed.clone();
        ws.stall_limit(PATIENCE * 10).with(|ws| async move {
            let (incoming, outgoing) = ws.accept().await?;
            let _ = flood(outgoing).await;
            closed.send(incoming.closed().unwrap())?;
            Ok::<_, BoxError>(())
        })
    };
    let server = serve_as(accept, |server| server.stall_limit(SHORT)).await;
    let (_raw, _) = Raw::open(server.address, "").await;
    assert_eq!(closes.next().await.code.get(), 1006);
}

/// What a client that reads late hears, and how much was dropped, where 100 messages found room
/// for a few.
async fn burst(overflow: Overflow) -> (Vec<u8>, Option<u16>, u64) {
    let (dropped, mut drops) = mpsc::unbounded_channel();
    let server = serve(move |ws| {
        let dropped = dropped.clone();
        ws.without_deflate()
            .outgoing_limit(5000, overflow)
            .on_ready(move |_, outgoing| {
                for number in 0..100 {
                    outgoing.write(format!("{number:0>1000}"));
                }
                dropped.send(outgoing.dropped()).unwrap();
                outgoing.close();
            })
    })
    .await;
    let mut client = Client::open(server.address).await;
    let mut numbers = Vec::new();
    let code = loop {
        match client.hear().await {
            Message::Text(text) => numbers.push(text.parse().unwrap()),
            Message::Close(frame) => break frame.map(|frame| frame.code.into()),
            other => panic!("{other:?}"),
        }
    };
    (numbers, code, drops.recv().await.unwrap())
}

#[tokio::test]
async fn full_outgoing_buffer_does_what_the_application_chose() {
    let (numbers, code, dropped) = burst(Overflow::DropNewest).await;
    assert_eq!((numbers, code, dropped), (vec![0, 1, 2, 3], Some(1000), 96));
    let (numbers, code, dropped) = burst(Overflow::DropOldest).await;
    assert_eq!(
        (numbers, code, dropped),
        (vec![96, 97, 98, 99], Some(1000), 96)
    );
    for overflow in [Overflow::Close, Overflow::Wait] {
        let (numbers, code, dropped) = burst(overflow).await;
        assert_eq!((numbers, code, dropped), (vec![], Some(1013), 5));
    }
}

#[tokio::test]
async fn what_waits_when_the_socket_ends_is_counted_too() {
    let (dropped, mut drops) = mpsc::unbounded_channel();
    let server = serve(move |ws| {
        let dropped = dropped.clone();
        ws.without_deflate()
            .outgoing_limit(1 << 20, Overflow::Wait)
            .on_ready(move |incoming, outgoing| {
                let counting = outgoing.clone();
                incoming.on_message(move |_| {
                    for _ in 0..10 {
                        outgoing.write("a".repeat(10_000));
                    }
                });
                incoming.on_close(move |_| dropped.send(counting.dropped()).unwrap());
            })
    })
    .await;
    let (mut raw, _) = Raw::open(server.address, "").await;
    // A text, and in the same read a message of the wrong kind.
    let both = b"\x81\x82\0\0\0\0Hi\x82\x82\0\0\0\0Hi";
    raw.0.write_all(both).await.unwrap();
    let mut heard = 0;
    while raw.read::<1>().await == [0x81] {
        raw.read::<{ 3 + 10_000 }>().await;
        heard += 1;
    }
    drop(raw);
    let dropped = timeout(PATIENCE, drops.recv()).await.unwrap().unwrap();
    assert!(dropped > 0);
    assert_eq!(heard + dropped, 10);
}

#[tokio::test]
async fn shutdown_closes_every_socket_and_waits_for_the_answers() {
    let (closed, mut closes) = ends();
    let server = serve(move |ws| {
        let closed = closed.clone();
        ws.on_ready(move |incoming, outgoing| {
            incoming.on_close(move |end| closed.send(end).unwrap());
            outgoing.write("Hello!");
        })
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Client::open(server.address).await;
        assert_eq!(client.hear().await, Message::text("Hello!"));
        clients.push(client);
    }
    server.shutdown.begin();
    for mut client in clients {
        assert_eq!(client.close().await, (1001, String::new()));
        assert!(!server.task.is_finished());
        client.end().await;
        assert!(closes.next().await.clean);
    }
    timeout(PATIENCE, server.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn shutdown_does_not_wait_for_ever() {
    let accept = |ws: encke::WebSocket| {
        ws.close_timeout(PATIENCE * 10)
            .text(|_| stream::pending::<Text>())
    };
    let server = serve_as(accept, |server| server.drain_limit(SHORT * 25)).await;
    let (mut raw, _) = Raw::open(server.address, "").await;
    server.shutdown.begin();
    assert_eq!(raw.read::<4>().await, [0x88, 2, 3, 0xe9]);
    timeout(PATIENCE, server.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(raw.0.read(&mut [0; 10]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn what_was_sent_before_a_shutdown_arrives() {
    let (started, mut starts) = mpsc::unbounded_channel();
    let server = serve(move |ws| {
        let started = started.clone();
        ws.text(move |_| {
            started.send(()).unwrap();
            let texts = (0..2000).map(|number| format!("{number:0>1000}"));
            stream::iter(texts).chain(stream::pending())
        })
    })
    .await;
    let mut client = Client::open(server.address).await;
    starts.recv().await.unwrap();
    server.shutdown.begin();
    let mut expected = 0;
    while let Message::Text(text) = client.hear().await {
        assert_eq!(text.parse::<u32>().unwrap(), expected);
        expected += 1;
    }
    assert!(expected > 0);
}

#[tokio::test]
async fn broken_frames_are_answered_before_the_end() {
    let server = serve(|ws| ws.text(|incoming| incoming)).await;
    let (mut raw, _) = Raw::open(server.address, "").await;
    // "Hi" masked with zeros, then a frame without a mask.
    raw.0
        .write_all(b"\x81\x82\0\0\0\0Hi\x81\x02Hi")
        .await
        .unwrap();
    assert_eq!(raw.read::<4>().await, *b"\x81\x02Hi");
    assert_eq!(raw.read::<4>().await[2..], 1002_u16.to_be_bytes());
}
