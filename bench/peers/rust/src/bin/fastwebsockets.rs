//! fastwebsockets under axum.

use std::io;

use axum::{
    Router,
    extract::{Path, State},
    response::IntoResponse,
    routing::any,
};
use encke_bench_peers::{Channels, publishing, serve};
use fastwebsockets::{
    FragmentCollector, Frame, OpCode, Payload,
    upgrade::{IncomingUpgrade, UpgradeFut},
};
use tokio::sync::broadcast::Receiver;

type Text = std::sync::Arc<str>;

#[tokio::main]
async fn main() -> io::Result<()> {
    let app = Router::new()
        .route("/ws/{channel}", any(ws))
        .route("/echo", any(echo))
        .merge(publishing())
        .with_state(Channels::default());
    serve(app).await
}

async fn ws(
    State(channels): State<Channels<Text>>,
    Path(channel): Path<String>,
    upgrade: IncomingUpgrade,
) -> Result<impl IntoResponse, String> {
    let messages = channels.subscribe(channel);
    let (response, socket) = upgrade.upgrade().map_err(|error| error.to_string())?;
    tokio::spawn(push(socket, messages));
    Ok(response)
}

async fn push(socket: UpgradeFut, mut messages: Receiver<Text>) {
    let Ok(socket) = socket.await else { return };
    let mut socket = FragmentCollector::new(socket);
    loop {
        tokio::select! {
            message = messages.recv() => {
                let Ok(message) = message else { return };
                let frame = Frame::text(Payload::Borrowed(message.as_bytes()));
                if socket.write_frame(frame).await.is_err() {
                    return;
                }
            }
            said = socket.read_frame() => {
                let ended = said.map_or(true, |frame| frame.opcode == OpCode::Close);
                if ended {
                    return;
                }
            }
        }
    }
}

async fn echo(upgrade: IncomingUpgrade) -> Result<impl IntoResponse, String> {
    let (response, socket) = upgrade.upgrade().map_err(|error| error.to_string())?;
    tokio::spawn(async move {
        let Ok(socket) = socket.await else { return };
        let mut socket = FragmentCollector::new(socket);
        while let Ok(frame) = socket.read_frame().await {
            let echoed = match frame.opcode {
                OpCode::Text | OpCode::Binary => socket.write_frame(frame).await,
                OpCode::Close => return,
                _ => Ok(()),
            };
            if echoed.is_err() {
                return;
            }
        }
    });
    Ok(response)
}
