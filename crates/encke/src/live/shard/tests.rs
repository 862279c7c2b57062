//! Sessions in a shard, over sockets that the test has filled.

use super::{Shards, lock};
use crate::{
    Hub, Shutdown,
    live::session::{Asked, Goes, LiveSession, Parts},
};
use encke_proto::{Channel, Start, Transport};
use futures_util::FutureExt;
use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    time::Duration,
};

/// Both ends of a connection; ours does not block.
pub(super) struct Pair {
    pub(super) ours: TcpStream,
    theirs: TcpStream,
}

impl Pair {
    pub(super) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (ours, _) = listener.accept().unwrap();
        ours.set_nonblocking(true).unwrap();
        Self { ours, theirs }
    }

    /// A session on `news` that has said where it stands.
    pub(super) fn session(&self, hub: &Hub) -> Parts {
        let asked = Asked {
            transport: Transport::Ndjson,
            envelope: false,
            channels: Arc::from([Channel::new("news").unwrap()]),
            starts: &[Start::Head],
        };
        let session = LiveSession::open(hub.shared().clone(), None, asked);
        let session = session.now_or_never().unwrap().unwrap();
        let opened = session.next_bytes(std::time::Instant::now(), |_| Goes::On);
        assert!(opened.is_ready());
        session.detach().unwrap()
    }

    /// Writes until there is no room; gives how much.
    fn fill(&mut self) -> usize {
        let mut filled = 0;
        loop {
            match self.ours.write(&[b'x'; 1 << 10]) {
                Ok(written) => filled += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return filled,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[tokio::test]
async fn a_full_socket_gets_the_last_chunk_once() {
    let hub = Hub::default();
    let shards = Shards::new(Some(1), Shutdown::new(), Duration::MAX);
    let mut pair = Pair::open();
    let parts = pair.session(&hub);
    hub.shutdown();
    let filled = pair.fill();
    shards.seat().unwrap().join(pair.ours, parts);
    // The shard finds that there is no room for the end.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let mut theirs = pair.theirs;
    let read = tokio::task::spawn_blocking(move || {
        let mut read = Vec::new();
        theirs.read_to_end(&mut read).unwrap();
        read
    });
    assert_eq!(&read.await.unwrap()[filled..], b"0\r\n\r\n");
}

#[tokio::test]
async fn a_shard_that_died_takes_its_sessions_with_it_and_no_other() {
    let hub = Hub::default();
    let shards = Shards::new(Some(1), Shutdown::new(), Duration::MAX);
    let seat = shards.seat().unwrap();
    let mut lost = Pair::open();
    let parts = lost.session(&hub);
    seat.join(lost.ours, parts);
    tokio::task::yield_now().await;
    lock(&shards.running).abort_all();
    tokio::task::yield_now().await;
    assert_eq!(lost.theirs.read(&mut [0]).unwrap(), 0);
    assert_eq!((hub.stats().sessions, hub.stats().gone), (0, 1));

    let next = Pair::open();
    let parts = next.session(&hub);
    shards.seat().unwrap().join(next.ours, parts);
    hub.channel("news").unwrap().publish("kiki").await.unwrap();
    let mut theirs = next.theirs;
    let read = tokio::task::spawn_blocking(move || {
        let mut read = [0; 400];
        let length = theirs.read(&mut read).unwrap();
        String::from_utf8_lossy(&read[..length]).into_owned()
    });
    let read = tokio::time::timeout(Duration::from_secs(10), read).await;
    assert!(read.unwrap().unwrap().contains("kiki"));
}
