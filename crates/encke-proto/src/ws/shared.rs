//! A message encoded once for any number of connections.

use super::{
    Message,
    deflate::{self, Level, WindowBits},
    frame::{Head, Opcode, write},
};
use bytes::Bytes;

/// Text or binary as the frames that a server sends, plain and perhaps deflated. Cheap to clone.
///
/// A server's frames are the same bytes for every client: sending one costs a reference, or a copy
/// where it is small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    opcode: Opcode,
    plain: Bytes,
    payload_at: usize,
    deflated: Option<(WindowBits, Bytes)>,
}

impl Shared {
    /// A text message.
    pub fn text(text: &str) -> Self {
        Self::new(Opcode::Text, text.as_bytes())
    }

    /// A binary message.
    pub fn binary(bytes: &[u8]) -> Self {
        Self::new(Opcode::Binary, bytes)
    }

    fn new(opcode: Opcode, payload: &[u8]) -> Self {
        let mut plain = Vec::new();
        write(Head::whole(opcode, payload.len()), payload, &mut plain);
        Self {
            opcode,
            payload_at: plain.len() - payload.len(),
            plain: plain.into(),
            deflated: None,
        }
    }

    /// Adds the deflated frame, where it is smaller, for the connections whose window is at least
    /// this large; the others get the plain one.
    #[must_use]
    pub fn deflated(mut self, level: Level, window: WindowBits) -> Self {
        let payload = deflate::deflate(self.payload(), level, window);
        let head = Head {
            compressed: true,
            ..Head::whole(self.opcode, payload.len())
        };
        let mut frame = Vec::new();
        write(head, &payload, &mut frame);
        self.deflated = (frame.len() < self.plain.len()).then(|| (window, frame.into()));
        self
    }

    /// Bytes that it takes in memory.
    pub fn size(&self) -> usize {
        self.plain.len() + self.deflated.as_ref().map_or(0, |(_, frame)| frame.len())
    }

    /// The plain frame.
    pub fn frame(&self) -> &Bytes {
        &self.plain
    }

    /// The smaller frame.
    pub(crate) fn smallest(&self) -> &Bytes {
        self.deflated
            .as_ref()
            .map_or(&self.plain, |(_, frame)| frame)
    }

    /// The deflated frame, for a connection with this window.
    pub(super) fn deflated_within(&self, window: WindowBits) -> Option<&Bytes> {
        let (needed, frame) = self.deflated.as_ref()?;
        (*needed <= window).then_some(frame)
    }

    pub(super) fn opcode(&self) -> Opcode {
        self.opcode
    }

    pub(super) fn payload(&self) -> &[u8] {
        &self.plain[self.payload_at..]
    }
}

/// Texts and bytes; a control frame belongs to one connection.
impl TryFrom<&Message> for Shared {
    type Error = NotData;

    fn try_from(message: &Message) -> Result<Self, NotData> {
        match message {
            Message::Text(text) => Ok(Self::text(text)),
            Message::Binary(bytes) => Ok(Self::binary(bytes)),
            _ => Err(NotData),
        }
    }
}

/// A control frame cannot be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a control frame cannot be shared")]
pub struct NotData;
