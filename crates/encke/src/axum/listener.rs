//! `axum::serve` over connections that sessions can leave.

use crate::{GuardedIo, Listener, Peer};
use ::axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, TapIo},
};
use std::{io::Result, net::SocketAddr};

/// Sessions leave HTTP where requests know their [`Peer`]; without it they stay, and all works.
///
/// ```no_run
/// use axum::Router;
/// use encke::{Hub, Peer};
///
/// # #[tokio::main] async fn main() -> std::io::Result<()> {
/// # let signal = std::future::pending::<()>();
/// let hub = Hub::default();
/// let app = Router::new().nest_service("/live", hub.live());
/// let listener = encke::listen("127.0.0.1:3000").await?;
/// let server = axum::serve(listener, app.into_make_service_with_connect_info::<Peer>());
/// // axum waits until every response has ended: sessions do when the hub is shut down.
/// let ending = hub.clone();
/// let signal = async move {
///     signal.await;
///     ending.shutdown();
/// };
/// server.with_graceful_shutdown(signal).await?;
/// // It does not wait for those that have left HTTP.
/// hub.drained().await;
/// # Ok(()) }
/// ```
impl ::axum::serve::Listener for Listener {
    type Io = GuardedIo;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (GuardedIo, SocketAddr) {
        self.next_of_another_server().await
    }

    fn local_addr(&self) -> Result<SocketAddr> {
        Self::local_addr(self)
    }
}

impl Connected<IncomingStream<'_, Listener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        stream.io().peer()
    }
}

/// Behind [`tap_io`](::axum::serve::ListenerExt::tap_io) too.
impl<F> Connected<IncomingStream<'_, TapIo<Listener, F>>> for Peer
where
    F: FnMut(&mut GuardedIo) + Send + 'static,
{
    fn connect_info(stream: IncomingStream<'_, TapIo<Listener, F>>) -> Self {
        stream.io().peer()
    }
}
