//! What the two ends say to each other.

use super::{CloseFrame, Text, frame::Opcode};
use bytes::Bytes;

/// A whole message or a control frame. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A text.
    Text(Text),
    /// Bytes.
    Binary(Bytes),
    /// A question whether the peer is there, of at most 125 bytes. It is answered by itself.
    Ping(Bytes),
    /// The answer to a ping, or a sign of life, of at most 125 bytes.
    Pong(Bytes),
    /// The end of what is sent. The peer's arrives as [`Event::Closed`](super::Event::Closed).
    Close(Option<CloseFrame>),
}

impl Message {
    /// A text message.
    pub fn text(text: impl Into<Text>) -> Self {
        Self::Text(text.into())
    }

    /// A binary message.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// Length of the payload in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes.len(),
            Self::Close(frame) => frame.as_ref().map_or(0, |close| 2 + close.reason().len()),
        }
    }

    /// Whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it carries the application's data, and may be fragmented and compressed.
    pub fn is_data(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Binary(_))
    }

    /// The message as opcode and payload.
    pub(super) fn into_parts(self) -> (Opcode, Bytes) {
        match self {
            Self::Text(text) => (Opcode::Text, text.into_bytes()),
            Self::Binary(bytes) => (Opcode::Binary, bytes),
            Self::Ping(bytes) => (Opcode::Ping, bytes),
            Self::Pong(bytes) => (Opcode::Pong, bytes),
            Self::Close(frame) => {
                let mut payload = Vec::new();
                if let Some(frame) = frame {
                    frame.write(&mut payload);
                }
                (Opcode::Close, payload.into())
            }
        }
    }
}

impl From<Text> for Message {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}

impl From<CloseFrame> for Message {
    fn from(frame: CloseFrame) -> Self {
        Self::Close(Some(frame))
    }
}
