//! A TCP proxy between a browser and a site, for connections that break.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Passes bytes on until it is told to cut; ends when dropped.
pub struct Proxy {
    origin: String,
    shared: Arc<Mutex<Shared>>,
    listener: JoinHandle<()>,
}

struct Shared {
    site: SocketAddr,
    connections: JoinSet<()>,
}

impl Proxy {
    /// A proxy in front of the site at `origin`.
    pub async fn before(origin: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has one");
        let shared = Arc::new(Mutex::new(Shared {
            site: address_of(origin),
            connections: JoinSet::new(),
        }));
        Self {
            origin: format!("http://{address}"),
            listener: tokio::spawn(accept(listener, Arc::clone(&shared))),
            shared,
        }
    }

    /// The URL of `path`, which begins with a slash, through the proxy.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Closes every connection there is, wherever in a message it stands; new ones are passed on.
    pub fn cut(&self) {
        lock(&self.shared).connections.abort_all();
    }

    /// Cuts, and passes new connections on to the site at `origin`.
    pub fn cut_and_lead_to(&self, origin: &str) {
        lock(&self.shared).site = address_of(origin);
        self.cut();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Mutex<Shared>>) {
    while let Ok((mut browser, _)) = listener.accept().await {
        let mut shared = lock(&shared);
        let site = shared.site;
        shared.connections.spawn(async move {
            if let Ok(mut site) = TcpStream::connect(site).await {
                // However it ends, both sides are closed.
                let _ = copy_bidirectional(&mut browser, &mut site).await;
            }
        });
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().expect("no holder panics")
}

fn address_of(origin: &str) -> SocketAddr {
    let address = origin
        .strip_prefix("http://")
        .and_then(|rest| rest.parse().ok());
    address.unwrap_or_else(|| panic!("{origin} is not http://ADDRESS:PORT"))
}
