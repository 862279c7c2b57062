//! Messages to frames of one connection.

use crate::Output;
use crate::ws::{
    CloseCode, Config, Message, Shared,
    deflate::{Deflater, Direction, Level, WindowBits, deflate},
    frame::{CONTROL_LIMIT, Head, Opcode, write},
};
use bytes::Bytes;
use std::fmt;

/// Gives a client's mask keys, which must be random: a page that can foresee them can make a proxy
/// take its data for requests (RFC 6455, 10.3).
pub struct MaskKeys(Box<dyn FnMut() -> [u8; 4] + Send + Sync>);

impl MaskKeys {
    /// Keys from `next`, which is called once for each frame.
    pub fn new(next: impl FnMut() -> [u8; 4] + Send + Sync + 'static) -> Self {
        Self(Box::new(next))
    }
}

impl fmt::Debug for MaskKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskKeys")
    }
}

/// Why a message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// A Close was sent or received.
    #[error("the connection is closing")]
    Closed,
    /// A ping or pong is too long.
    #[error("payload of {0} bytes exceeds the 125 of a control frame")]
    ControlTooLong(usize),
    /// The code is only shown to applications.
    #[error("close code {0} may not be sent")]
    CloseCode(CloseCode),
}

/// The sending half.
#[derive(Debug)]
pub(super) struct Sender {
    /// A client's.
    mask_keys: Option<MaskKeys>,
    deflate: Option<Deflate>,
}

#[derive(Debug)]
struct Deflate {
    level: Level,
    threshold: usize,
    window: WindowBits,
    takeover: bool,
    /// With context takeover, and once a message was compressed.
    context: Option<Box<Deflater>>,
}

impl Sender {
    pub(super) fn new(
        mask_keys: Option<MaskKeys>,
        direction: Option<Direction>,
        config: &Config,
    ) -> Self {
        let deflate = direction.and_then(|direction| {
            let config = config.deflate.clone().unwrap_or_default();
            Some(Deflate {
                level: config.level,
                threshold: config.threshold,
                window: direction.deflate_window()?,
                takeover: direction.takeover,
                context: None,
            })
        });
        Self { mask_keys, deflate }
    }

    /// A server does not mask what it sends.
    pub(super) fn is_server(&self) -> bool {
        self.mask_keys.is_none()
    }

    /// Whether it is as it began, and a server's.
    pub(super) fn is_idle(&self) -> bool {
        let context = self
            .deflate
            .as_ref()
            .and_then(|deflate| deflate.context.as_ref());
        self.mask_keys.is_none() && context.is_none()
    }

    pub(super) fn deflates(&self) -> bool {
        self.deflate.is_some()
    }

    pub(super) fn threshold(&self) -> usize {
        self.deflate.as_ref().map_or(0, |deflate| deflate.threshold)
    }

    /// Writes text or binary.
    pub(super) fn data(&mut self, message: Message, compress: bool, out: &mut Output) {
        let (opcode, payload) = message.into_parts();
        let deflated = self
            .deflate
            .as_mut()
            .filter(|_| compress)
            .and_then(|deflate| deflate.deflate(&payload));
        let (compressed, payload) = match deflated {
            Some(deflated) => (true, deflated.into()),
            None => (false, payload),
        };
        self.frame(opcode, compressed, payload, out);
    }

    /// Writes a message that others get too.
    pub(super) fn shared(&mut self, message: &Shared, out: &mut Output) {
        if self.mask_keys.is_some() {
            return self.write(message.opcode(), message.payload(), out);
        }
        if let Some(deflate) = &mut self.deflate
            && let Some(frame) = message.deflated_within(deflate.window)
        {
            // The peer's window moves by a message that our context knows nothing of.
            if let Some(context) = &mut deflate.context {
                context.reset();
            }
            return out.share(frame.clone());
        }
        out.share(message.frame().clone());
    }

    pub(super) fn control(
        &mut self,
        opcode: Opcode,
        payload: Bytes,
        out: &mut Output,
    ) -> Result<(), SendError> {
        if payload.len() > CONTROL_LIMIT {
            return Err(SendError::ControlTooLong(payload.len()));
        }
        self.write(opcode, &payload, out);
        Ok(())
    }

    /// Writes a plain frame.
    pub(super) fn write(&mut self, opcode: Opcode, payload: &[u8], out: &mut Output) {
        let mut head = Head::whole(opcode, payload.len());
        head.mask = self.mask_keys.as_mut().map(|keys| (keys.0)());
        write(head, payload, out.buffer());
    }

    fn frame(&mut self, opcode: Opcode, compressed: bool, payload: Bytes, out: &mut Output) {
        let mut head = Head::whole(opcode, payload.len());
        head.compressed = compressed;
        if let Some(keys) = &mut self.mask_keys {
            head.mask = Some((keys.0)());
            write(head, &payload, out.buffer());
        } else {
            head.write(out.buffer());
            out.share(payload);
        }
    }
}

impl Deflate {
    /// `None` where nothing is won.
    fn deflate(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        if self.takeover {
            // What does not become smaller may still make later messages so.
            let (level, window) = (self.level, self.window);
            let context = self
                .context
                .get_or_insert_with(|| Box::new(Deflater::new(level, window)));
            return Some(context.deflate(payload));
        }
        let deflated = deflate(payload, self.level, self.window);
        (deflated.len() < payload.len()).then_some(deflated)
    }
}
