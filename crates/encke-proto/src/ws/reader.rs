//! Bytes of a peer to whole messages and control frames.
//!
//! Invariant: what is wrong is found at the same byte however the input was cut, and nothing is
//! kept beyond an unfinished head and an unfinished message.

use super::{
    Message,
    body::Body,
    deflate::{Inflater, Window, WindowBits},
    frame::{HEAD_LIMIT, Head, Opcode},
    mask,
    violation::Violation,
};
use bytes::Bytes;

/// How much of a payload is unmasked at once: it stays in the nearest cache until it is checked.
const BLOCK: usize = 1 << 10;

/// A text up to this long is unmasked in a block of its own, which costs less to lay out.
const SHORT: usize = 128;

/// What the reader holds a peer to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) masked: bool,
    pub(super) max_frame: usize,
    pub(super) max_message: usize,
    /// `None` where compression was not agreed on.
    pub(super) inflate: Option<WindowBits>,
}

impl Rules {
    /// What frame and message may have on the wire.
    ///
    /// Bytes that cannot be compressed become more by being compressed: a message at its limit is
    /// not refused for that.
    fn wire_limit(&self, limit: usize, compressed: bool) -> u64 {
        let slack = if compressed { limit / 16 + 64 } else { 0 };
        limit.saturating_add(slack) as u64
    }
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Message(Message),
    /// Its payload; it is looked at by who may answer.
    Close(Bytes),
}

/// The state between two reads: boxed, as most end with a message.
#[derive(Debug)]
pub(super) struct Reader {
    unfinished: Option<Box<Unfinished>>,
    /// With context takeover only.
    window: Option<Box<Window>>,
}

/// What is being read.
#[derive(Debug, Default)]
struct Unfinished {
    head: [u8; HEAD_LIMIT],
    head_length: u8,
    payload: Option<Payload>,
    message: Option<Partial>,
}

/// The frame that is being read.
#[derive(Debug)]
struct Payload {
    head: Head,
    read: u64,
    /// Of a control frame.
    control: Vec<u8>,
}

/// The message whose end has not arrived.
#[derive(Debug)]
struct Partial {
    body: Body,
    on_wire: u64,
    inflater: Option<Box<Inflater>>,
}

impl Reader {
    pub(super) fn new(window: Option<Window>) -> Self {
        Self {
            unfinished: None,
            window: window.map(Box::new),
        }
    }

    /// Whether it is as it began: within no frame or message, and without context.
    pub(super) fn is_idle(&self) -> bool {
        self.unfinished.is_none() && self.window.is_none()
    }

    /// Reads up to the end of one message or control frame; gives how much it read of the input.
    pub(super) fn read(
        &mut self,
        input: &[u8],
        rules: &Rules,
    ) -> Result<(usize, Option<Frame>), Violation> {
        if self.unfinished.is_none()
            && let Some((read, message)) = read_whole(input, rules)?
        {
            return Ok((read, Some(Frame::Message(message))));
        }
        let begun = self.unfinished.take();
        let mut unfinished = begun.map_or_else(Unfinished::default, |begun| *begun);
        let read = unfinished.read(input, rules, &mut self.window)?;
        if !unfinished.is_empty() {
            self.unfinished = Some(Box::new(unfinished));
        }
        Ok(read)
    }
}

/// Reads a plain message that is one frame and all there, as most are.
fn read_whole(input: &[u8], rules: &Rules) -> Result<Option<(usize, Message)>, Violation> {
    let Some((head, size)) = Head::read(input, rules.masked)? else {
        return Ok(None);
    };
    let is_data = matches!(head.opcode, Opcode::Text | Opcode::Binary);
    if !is_data || !head.fin || head.compressed {
        return Ok(None);
    }
    if head.length > rules.wire_limit(rules.max_frame.min(rules.max_message), false) {
        return Err(Violation::TooBig);
    }
    let end = usize::try_from(head.length).map_or(usize::MAX, |length| size.saturating_add(length));
    let Some(payload) = input.get(size..end) else {
        return Ok(None);
    };
    let message = match head.opcode {
        Opcode::Text if payload.len() <= SHORT => {
            let mut block = [0; SHORT];
            let block = &mut block[..payload.len()];
            block.copy_from_slice(payload);
            if let Some(key) = head.mask {
                mask::apply(block, key, 0);
            }
            let text = str::from_utf8(block).map_err(|_| Violation::Utf8)?;
            text.into()
        }
        Opcode::Text => {
            let mut body = Body::text();
            body.reserve(payload.len());
            unmask(payload, head.mask, 0, |plain| body.push(plain))?;
            body.finish()?
        }
        _ => {
            let mut bytes = payload.to_vec();
            if let Some(key) = head.mask {
                mask::apply(&mut bytes, key, 0);
            }
            bytes.into()
        }
    };
    Ok(Some((end, message)))
}

/// Gives what was masked to `take`, piece by piece; its first byte is number `offset` of its frame.
fn unmask(
    masked: &[u8],
    key: Option<[u8; 4]>,
    offset: usize,
    mut take: impl FnMut(&[u8]) -> Result<(), Violation>,
) -> Result<(), Violation> {
    let Some(key) = key else {
        return take(masked);
    };
    let mut block = [0; BLOCK];
    // A block's size is a multiple of four: every one begins like the first.
    for masked in masked.chunks(BLOCK) {
        let block = &mut block[..masked.len()];
        block.copy_from_slice(masked);
        mask::apply(block, key, offset);
        take(block)?;
    }
    Ok(())
}

impl Unfinished {
    fn is_empty(&self) -> bool {
        self.head_length == 0 && self.payload.is_none() && self.message.is_none()
    }

    fn read(
        &mut self,
        input: &[u8],
        rules: &Rules,
        window: &mut Option<Box<Window>>,
    ) -> Result<(usize, Option<Frame>), Violation> {
        let mut read = 0;
        loop {
            let mut payload = match self.payload.take() {
                Some(payload) => payload,
                None => {
                    let Some(head) = self.read_head(input, &mut read, rules)? else {
                        return Ok((read, None));
                    };
                    self.begin_frame(&head, rules, window.as_deref())?;
                    Payload {
                        head,
                        read: 0,
                        control: Vec::new(),
                    }
                }
            };
            let left = payload.head.length - payload.read;
            let rest = &input[read..];
            let here = usize::try_from(left).map_or(rest, |left| &rest[..left.min(rest.len())]);
            self.read_payload(&mut payload, here, rules)?;
            read += here.len();
            payload.read += here.len() as u64;
            if payload.read < payload.head.length {
                self.payload = Some(payload);
                return Ok((read, None));
            }
            if let Some(frame) = self.end_frame(payload, rules, window)? {
                return Ok((read, Some(frame)));
            }
        }
    }

    fn read_head(
        &mut self,
        input: &[u8],
        read: &mut usize,
        rules: &Rules,
    ) -> Result<Option<Head>, Violation> {
        let kept = usize::from(self.head_length);
        let rest = &input[*read..];
        let new = rest.len().min(HEAD_LIMIT - kept);
        self.head[kept..kept + new].copy_from_slice(&rest[..new]);
        match Head::read(&self.head[..kept + new], rules.masked)? {
            Some((head, size)) => {
                self.head_length = 0;
                *read += size - kept;
                Ok(Some(head))
            }
            None => {
                self.head_length = (kept + new) as u8;
                *read += new;
                Ok(None)
            }
        }
    }

    /// Whether the frame may stand here and be so long.
    fn begin_frame(
        &mut self,
        head: &Head,
        rules: &Rules,
        window: Option<&Window>,
    ) -> Result<(), Violation> {
        if head.opcode.is_control() {
            return Ok(());
        }
        match (&self.message, head.opcode) {
            (None, Opcode::Continuation) => return Err(Violation::UnexpectedContinuation),
            (Some(_), Opcode::Text | Opcode::Binary) => {
                return Err(Violation::ExpectedContinuation);
            }
            (Some(_), _) if head.compressed => return Err(Violation::ReservedBits),
            (None, _) if head.compressed && rules.inflate.is_none() => {
                return Err(Violation::ReservedBits);
            }
            _ => {}
        }
        let message = self.message.get_or_insert_with(|| {
            let bits = rules.inflate.filter(|_| head.compressed);
            Partial {
                body: if head.opcode == Opcode::Text {
                    Body::text()
                } else {
                    Body::binary()
                },
                on_wire: 0,
                inflater: bits.map(|bits| Box::new(Inflater::new(bits, window))),
            }
        });
        let compressed = message.inflater.is_some();
        message.on_wire = message.on_wire.saturating_add(head.length);
        if head.length > rules.wire_limit(rules.max_frame, compressed)
            || message.on_wire > rules.wire_limit(rules.max_message, compressed)
        {
            return Err(Violation::TooBig);
        }
        Ok(())
    }

    fn read_payload(
        &mut self,
        payload: &mut Payload,
        input: &[u8],
        rules: &Rules,
    ) -> Result<(), Violation> {
        let key = payload.head.mask;
        let offset = (payload.read % 4) as usize;
        if payload.head.opcode.is_control() {
            let start = payload.control.len();
            payload.control.extend_from_slice(input);
            if let Some(key) = key {
                mask::apply(&mut payload.control[start..], key, offset);
            }
            return Ok(());
        }
        let message = self.message.as_mut().expect("begun with its first frame");
        if message.inflater.is_none() {
            // All of it where most is there: growing by steps would copy what is large.
            let left = payload.head.length - payload.read;
            let here = input.len() as u64;
            let room = if left <= 2 * here { left } else { here };
            message.body.reserve(room as usize);
        }
        let body = &mut message.body;
        unmask(input, key, offset, |plain| match &mut message.inflater {
            None => body.push(plain),
            Some(inflater) => inflater.inflate(plain, body, rules.max_message),
        })
    }

    fn end_frame(
        &mut self,
        payload: Payload,
        rules: &Rules,
        window: &mut Option<Box<Window>>,
    ) -> Result<Option<Frame>, Violation> {
        let message = match payload.head.opcode {
            Opcode::Close => return Ok(Some(Frame::Close(payload.control.into()))),
            Opcode::Ping => Message::Ping(payload.control.into()),
            Opcode::Pong => Message::Pong(payload.control.into()),
            _ if !payload.head.fin => return Ok(None),
            _ => self.end_message(rules, window)?,
        };
        Ok(Some(Frame::Message(message)))
    }

    fn end_message(
        &mut self,
        rules: &Rules,
        window: &mut Option<Box<Window>>,
    ) -> Result<Message, Violation> {
        let mut message = self.message.take().expect("begun with its first frame");
        if let Some(inflater) = message.inflater.take() {
            inflater.finish(&mut message.body, rules.max_message)?;
            if let Some(window) = window {
                window.slide(message.body.as_bytes());
            }
        }
        message.body.finish()
    }
}
