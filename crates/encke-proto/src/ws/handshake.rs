//! The opening handshake, both sides of it, as functions over headers (RFC 6455, 4; RFC 8441).

mod header;
pub(super) use header::{Extension, extensions};
use header::{only, tokens};

mod server;
pub use server::{Accepted, HandshakeError, Offer, UnofferedSubprotocol, is_reserved};

mod client;
pub use client::{AnswerError, ClientHandshake, Established, InvalidSubprotocol};

use base64::{Engine, engine::general_purpose::STANDARD};
use sha1::{Digest, Sha1};

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What `Sec-WebSocket-Accept` says to this `Sec-WebSocket-Key`.
fn accept_key(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(GUID);
    STANDARD.encode(hash.finalize())
}

#[cfg(test)]
mod tests;
