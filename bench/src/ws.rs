//! As much of RFC 6455 as a load program and a bare loop need.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha1::{Digest, Sha1};

pub(crate) const TEXT: u8 = 0x81;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;

/// What every client of ours sends: nobody has to guess it.
pub(crate) const KEY: &str = "ZW5ja2UtYmVuY2ggbG9hZA==";

const MASKED: u8 = 0x80;

/// The first byte and the payload of a frame, and where the next one begins.
pub(crate) struct Frame<'a> {
    pub(crate) first: u8,
    pub(crate) mask: Option<[u8; 4]>,
    pub(crate) payload: &'a [u8],
    pub(crate) length: usize,
}

/// The frame at the beginning of `bytes`, if all of it is there.
pub(crate) fn frame(bytes: &[u8]) -> Option<Frame<'_>> {
    let [first, second, ..] = *bytes else {
        return None;
    };
    let (payload, mut head) = match second & !MASKED {
        126 => (u64::from(u16::from_be_bytes(array(bytes, 2)?)), 4),
        127 => (u64::from_be_bytes(array(bytes, 2)?), 10),
        short => (u64::from(short), 2),
    };
    let mask = if second & MASKED == 0 {
        None
    } else {
        head += 4;
        Some(array(bytes, head - 4)?)
    };
    let length = head.checked_add(usize::try_from(payload).ok()?)?;
    Some(Frame {
        first,
        mask,
        payload: bytes.get(head..length)?,
        length,
    })
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Appends the head of a frame of a server.
pub(crate) fn head(first: u8, payload: usize, into: &mut Vec<u8>) {
    into.push(first);
    if payload < 126 {
        into.push(payload as u8);
    } else if let Ok(payload) = u16::try_from(payload) {
        into.push(126);
        into.extend_from_slice(&payload.to_be_bytes());
    } else {
        into.push(127);
        into.extend_from_slice(&(payload as u64).to_be_bytes());
    }
}

/// Appends a frame of a client.
pub(crate) fn masked(first: u8, payload: &[u8], into: &mut Vec<u8>) {
    const MASK: [u8; 4] = [0x5a, 0x13, 0xc7, 0x2e];
    let start = into.len();
    head(first, payload.len(), into);
    into[start + 1] |= MASKED;
    into.extend_from_slice(&MASK);
    let body = into.len();
    into.extend_from_slice(payload);
    apply_mask(&mut into[body..], MASK);
}

/// Masks or unmasks, eight bytes at a time.
pub(crate) fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// What a server answers to a `Sec-WebSocket-Key`.
pub(crate) fn accept(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_key_is_the_one_of_the_rfc() {
        let answer = accept("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_frame_of_any_size_is_read_back_once_it_is_whole() {
        for size in [0, 7, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..size).map(|at| at as u8).collect();
            let mut bytes = Vec::new();
            masked(TEXT, &payload, &mut bytes);
            assert!(frame(&bytes[..bytes.len() - 1]).is_none());
            bytes.push(0);
            let read = frame(&bytes).expect("whole");
            assert_eq!((read.first, read.length), (TEXT, bytes.len() - 1));
            let mut unmasked = read.payload.to_vec();
            apply_mask(&mut unmasked, read.mask.expect("masked"));
            assert_eq!(unmasked, payload);
        }
    }
}
