//! What an application and a client say to each other over a WebSocket, and how it ends.

mod socket;

use encke::{
    BoxError,
    websocket::{
        CloseCode, CloseWith, Message as Sent, Text,
        codec::{self, Codec},
    },
};
use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use socket::{Client, PATIENCE, Raw, ends, serve};
use std::{future::poll_fn, pin::pin, task::Poll};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn flow_of_texts_answers_each() {
    let server = serve(|ws| ws.text(|texts| texts.map(|text| text.to_uppercase()))).await;
    let mut client = Client::open(server.address).await;
    for text in ["kiki", "", "äöü"] {
        client.say(text).await;
        assert_eq!(client.hear().await, Message::text(text.to_uppercase()));
    }
}

#[tokio::test]
async fn flow_that_listens_to_nobody_is_dropped_with_its_socket() {
    let (dropped, mut drops) = tokio::sync::mpsc::unbounded_channel::<()>();
    let server = serve(move |ws| {
        let held = dropped.clone();
        ws.text(move |_incoming| {
            let greeting = stream::once(std::future::ready("kiki"));
            let endless = stream::pending().map(move |()| {
                let _held = &held;
                "never"
            });
            greeting.chain(endless)
        })
    })
    .await;
    let mut says_goodbye = Client::open(server.address).await;
    assert_eq!(says_goodbye.hear().await, Message::text("kiki"));
    says_goodbye.0.close(None).await.unwrap();
    assert_eq!(says_goodbye.hear().await, Message::Close(None));
    says_goodbye.end().await;
    let mut vanishes = Client::open(server.address).await;
    assert_eq!(vanishes.hear().await, Message::text("kiki"));
    drop(vanishes);
    let mut waits = Client::open(server.address).await;
    assert_eq!(waits.hear().await, Message::text("kiki"));
    server.shutdown.begin();
    assert_eq!(waits.close().await.0, 1001);
    waits.end().await;
    timeout(PATIENCE, server.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    // The server's own handle was the last but those of the flows.
    assert_eq!(timeout(PATIENCE, drops.recv()).await.unwrap(), None);
}

#[tokio::test]
async fn client_that_closes_gets_its_code_back_and_the_flow_ends() {
    let (closed, mut closes) = ends();
    let server = serve(move |ws| {
        let closed = closed.clone();
        ws.with(|ws| async move {
            let (mut incoming, _outgoing) = ws.accept().await?;
            while incoming.next().await.is_some() {}
            closed.send(incoming.closed().unwrap())?;
            Ok::<_, BoxError>(())
        })
    })
    .await;
    let mut client = Client::open(server.address).await;
    let frame = tokio_tungstenite::tungstenite::protocol::CloseFrame {
        code: 4001.into(),
        reason: "enough".into(),
    };
    client.0.close(Some(frame)).await.unwrap();
    assert_eq!(client.close().await, (4001, "enough".into()));
    client.end().await;
    let end = closes.next().await;
    assert_eq!(
        (end.code.get(), &*end.reason, end.clean),
        (4001, "enough", true)
    );
}

#[tokio::test]
async fn raw_socket_is_told_of_pings_and_of_a_lost_client() {
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let server = serve(move |ws| {
        let heard = heard.clone();
        ws.messages(move |incoming| {
            incoming.filter_map(move |message| {
                heard.send(message).unwrap();
                std::future::ready(None::<Sent>)
            })
        })
    })
    .await;
    let mut client = Client::open(server.address).await;
    client.say(Message::Ping("kiki".into())).await;
    assert_eq!(client.hear().await, Message::Pong("kiki".into()));
    drop(client);
    assert_eq!(hears.recv().await, Some(Sent::Ping("kiki".into())));
    match hears.recv().await {
        Some(Sent::Close(Some(frame))) => assert_eq!(frame.code(), CloseCode::ABNORMAL),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn end_of_what_goes_out_closes_with_its_reason() {
    async fn close(items: Vec<Result<&'static str, BoxError>>) -> (u16, String) {
        let items = std::sync::Arc::new(std::sync::Mutex::new(Some(items)));
        let server = serve(move |ws| {
            let items = items.lock().unwrap().take().unwrap();
            ws.text(|_| stream::iter(items))
        })
        .await;
        let mut client = Client::open(server.address).await;
        assert_eq!(client.hear().await, Message::text("kiki"));
        let close = client.close().await;
        client.end().await;
        close
    }

    assert_eq!(close(vec![Ok("kiki")]).await, (1000, String::new()));
    let failed = close(vec![Ok("kiki"), Err("broken".into())]).await;
    assert_eq!(failed, (1011, String::new()));
    let full = CloseWith::new(CloseCode::new(4001).unwrap(), "full");
    let full = close(vec![Ok("kiki"), Err(full.into())]).await;
    assert_eq!(full, (4001, "full".into()));
}

#[tokio::test]
async fn application_that_panics_closes_with_an_error() {
    let server = serve(|ws| ws.text(|texts| texts.map(|_| -> Text { panic!("on purpose") }))).await;
    let mut client = Client::open(server.address).await;
    client.say("kiki").await;
    assert_eq!(client.close().await.0, 1011);

    let server = serve(|ws| {
        ws.with(|_| -> std::future::Ready<Result<(), BoxError>> { panic!("on purpose") })
    })
    .await;
    let mut client = Client::open(server.address).await;
    assert_eq!(client.close().await.0, 1011);
}

#[derive(Debug, Deserialize, Serialize)]
struct Count {
    count: u32,
}

#[tokio::test]
async fn wrong_kind_of_message_is_refused_and_not_delivered() {
    let only_texts = "This WebSocket only supports text frames";
    let only_bytes = "This WebSocket only supports binary frames";
    let no_json = "Unable to parse json message";
    let texts = serve(|ws| ws.text(|incoming| incoming)).await.address;
    let bytes = serve(|ws| ws.binary(|incoming| incoming)).await.address;
    let json = serve(|ws| ws.json::<Count, Count>(|counts| counts))
        .await
        .address;
    let untyped = serve(|ws| ws.json::<serde_json::Value, serde_json::Value>(|values| values))
        .await
        .address;
    for (address, message, reason) in [
        (texts, Message::binary(&b"kiki"[..]), only_texts),
        (bytes, Message::text("kiki"), only_bytes),
        (json, Message::text("{"), no_json),
        (untyped, Message::binary(&b"{"[..]), no_json),
        (
            json,
            Message::text("{}"),
            "missing field `count` at line 1 column 2",
        ),
    ] {
        let mut client = Client::open(address).await;
        client.say(message).await;
        assert_eq!(client.close().await, (1003, reason.to_owned()));
        client.end().await;
    }
}

#[tokio::test]
async fn typed_json_goes_both_ways() {
    let server = serve(|ws| {
        ws.json::<Count, Count>(|counts| counts.map(|Count { count }| Count { count: count + 1 }))
    })
    .await;
    let mut client = Client::open(server.address).await;
    client.say(r#"{"count": 1}"#).await;
    assert_eq!(client.hear().await, Message::text(r#"{"count":2}"#));
    client.say(Message::binary(&br#"{"count": 2}"#[..])).await;
    assert_eq!(client.hear().await, Message::text(r#"{"count":3}"#));
}

#[tokio::test]
async fn own_codec_makes_an_own_kind_of_socket() {
    let server = serve(|ws| {
        let numbers = codec::Text
            .map(|text| text.parse::<i64>().unwrap_or_default())
            .contramap(|number: i64| number.to_string().into());
        ws.using(numbers)
            .flow(|numbers| numbers.map(|number| -number))
    })
    .await;
    let mut client = Client::open(server.address).await;
    client.say("7").await;
    assert_eq!(client.hear().await, Message::text("-7"));
}

#[tokio::test]
async fn callbacks_hear_each_message_and_the_end() {
    let (closed, mut closes) = ends();
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let server = serve(move |ws| {
        let (heard, closed) = (heard.clone(), closed.clone());
        ws.on_ready(move |incoming, outgoing| {
            incoming.on_message(move |text| heard.send(text).unwrap());
            incoming.on_close(move |end| closed.send(end).unwrap());
            outgoing.write("Hello!");
        })
    })
    .await;
    let mut client = Client::open(server.address).await;
    assert_eq!(client.hear().await, Message::text("Hello!"));
    client.say("kiki").await;
    assert_eq!(hears.recv().await.unwrap(), "kiki");
    client.0.close(None).await.unwrap();
    client.end().await;
    assert_eq!(closes.next().await.code, CloseCode::NO_STATUS);
}

#[tokio::test]
async fn callback_that_only_says_hello_closes_after_it() {
    let server = serve(|ws| {
        ws.on_ready(|_, outgoing| {
            outgoing.write("Hello!");
            outgoing.close();
            assert!(!outgoing.write("too late"));
        })
    })
    .await;
    let mut client = Client::open(server.address).await;
    client.say("thrown away").await;
    assert_eq!(client.hear().await, Message::text("Hello!"));
    assert_eq!(client.close().await, (1000, String::new()));
    client.end().await;
}

#[tokio::test]
async fn halves_may_be_used_by_different_tasks() {
    let server = serve(|ws| {
        ws.with(|ws| async move {
            let (mut incoming, outgoing) = ws.accept().await?;
            let answer = tokio::spawn(async move {
                while let Some(text) = incoming.next().await {
                    outgoing.send(text).await?;
                }
                Ok::<_, BoxError>(())
            });
            answer.await?
        })
    })
    .await;
    let mut client = Client::open(server.address).await;
    for text in ["kiki", "foo", "bar"] {
        client.say(text).await;
        assert_eq!(client.hear().await, Message::text(text));
    }
    client.0.close(None).await.unwrap();
    client.end().await;
}

#[tokio::test]
async fn many_large_messages_arrive_whole_and_in_order() {
    let server = serve(|ws| ws.binary(|incoming| incoming)).await;
    let client = Client::open(server.address).await;
    let (mut sink, mut source) = client.0.split();
    let message = |number: u8| Message::binary(vec![number; 60_000]);
    let sending = tokio::spawn(async move {
        use futures_util::SinkExt;
        for number in 0..100 {
            sink.send(message(number)).await.unwrap();
        }
        sink
    });
    for number in 0..100 {
        let heard = timeout(PATIENCE, source.next()).await;
        assert!(
            heard.unwrap().unwrap().unwrap() == message(number),
            "{number}"
        );
    }
    drop(sending.await.unwrap());
}

/// Numbers that look like chance, the same in each run.
struct Chance(u32);

impl Chance {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % limit
    }

    /// What `reading` comes to, unless it is dropped first: unpolled, or after some polls.
    async fn unless_dropped<F: Future>(&mut self, reading: F) -> Option<F::Output> {
        let mut reading = pin!(reading);
        let mut polls = self.below(3);
        poll_fn(|cx| {
            if polls == 0 {
                return Poll::Ready(None);
            }
            polls -= 1;
            cx.waker().wake_by_ref();
            reading.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

/// The texts of a stream whose reader is dropped over and over.
fn read_in_pieces(incoming: impl Stream<Item = Text>) -> impl Stream<Item = Text> {
    let state = (Box::pin(incoming), Chance(7));
    stream::unfold(state, async |(mut incoming, mut chance)| {
        loop {
            if let Some(item) = chance.unless_dropped(incoming.next()).await {
                return Some((item?, (incoming, chance)));
            }
            tokio::task::yield_now().await;
        }
    })
}

async fn read_exactly<const N: usize>(from: &mut (impl AsyncReadExt + Unpin)) -> [u8; N] {
    let mut bytes = [0; N];
    let read = timeout(PATIENCE, from.read_exact(&mut bytes)).await;
    read.unwrap().unwrap();
    bytes
}

#[tokio::test]
async fn reader_dropped_at_any_await_loses_nothing() {
    const COUNT: u8 = 250;
    let halves = serve(|ws| {
        ws.with(|ws| async move {
            let (mut incoming, outgoing) = ws.accept().await?;
            let mut chance = Chance(7);
            loop {
                match chance.unless_dropped(incoming.next()).await {
                    Some(Some(text)) => outgoing.send(text).await?,
                    Some(None) => return Ok::<_, BoxError>(()),
                    None => {
                        // What was not awaited was not sent.
                        drop(outgoing.send("dropped"));
                        tokio::task::yield_now().await;
                    }
                }
            }
        })
    });
    let flow = serve(|ws| ws.text(read_in_pieces));
    let text = |number: u8| [b'A' + number / 16, b'A' + number % 16];
    for server in [halves.await, flow.await] {
        let (mut raw, _) = Raw::open(server.address, "").await;
        raw.0.set_nodelay(true).unwrap();
        let (mut reading, mut writing) = raw.0.split();
        let write = async {
            let mut chance = Chance(3);
            for number in 0..COUNT {
                let [a, b] = text(number);
                // A text in two frames with a ping in between, masked with zeros.
                let frames: [&[u8]; 3] = [
                    &[0x01, 0x81, 0, 0, 0, 0, a],
                    &[0x89, 0x80, 0, 0, 0, 0],
                    &[0x80, 0x81, 0, 0, 0, 0, b],
                ];
                let frames = frames.concat();
                let (first, second) = frames.split_at(chance.below(21) as usize);
                for piece in [first, second] {
                    writing.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        };
        let read = async {
            let (mut texts, mut pongs) = (0, 0);
            while texts < COUNT || pongs < COUNT {
                match read_exactly(&mut reading).await {
                    [0x8a, 0] => pongs += 1,
                    [0x81, 2] => {
                        assert_eq!(read_exactly(&mut reading).await, text(texts));
                        texts += 1;
                    }
                    other => panic!("{other:?}"),
                }
            }
        };
        tokio::join!(write, read);
    }
}
