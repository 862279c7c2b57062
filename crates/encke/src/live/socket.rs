//! A session over a WebSocket: its publications one way, what the client says the other.
//!
//! Control frames go between two publications, never inside of one; they wait for no more than
//! what is being written.

use super::session::{Goes, Member};
use crate::Shutdown;
use bytes::{Buf, Bytes};
use encke_proto::{
    Channel, Data, Output,
    ws::{CloseCode, CloseFrame, Connection, Event, Message, Phase},
};
use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep_until},
};

/// Bytes read at once; an idle socket owns none of them.
const READ_SIZE: usize = 4096;

/// Reads of one socket before others have their turn.
const READS_PER_POLL: usize = 16;

/// Most bytes of one write, and most of those that a control frame may stand behind.
const WRITE_SIZE: usize = 16 << 10;

/// A connected socket, to be awaited until it has ended.
pub(super) struct LiveSocket<Io> {
    io: Io,
    connection: Connection,
    session: Member,
    /// Where what the client says is published, if anywhere.
    publish_to: Option<Channel>,
    /// How this side ends it, once nothing is half sent.
    ending: Option<CloseFrame>,
    /// What the socket has not taken of the last write.
    writing: Bytes,
    /// The end, behind what the session had.
    farewell: Output,
    told: Told,
    timer: Option<Pin<Box<Sleep>>>,
    /// The shutdown of the server, if it is ours: the session asks whether it has begun.
    shutdown: Option<Begun>,
}

type Begun = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How much of the end was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    /// The session has nothing more; its Close is out, or the answer to the client's.
    Close,
    /// The writing half is shut down.
    End,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> LiveSocket<Io> {
    pub(super) fn new(
        io: Io,
        connection: Connection,
        session: Member,
        publish_to: Option<Channel>,
        shutdown: Option<Shutdown>,
    ) -> Self {
        Self {
            io,
            connection,
            session,
            publish_to,
            ending: None,
            writing: Bytes::new(),
            farewell: Output::default(),
            told: Told::Nothing,
            timer: None,
            shutdown: shutdown.map(|shutdown| Box::pin(async move { shutdown.begun().await }) as _),
        }
    }

    fn poll_socket(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let now = tokio::time::Instant::now().into_std();
            if self.connection.next_timeout().is_some_and(|at| at <= now) {
                self.connection.handle_timeout(now);
            }
            if let Some(begun) = &mut self.shutdown
                && begun.as_mut().poll(cx).is_ready()
            {
                self.shutdown = None;
            }
            let read = self.poll_read(cx, now)?;
            let written = self.poll_write(cx, now)?;
            if self.connection.phase() == Phase::Ended {
                return Poll::Ready(Ok(()));
            }
            if read.is_pending() && written.is_pending() && self.poll_timer(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Reads what there is and acts on it; pending where there is nothing more for now.
    fn poll_read(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<io::Result<()>> {
        for _ in 0..READS_PER_POLL {
            let mut bytes = [MaybeUninit::uninit(); READ_SIZE];
            let mut bytes = ReadBuf::uninit(&mut bytes);
            if self.connection.phase() == Phase::Ended {
                return Poll::Pending;
            }
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut bytes))?;
            let mut input = bytes.filled();
            if input.is_empty() {
                self.connection.handle_end();
                return Poll::Pending;
            }
            while !input.is_empty() {
                let read = self.connection.handle_input(input, now);
                input = &input[read..];
                while let Some(event) = self.connection.poll_event() {
                    self.handle_event(event);
                }
                if read == 0 {
                    break;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn handle_event(&mut self, event: Event) {
        let data = match event {
            Event::Message(Message::Text(text)) => Data::from(text.as_str()),
            Event::Message(Message::Binary(bytes)) => Data::from(Bytes::copy_from_slice(&bytes)),
            _ => return,
        };
        match &self.publish_to {
            Some(channel) => {
                self.session.publish(channel, &data);
            }
            None => {
                let reason = "Nobody publishes over this socket";
                self.ending = Some(CloseFrame::new(CloseCode::POLICY_VIOLATION, reason));
            }
        }
    }

    /// Writes what there is; pending where the socket takes no more, or there is nothing.
    fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<io::Result<()>> {
        loop {
            while !self.writing.is_empty() {
                if self.session.is_over() {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.writing))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.writing.advance(written);
            }
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.writing = ready!(self.poll_bytes(cx, now))?;
            if self.writing.is_empty() {
                return self.poll_end(cx);
            }
        }
    }

    /// The next bytes to write; none once everything was said.
    fn poll_bytes(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<io::Result<Bytes>> {
        if self.told == Told::Nothing {
            let Self {
                connection, ending, ..
            } = self;
            let bytes = self.session.poll_bytes_with(cx, |out| {
                // What is said has to be answered in time: it must not wait behind a large
                // publication that a slow client is still taking.
                if out.len() < WRITE_SIZE {
                    connection.poll_transmit(out, now);
                    if let Some(close) = ending.take() {
                        say(close, connection, out, now);
                    }
                }
                match connection.can_send() {
                    true => Goes::On,
                    false => Goes::Away,
                }
            });
            match ready!(bytes) {
                Some(Ok(bytes)) => return Poll::Ready(Ok(bytes)),
                Some(Err(_stalled)) => {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                None => self.told = Told::Close,
            }
            if let Some(close) = self.session.close_frame() {
                say(close, &mut self.connection, &mut self.farewell, now);
            }
        }
        self.connection.poll_transmit(&mut self.farewell, now);
        Poll::Ready(Ok(self.farewell.take(WRITE_SIZE)))
    }

    /// Everything is written: shuts down the writing half once nothing is to follow.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.connection.phase() == Phase::Draining && self.told != Told::End {
            ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
            self.told = Told::End;
        }
        Poll::Pending
    }

    /// Ready when the connection has something to do by the clock.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.connection.next_timeout() else {
            self.timer = None;
            return Poll::Pending;
        };
        let at = tokio::time::Instant::from_std(at);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx)
    }
}

/// Says a Close, unless one was said.
fn say(close: CloseFrame, connection: &mut Connection, out: &mut Output, now: Instant) {
    if connection.can_send() {
        let _ = connection.send(Message::Close(Some(close)), out, now);
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Future for LiveSocket<Io> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.get_mut().poll_socket(cx).map(|ended| {
            if let Err(error) = ended {
                tracing::debug!(%error, "socket ended");
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Hub, HubConfig, live::session::LiveSession};
    use encke_proto::{
        Encoder, Start, Transport,
        ws::{Config, KeepAlive, MaskKeys},
    };
    use std::{sync::Arc, time::Duration};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        time::sleep,
    };

    /// A socket on `news` whose client has to answer a ping within two seconds.
    fn open(hub: &Hub) -> DuplexStream {
        let (ours, theirs) = duplex(4 << 10);
        let channels = Arc::from([Channel::new("news").unwrap()]);
        let encoder = Encoder::new(Transport::WebSocket { deflated: false }, false, channels);
        let session = LiveSession::open(hub.shared().clone(), None, encoder, &[Start::Head]);
        let config = Config {
            keep_alive: KeepAlive::Ping {
                period: Duration::from_secs(1),
                deadline: Duration::from_secs(2),
            },
            ..Config::default()
        };
        let now = tokio::time::Instant::now().into_std();
        let connection = Connection::server(Arc::new(config), None, now);
        let session = Member::join(session);
        tokio::spawn(LiveSocket::new(ours, connection, session, None, None));
        theirs
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_has_time_to_answer_a_ping_behind_a_large_publication() {
        let hub = Hub::new(HubConfig::default());
        let mut socket = open(&hub);
        let large = "x".repeat(1 << 20);
        let news = hub.channel("news").unwrap();
        news.publish(large.as_str()).await.unwrap();
        let config = Config {
            max_frame: 2 << 20,
            max_message: 2 << 20,
            ..Config::default()
        };
        let now = || tokio::time::Instant::now().into_std();
        let keys = MaskKeys::new(|| [0; 4]);
        let mut client = Connection::client(Arc::new(config), None, keys, now());
        let (mut heard, mut pings) = (0, 0);
        // At 40 KiB a second it takes 26 of them.
        while heard == 0 || pings < 3 {
            let mut bytes = vec![0; 4 << 10];
            let read = socket.read(&mut bytes).await.unwrap();
            assert!(read > 0, "cut after {heard} publications and {pings} pings");
            let mut input = &bytes[..read];
            while !input.is_empty() {
                input = &input[client.handle_input(input, now())..];
                match client.poll_event() {
                    Some(Event::Message(Message::Ping(_))) => pings += 1,
                    Some(Event::Message(message)) => {
                        assert_eq!(message.len(), large.len());
                        heard += 1;
                    }
                    _ => {}
                }
            }
            let mut out = Output::default();
            client.poll_transmit(&mut out, now());
            while !out.is_empty() {
                socket.write_all(&out.take(WRITE_SIZE)).await.unwrap();
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}
