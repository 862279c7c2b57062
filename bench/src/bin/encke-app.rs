//! encke as a library: channels and an echo in an axum application, `encke-app PORT [--axum]`.
//!
//! It is served by `encke::serve`, or with `--axum` by `axum::serve`, as any application may be.

use std::{env, io, net::Ipv4Addr};

use axum::{Router, routing::any, serve::ListenerExt};
use encke::{Body, Grant, Hub, WebSocket};
use futures_util::StreamExt;
use http::Response;
use tokio::net::TcpSocket;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let port = arguments.first().and_then(|port| port.parse().ok());
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0)).into())?;
    let listener = socket.listen(BACKLOG)?;
    if arguments.iter().any(|argument| argument == "--axum") {
        let listener = listener.tap_io(|connection| {
            let _ = connection.set_nodelay(true);
        });
        return axum::serve(listener, app()).await;
    }
    encke::serve(listener, app()).await
}

fn app() -> Router {
    // Anyone may publish: it listens on this machine only.
    let live = Hub::default().live();
    let live = live.authorize(|_, _, _| async { Ok(Grant::default()) });
    Router::new()
        .route("/echo", any(echo))
        .nest_service("/live", live)
}

async fn echo(ws: WebSocket) -> Response<Body> {
    ws.messages(|incoming| incoming.filter(|message| std::future::ready(message.is_data())))
}
