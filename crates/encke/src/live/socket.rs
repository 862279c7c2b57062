//! A session over a WebSocket: its publications one way, what the client says the other.
//!
//! Control frames go between two publications, never inside of one; they wait for no more than
//! what is being written. There is no IO here, and no buffer while nothing is half said: whoever
//! moves the bytes, of one socket or of many, calls [`Talk`].

use super::{
    saying::Saying,
    session::{Goes, Member},
    speaker::WRITE_SIZE,
};
use crate::websocket::Talk;
use bytes::Bytes;
use encke_proto::{
    Data, Output,
    ws::{
        CloseCode, CloseFrame, Config, Connection, Event, Idle, Message, Phase, deflate::Agreement,
    },
};
use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// What a session and its client say to each other.
pub(super) struct LiveSocket {
    dialog: Dialog,
    session: Member,
    saying: Saying,
    /// The session has nothing more; its Close is out, or the answer to the client's.
    ended: bool,
}

/// The WebSocket around a session: all that is said but the publications.
#[derive(Debug)]
pub(super) struct Dialog {
    config: Arc<Config>,
    deflate: Option<Agreement>,
    /// How the connection was when nothing was under way last.
    idle: Idle,
    /// The connection while something is.
    open: Option<Box<Connection>>,
    /// The client said what it may not: this side ends it, once nothing is half sent.
    refuses: bool,
    /// Whether what the client says is published, on the one channel of its session.
    publishes: bool,
}

impl Dialog {
    pub(super) fn new(
        config: Arc<Config>,
        deflate: Option<Agreement>,
        publishes: bool,
        now: Instant,
    ) -> Self {
        let connection = Connection::server(config.clone(), deflate, now);
        Self {
            idle: Idle::default(),
            open: Some(Box::new(connection)),
            config,
            deflate,
            refuses: false,
            publishes,
        }
    }

    /// Takes all of `input`; gives to `publish` what is published.
    pub(super) fn handle_input(
        &mut self,
        mut input: &[u8],
        now: Instant,
        mut publish: impl FnMut(&Data),
    ) {
        while !input.is_empty() {
            input = &input[self.connection().handle_input(input, now)..];
            while let Some(event) = self.connection().poll_event() {
                self.handle_event(event, &mut publish);
            }
        }
    }

    fn handle_event(&mut self, event: Event, publish: &mut impl FnMut(&Data)) {
        let data = match event {
            Event::Message(Message::Text(text)) => Data::from(text.as_str()),
            Event::Message(Message::Binary(bytes)) => Data::from(Bytes::copy_from_slice(&bytes)),
            _ => return,
        };
        if self.publishes {
            publish(&data);
        } else {
            self.refuses = true;
        }
    }

    /// The client's bytes have ended, or the socket failed.
    pub(super) fn handle_end(&mut self) {
        self.connection().handle_end();
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match &self.open {
            None => self.idle.next_timeout(),
            Some(connection) => connection.next_timeout(),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.connection().handle_timeout(now);
    }

    pub(super) fn phase(&self) -> Phase {
        let connection = self.open.as_deref();
        connection.map_or(Phase::Open, Connection::phase)
    }

    /// Writes what goes before the next publication.
    pub(super) fn control(&mut self, out: &mut Output, now: Instant) -> Goes {
        if let Some(connection) = &mut self.open {
            connection.poll_transmit(out, now);
        }
        if std::mem::take(&mut self.refuses) {
            let reason = "Nobody publishes over this socket";
            self.close(
                CloseFrame::new(CloseCode::POLICY_VIOLATION, reason),
                out,
                now,
            );
        }
        self.goes()
    }

    /// Whether the client wants publications still.
    fn goes(&self) -> Goes {
        match &self.open {
            Some(connection) if !connection.can_send() => Goes::Away,
            _ => Goes::On,
        }
    }

    /// Writes a Close, unless one was said.
    pub(super) fn close(&mut self, close: CloseFrame, out: &mut Output, now: Instant) {
        let connection = self.connection();
        if connection.can_send() {
            let _ = connection.send(Message::Close(Some(close)), out, now);
        }
    }

    /// Gives back what it takes to speak, where nothing is under way.
    pub(super) fn rest(&mut self) {
        if let Some(idle) = self.open.as_ref().and_then(|open| open.idle()) {
            self.idle = idle;
            self.open = None;
        }
    }

    fn connection(&mut self) -> &mut Connection {
        self.open.get_or_insert_with(|| {
            let connection = Connection::from_idle(self.config.clone(), self.deflate, &self.idle);
            Box::new(connection)
        })
    }
}

impl LiveSocket {
    pub(super) fn new(dialog: Dialog, session: Member) -> Self {
        Self {
            dialog,
            session,
            saying: Saying::default(),
            ended: false,
        }
    }

    /// Publishes the rest of what the client said before it left.
    pub(super) async fn finish(mut self) {
        let hub = self.session.hub().clone();
        drop((self.dialog, self.session));
        let finished = poll_fn(|cx| self.saying.poll(&hub, cx)).await;
        if let Err(error) = finished {
            tracing::warn!(%error, "what a client said before it left");
        }
    }

    /// How long its client may take nothing while data waits.
    pub(super) fn stall_limit(&self) -> Duration {
        self.session.stall_limit()
    }

    /// Ends the session because its client took nothing for so long.
    pub(super) fn stalls(&self) {
        self.session.stalls();
    }

    /// What the session has, with control frames in between.
    fn next_of_session(&mut self, now: Instant) -> Poll<Option<Bytes>> {
        let dialog = &mut self.dialog;
        let next = self.session.next_bytes(now, |out| {
            // What is said has to be answered in time: it must not wait behind a large
            // publication that a slow client is still taking.
            match out.len() < WRITE_SIZE {
                true => dialog.control(out, now),
                false => dialog.goes(),
            }
        });
        next.map(|next| next?.ok())
    }
}

impl Talk for LiveSocket {
    fn arm(&mut self, cx: &Context<'_>) {
        self.session.arm(cx.waker());
    }

    fn poll(&mut self, cx: &mut Context<'_>, _: Instant) {
        if let Poll::Ready(Err(error)) = self.saying.poll(self.session.hub(), cx) {
            tracing::debug!(%error, "a client is not published");
            let reason = "What was said could not be published";
            self.session
                .end_with(CloseFrame::new(CloseCode::TRY_AGAIN_LATER, reason));
        }
    }

    fn wants_input(&self) -> bool {
        self.saying.is_idle()
    }

    /// Takes all of it.
    fn handle_input(&mut self, input: &[u8], now: Instant) -> usize {
        let (session, saying) = (&self.session, &mut self.saying);
        let has_broker = session.hub().has_broker();
        self.dialog.handle_input(input, now, |data| {
            match has_broker.then(|| session.channel()).flatten() {
                Some(channel) => saying.say(channel, data.clone()),
                None => session.publish(data),
            }
        });
        input.len()
    }

    fn handle_end(&mut self) {
        self.dialog.handle_end();
    }

    fn handle_failure(&mut self) {
        self.dialog.handle_end();
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.dialog.next_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.dialog.handle_timeout(now);
    }

    fn poll_bytes(&mut self, now: Instant) -> Bytes {
        let mut out = Output::default();
        if !self.ended {
            match self.next_of_session(now) {
                Poll::Ready(Some(bytes)) => return bytes,
                Poll::Ready(None) => self.ended = true,
                Poll::Pending => return Bytes::new(),
            }
            if let Some(close) = self.session.close_frame() {
                self.dialog.close(close, &mut out, now);
            }
        }
        self.dialog.control(&mut out, now);
        out.take(WRITE_SIZE)
    }

    fn phase(&self) -> Phase {
        self.dialog.phase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Hub, HubConfig,
        live::session::{Asked, LiveSession},
        websocket::{Driver, End},
    };
    use encke_proto::{
        Channel, Start, Transport,
        ws::{Config, KeepAlive, MaskKeys},
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        task::JoinHandle,
        time::sleep,
    };

    /// What is said to a client of `news`, who may say something too.
    async fn talk(hub: &Hub, keep_alive: KeepAlive) -> LiveSocket {
        let news = Channel::new("news").unwrap();
        let asked = Asked {
            transport: Transport::WebSocket { deflated: false },
            envelope: false,
            channels: Arc::from([news.clone()]),
            starts: &[Start::Head],
        };
        let session = LiveSession::open(hub.shared().clone(), None, asked);
        let session = session.await.unwrap();
        let config = Config {
            keep_alive,
            ..Config::default()
        };
        let dialog = Dialog::new(Arc::new(config), None, true, now());
        LiveSocket::new(dialog, Member::join(session))
    }

    /// A socket over which only so much is on its way.
    async fn open(
        hub: &Hub,
        keep_alive: KeepAlive,
        room: usize,
    ) -> (DuplexStream, JoinHandle<End>) {
        let (ours, theirs) = duplex(room);
        let mut talk = talk(hub, keep_alive).await;
        let served = tokio::spawn(async move {
            let stall_limit = talk.stall_limit();
            Driver::new(ours, &mut talk, stall_limit, None).run().await
        });
        (theirs, served)
    }

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    #[tokio::test]
    async fn is_driven_without_a_socket_or_a_task() {
        let hub = Hub::new(HubConfig::default());
        let mut talk = talk(&hub, KeepAlive::default()).await;
        assert_eq!(talk.poll_bytes(now()), "");
        let news = hub.channel("news").unwrap();
        news.publish("kiki").await.unwrap();
        // "foo" and a ping, masked with zeros, the ping's end missing.
        let input = b"\x81\x83\0\0\0\0foo\x89\x82\0\0\0\0b";
        assert_eq!(talk.handle_input(input, now()), input.len());
        assert_eq!(talk.poll_bytes(now()), &b"\x81\x04kiki\x81\x03foo"[..]);
        assert_eq!(talk.poll_bytes(now()), "");
        assert_eq!(talk.handle_input(b"a", now()), 1);
        assert_eq!(talk.poll_bytes(now()), &b"\x8a\x02ba"[..]);
        let at = talk.next_timeout().unwrap();
        talk.handle_timeout(at);
        assert_eq!(talk.poll_bytes(at), &b"\x89\x00"[..]);
        hub.shutdown();
        assert_eq!(talk.poll_bytes(at), &b"\x88\x02\x03\xe9"[..]);
        assert_eq!(talk.phase(), Phase::Closing);
        let close = b"\x88\x82\0\0\0\0\x03\xe9";
        assert_eq!(talk.handle_input(close, at), close.len());
        assert_eq!(talk.phase(), Phase::Draining);
        talk.handle_end();
        assert_eq!(talk.phase(), Phase::Ended);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_little_is_slow_and_one_that_takes_nothing_is_stalled() {
        let hub = Hub::new(HubConfig::default());
        let (mut socket, served) = open(&hub, KeepAlive::Off, 1 << 10).await;
        let news = hub.channel("news").unwrap();
        news.publish("x".repeat(64 << 10)).await.unwrap();
        for _ in 0..32 {
            sleep(hub.shared().config.stall_limit / 2).await;
            socket.read_exact(&mut [0; 1 << 10]).await.unwrap();
        }
        assert!(!served.is_finished());
        assert_eq!(served.await.unwrap(), End::Stalled);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_has_time_to_answer_a_ping_behind_a_large_publication() {
        let hub = Hub::new(HubConfig::default());
        let keep_alive = KeepAlive::Ping {
            period: Duration::from_secs(1),
            deadline: Duration::from_secs(2),
        };
        let (mut socket, _) = open(&hub, keep_alive, 4 << 10).await;
        let large = "x".repeat(1 << 20);
        let news = hub.channel("news").unwrap();
        news.publish(large.as_str()).await.unwrap();
        let config = Config {
            max_frame: 2 << 20,
            max_message: 2 << 20,
            ..Config::default()
        };
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
