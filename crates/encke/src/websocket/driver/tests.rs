//! An application's socket and its bytes, in so many reads and writes.

use super::*;
use crate::websocket::{
    Incoming, Overflow,
    application::{Application, ApplicationSocket},
    codec, flow, incoming,
    outgoing::Outbox,
};
use encke_proto::ws::{Config, Connection, Message};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::JoinHandle,
    time::sleep,
};

/// A stream that counts how often it is asked to write.
struct Counted {
    stream: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, bytes)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Relaxed);
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Relaxed);
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

struct Socket {
    client: DuplexStream,
    writes: Arc<AtomicUsize>,
    served: JoinHandle<End>,
}

/// A socket of raw messages, with so much room on its way, for what `flow` makes of them.
fn open<F, S>(room: usize, stall_limit: Duration, flow: F) -> Socket
where
    F: FnOnce(Incoming<Message>) -> S + Send + 'static,
    S: futures_core::Stream<Item = Message> + Send + 'static,
{
    let (client, stream) = duplex(room);
    let writes = Arc::new(AtomicUsize::new(0));
    let io = Counted {
        stream,
        writes: writes.clone(),
    };
    let codec = Arc::new(codec::Messages);
    let outbox = Arc::new(Outbox::new(64 << 10, Overflow::Wait));
    let (inlet, incoming) = incoming::channel(codec.clone(), 64 << 10, outbox.clone());
    let config = Config {
        max_frame: 1 << 20,
        max_message: 1 << 20,
        close_timeout: stall_limit.saturating_mul(10),
        ..Config::default()
    };
    let connection = Connection::server(Arc::new(config), None, Instant::now().into_std());
    let application = flow::run(flow, incoming, codec, outbox.clone());
    let application = Some(Application::Flow(application.boxed()));
    let mut talk = ApplicationSocket::new(connection, inlet, outbox, None, application);
    let served =
        tokio::spawn(async move { Driver::new(io, &mut talk, stall_limit, None).run().await });
    Socket {
        client,
        writes,
        served,
    }
}

/// A frame of a client whose mask is zeros.
fn frame(payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    [&[0x81, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

#[tokio::test]
async fn all_frames_of_one_read_are_answered_in_one_write() {
    for (size, depth) in [(20, 1), (20, 64), (20, 600), (0, 2000), (100, 150)] {
        let mut socket = open(64 << 10, Duration::MAX, |incoming| incoming);
        let payload = vec![b'a'; size];
        let input = frame(&payload).repeat(depth);
        assert!(input.len() <= READ_SIZE);
        let answer = [&[0x81, size as u8], &*payload].concat().repeat(depth);
        for round in 1..=3 {
            socket.client.write_all(&input).await.unwrap();
            let mut heard = vec![0; answer.len()];
            socket.client.read_exact(&mut heard).await.unwrap();
            assert!(heard == answer, "{depth} of {size} bytes");
            assert_eq!(
                socket.writes.load(Relaxed),
                round,
                "{depth} of {size} bytes"
            );
        }
    }
}

#[tokio::test]
async fn a_large_message_is_written_together_with_its_head() {
    let large = futures_util::stream::iter([Message::binary(vec![7; 10 << 10])]);
    let mut socket = open(64 << 10, Duration::MAX, move |_| {
        futures_util::StreamExt::chain(large, futures_util::stream::pending())
    });
    let mut heard = vec![0; 4 + (10 << 10)];
    socket.client.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard[..4], *b"\x82\x7e\x28\x00");
    assert!(heard[4..].iter().all(|byte| *byte == 7));
    assert_eq!(socket.writes.load(Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_little_is_slow_and_one_that_takes_nothing_is_stalled() {
    const LIMIT: Duration = Duration::from_secs(10);
    let large = || futures_util::stream::iter([Message::binary(vec![0; 64 << 10])]);
    let mut socket = open(1 << 10, LIMIT, move |_| large());
    for _ in 0..32 {
        sleep(LIMIT / 2).await;
        socket.client.read_exact(&mut [0; 1 << 10]).await.unwrap();
    }
    assert!(!socket.served.is_finished());
    let start = Instant::now();
    assert_eq!(socket.served.await.unwrap(), End::Stalled);
    assert_eq!(start.elapsed().as_secs(), LIMIT.as_secs());
}

/// A busy task would keep the paused clock from going on.
#[tokio::test(start_paused = true)]
async fn a_client_that_said_all_it_has_and_takes_nothing_costs_no_time() {
    const LIMIT: Duration = Duration::from_secs(10);
    let large = || futures_util::stream::iter([Message::binary(vec![0; 64 << 10])]);
    let mut socket = open(1 << 10, LIMIT, move |_| large());
    socket.client.write_all(b"\x88\x80\0\0\0\0").await.unwrap();
    socket.client.shutdown().await.unwrap();
    assert_eq!(socket.served.await.unwrap(), End::Stalled);
}

#[tokio::test]
async fn what_came_before_the_end_in_one_read_is_answered_before_it() {
    let close = (&b"\x88\x80\0\0\0\0"[..], &b"\x88\x00"[..]);
    let reserved_bits = (&b"\xf1\x80\0\0\0\0"[..], &b"\x88"[..]);
    for (end, answer) in [close, reserved_bits] {
        let mut socket = open(64 << 10, Duration::MAX, |incoming| incoming);
        let input = [&frame(b"kiki"), &frame(b"foo"), end].concat();
        socket.client.write_all(&input).await.unwrap();
        socket.client.shutdown().await.unwrap();
        let mut heard = Vec::new();
        socket.client.read_to_end(&mut heard).await.unwrap();
        let expected = [&b"\x81\x04kiki\x81\x03foo"[..], answer].concat();
        assert_eq!(heard[..expected.len()], expected);
    }
}
