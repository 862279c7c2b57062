//! What the Rust peers share: channels that are `tokio::sync::broadcast`, and publishing by POST.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Path, State},
    routing::post,
    serve::ListenerExt,
};
use tokio::{
    net::TcpSocket,
    sync::broadcast::{self, Receiver, Sender},
};

/// Messages that a subscriber may be behind.
const CAPACITY: usize = 1024;

const BACKLOG: u32 = 4096;

/// Channels by name, each made when it is first asked for.
pub struct Channels<T>(Arc<Mutex<HashMap<String, Sender<T>>>>);

impl<T: Clone> Channels<T> {
    pub fn subscribe(&self, name: String) -> Receiver<T> {
        self.sender(name).subscribe()
    }

    fn sender(&self, name: String) -> Sender<T> {
        let mut channels = self.0.lock().expect("nobody panics with it");
        let channel = channels.entry(name);
        channel
            .or_insert_with(|| broadcast::channel(CAPACITY).0)
            .clone()
    }
}

impl<T> Clone for Channels<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Channels<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// `POST /publish/CHANNEL` for these channels.
pub fn publishing<T>() -> Router<Channels<T>>
where
    T: Clone + From<String> + Send + Sync + 'static,
{
    async fn publish<T: Clone + From<String>>(
        State(channels): State<Channels<T>>,
        Path(name): Path<String>,
        message: String,
    ) {
        // It fails when nobody listens, which is nothing wrong.
        let _ = channels.sender(name).send(message.into());
    }
    Router::new().route("/publish/{channel}", post(publish::<T>))
}

/// Serves on the port that the first argument names.
pub async fn serve(app: Router) -> io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or(0)));
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?.tap_io(|connection| {
        let _ = connection.set_nodelay(true);
    });
    axum::serve(listener, app).await
}
