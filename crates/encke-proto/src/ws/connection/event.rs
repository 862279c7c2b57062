//! What an application learns of a connection.

use crate::ws::{CloseCode, CloseFrame, Message};

/// What an application learns of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A whole message, a ping (which is answered already) or a pong; never a Close.
    Message(Message),
    /// The end, told once and last.
    Closed(Closed),
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// The code of the peer's Close, 1005 where it had none; our own where the peer broke a rule;
    /// 1006 where the connection was lost.
    pub code: CloseCode,
    /// Why, in words; often empty.
    pub reason: String,
    /// Whether the peer said Close.
    pub clean: bool,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Messages go both ways.
    Open,
    /// Our Close is out; messages may still come, and then the peer's Close.
    Closing,
    /// Nothing more is sent. Write what is left, shut down the writing half, then read and throw
    /// away until the peer ends or time is up: closing at once would lose what it has not read.
    Draining,
    /// Drop the socket.
    Ended,
}

impl Closed {
    pub(super) fn by_peer(frame: Option<&CloseFrame>) -> Self {
        Self {
            code: frame.map_or(CloseCode::NO_STATUS, CloseFrame::code),
            reason: frame.map_or_else(String::new, |frame| frame.reason().to_owned()),
            clean: true,
        }
    }

    pub(super) fn by_us(frame: &CloseFrame) -> Self {
        Self {
            clean: false,
            ..Self::by_peer(Some(frame))
        }
    }

    pub(super) fn lost(reason: &str) -> Self {
        Self {
            code: CloseCode::ABNORMAL,
            reason: reason.to_owned(),
            clean: false,
        }
    }
}
