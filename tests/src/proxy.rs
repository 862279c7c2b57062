//! A TCP proxy in front of a site or an engine, for connections that break, halt or are slow.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;
use tokio::{io, try_join};

/// What is passed on at a time.
const CHUNK: usize = 16 << 10;

/// Passes bytes on until it is told otherwise; ends when dropped.
pub struct Proxy {
    address: SocketAddr,
    traffic: watch::Sender<Traffic>,
    connections: Arc<Mutex<JoinSet<()>>>,
    listener: JoinHandle<()>,
}

/// What happens to connections and to what is said on them.
#[derive(Clone, Copy)]
struct Traffic {
    target: SocketAddr,
    refused: bool,
    stalled: bool,
    delay: Duration,
}

impl Proxy {
    /// A proxy in front of whatever listens at `target`.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has one");
        let (traffic, _) = watch::channel(Traffic {
            target,
            refused: false,
            stalled: false,
            delay: Duration::ZERO,
        });
        let connections = Arc::default();
        let accepting = accept(listener, traffic.clone(), Arc::clone(&connections));
        Self {
            address,
            traffic,
            connections,
            listener: tokio::spawn(accepting),
        }
    }

    /// A proxy in front of the site at `origin`.
    pub async fn before(origin: &str) -> Self {
        Self::to(address_of(origin)).await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of `path`, which begins with a slash, through the proxy.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Closes every connection there is, wherever in a message it stands; new ones are passed on.
    pub fn cut(&self) {
        lock(&self.connections).abort_all();
    }

    /// Cuts, and passes new connections on to the site at `origin`.
    pub fn cut_and_lead_to(&self, origin: &str) {
        let target = address_of(origin);
        self.traffic.send_modify(|traffic| traffic.target = target);
        self.cut();
    }

    /// Cuts, and closes new connections as soon as they are made.
    pub fn refuse(&self) {
        self.traffic.send_modify(|traffic| traffic.refused = true);
        self.cut();
    }

    /// Passes new connections on after [`refuse`](Self::refuse).
    pub fn accept_again(&self) {
        self.traffic.send_modify(|traffic| traffic.refused = false);
    }

    /// Keeps connections open, and new ones too, but passes nothing on in either direction.
    pub fn stall(&self) {
        self.traffic.send_modify(|traffic| traffic.stalled = true);
    }

    /// Passes on what was said since [`stall`](Self::stall), and all that follows.
    pub fn flow(&self) {
        self.traffic.send_modify(|traffic| traffic.stalled = false);
    }

    /// Holds each piece of at most 16 KiB back for so long, one after the other, in both directions.
    pub fn delay(&self, delay: Duration) {
        self.traffic.send_modify(|traffic| traffic.delay = delay);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
        self.cut();
    }
}

async fn accept(
    listener: TcpListener,
    traffic: watch::Sender<Traffic>,
    connections: Arc<Mutex<JoinSet<()>>>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let mut connections = lock(&connections);
        while connections.try_join_next().is_some() {}
        // Under the lock, so that who refuses cuts this one, or it sees that it is refused.
        if !traffic.borrow().refused {
            connections.spawn(pass_on(client, traffic.subscribe()));
        }
    }
}

/// However it ends, both sides are closed.
async fn pass_on(client: TcpStream, mut traffic: watch::Receiver<Traffic>) {
    let Some(Traffic { target, .. }) = flowing(&mut traffic).await else {
        return;
    };
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    for side in [&client, &server] {
        // What is sent in two pieces does not wait between them for an acknowledgement.
        let _ = side.set_nodelay(true);
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let _ = try_join!(
        pump(from_client, to_server, traffic.clone()),
        pump(from_server, to_client, traffic),
    );
}

/// One direction of a connection, to its end.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut traffic: watch::Receiver<Traffic>,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = from.read(&mut chunk).await?;
        let delay = traffic.borrow().delay;
        if !delay.is_zero() {
            sleep(delay).await;
        }
        if flowing(&mut traffic).await.is_none() {
            return Ok(());
        }
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&chunk[..length]).await?;
    }
}

/// Waits while it is stalled; nothing where the proxy is gone.
async fn flowing(traffic: &mut watch::Receiver<Traffic>) -> Option<Traffic> {
    let traffic = traffic.wait_for(|traffic| !traffic.stalled).await;
    traffic.ok().map(|traffic| *traffic)
}

fn lock(connections: &Mutex<JoinSet<()>>) -> MutexGuard<'_, JoinSet<()>> {
    connections.lock().expect("no holder panics")
}

fn address_of(origin: &str) -> SocketAddr {
    let address = origin
        .strip_prefix("http://")
        .and_then(|rest| rest.parse().ok());
    address.unwrap_or_else(|| panic!("{origin} is not http://ADDRESS:PORT"))
}
