//! Frames: heads and whole frames as bytes (RFC 6455, 5.2).

use super::{mask, violation::Violation};
use bytes::Bytes;

/// Longest payload of a control frame.
pub const CONTROL_LIMIT: usize = 125;

/// Longest head: two bytes, eight of length, four of mask.
pub(super) const HEAD_LIMIT: usize = 14;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_AND_3: u8 = 0x30;
const MASKED: u8 = 0x80;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// More of a fragmented message.
    Continuation,
    /// A text message, or its beginning.
    Text,
    /// A binary message, or its beginning.
    Binary,
    /// The end of what is sent.
    Close,
    /// To be answered by a pong.
    Ping,
    /// The answer to a ping.
    Pong,
}

impl Opcode {
    /// Whether frames of this kind stand between the fragments of messages.
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    fn to_bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    fn from_bits(bits: u8) -> Result<Self, Violation> {
        match bits {
            0x0 => Ok(Self::Continuation),
            0x1 => Ok(Self::Text),
            0x2 => Ok(Self::Binary),
            0x8 => Ok(Self::Close),
            0x9 => Ok(Self::Ping),
            0xA => Ok(Self::Pong),
            unknown => Err(Violation::Opcode(unknown)),
        }
    }
}

/// What stands before a frame's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Whether it is the last frame of its message.
    pub fin: bool,
    /// RSV1: whether the message that begins here is compressed.
    pub compressed: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// The key of a client's frame.
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload.
    pub length: u64,
}

impl Head {
    /// The head of a server's whole message or control frame.
    pub fn whole(opcode: Opcode, length: usize) -> Self {
        Self {
            fin: true,
            compressed: false,
            opcode,
            mask: None,
            length: length as u64,
        }
    }

    /// Bytes that the head has.
    pub fn size(&self) -> usize {
        let length = match self.length {
            0..=125 => 0,
            126..=0xFFFF => 2,
            _ => 8,
        };
        2 + length + self.mask.map_or(0, |key| key.len())
    }

    /// Writes the head, its length in the shortest form.
    pub fn write(&self, out: &mut Vec<u8>) {
        let fin = if self.fin { FIN } else { 0 };
        let rsv1 = if self.compressed { RSV1 } else { 0 };
        let masked = if self.mask.is_some() { MASKED } else { 0 };
        let first = fin | rsv1 | self.opcode.to_bits();
        match self.length {
            length @ 0..=125 => out.extend_from_slice(&[first, masked | length as u8]),
            length @ 126..=0xFFFF => {
                let [a, b] = (length as u16).to_be_bytes();
                out.extend_from_slice(&[first, masked | 126, a, b]);
            }
            length => {
                out.extend_from_slice(&[first, masked | 127]);
                out.extend_from_slice(&length.to_be_bytes());
            }
        }
        if let Some(key) = &self.mask {
            out.extend_from_slice(key);
        }
    }

    /// Reads a head and its size; `None` where bytes are missing and those there are fine.
    ///
    /// What is wrong is found in the order of the bytes, so that it does not depend on how they
    /// arrive.
    pub(super) fn read(
        bytes: &[u8],
        expect_masked: bool,
    ) -> Result<Option<(Self, usize)>, Violation> {
        let Some((&first, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        let opcode = Opcode::from_bits(first & 0x0F)?;
        let (fin, compressed) = (first & FIN != 0, first & RSV1 != 0);
        if first & RSV2_AND_3 != 0 || compressed && opcode.is_control() {
            return Err(Violation::ReservedBits);
        }
        if opcode.is_control() && !fin {
            return Err(Violation::FragmentedControl);
        }

        let Some((&second, rest)) = rest.split_first() else {
            return Ok(None);
        };
        match (second & MASKED != 0, expect_masked) {
            (false, true) => return Err(Violation::Unmasked),
            (true, false) => return Err(Violation::Masked),
            _ => {}
        }
        let short = second & !MASKED;
        if opcode.is_control() && usize::from(short) > CONTROL_LIMIT {
            return Err(Violation::LongControl);
        }

        let (length, rest) = match short {
            126 => {
                let Some((length, rest)) = rest.split_first_chunk() else {
                    return Ok(None);
                };
                let length = u16::from_be_bytes(*length);
                if length < 126 {
                    return Err(Violation::LongLength);
                }
                (length.into(), rest)
            }
            127 => {
                if rest.first().is_some_and(|first| first & 0x80 != 0) {
                    return Err(Violation::HugeLength);
                }
                let Some((length, rest)) = rest.split_first_chunk() else {
                    return Ok(None);
                };
                let length = u64::from_be_bytes(*length);
                if length <= 0xFFFF {
                    return Err(Violation::LongLength);
                }
                (length, rest)
            }
            short => (short.into(), rest),
        };

        let (mask, rest) = if expect_masked {
            let Some((key, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            (Some(*key), rest)
        } else {
            (None, rest)
        };
        let head = Self {
            fin,
            compressed,
            opcode,
            mask,
            length,
        };
        Ok(Some((head, bytes.len() - rest.len())))
    }
}

/// A server's frame with a whole message: the same bytes for every client.
pub fn encode(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(HEAD_LIMIT + payload.len());
    Head::whole(opcode, payload.len()).write(&mut out);
    out.extend_from_slice(payload);
    out.into()
}

/// Writes a frame; the payload is masked where the head has a key.
///
/// The head's length is set to that of the payload.
pub fn write(head: Head, payload: &[u8], out: &mut Vec<u8>) {
    let head = Head {
        length: payload.len() as u64,
        ..head
    };
    out.reserve(HEAD_LIMIT + payload.len());
    head.write(out);
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = head.mask {
        mask::apply(&mut out[start..], key, 0);
    }
}
