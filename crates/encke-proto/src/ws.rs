//! WebSocket (RFC 6455) with permessage-deflate (RFC 7692): both roles, values in, bytes out.
//!
//! [`handshake`] opens, [`Connection`] does what follows. [`frame`] is below it, for those who
//! write frames themselves; [`Shared`] is a message encoded once for any number of connections.

mod text;
pub use text::{InvalidUtf8, Text};

mod close;
pub use close::{CloseCode, CloseFrame, InvalidCloseCode};

mod message;
pub use message::Message;

mod config;
pub use config::{Config, KeepAlive};

pub mod deflate;
pub mod handshake;

mod connection;
pub use connection::{Closed, Connection, Event, Idle, MaskKeys, Phase, SendError};

mod shared;
pub use shared::{NotData, Shared};

pub mod frame;

mod body;
mod mask;
mod reader;
mod violation;
