//! Payloads to compressed ones.

use super::{Level, TAIL, WindowBits};
use flate2::{Compress, Compression, FlushCompress};

/// Room that deflate needs so as not to write the end of a flush twice.
const FLUSH_ROOM: usize = 64;

/// Compresses messages that refer to those before them.
#[derive(Debug)]
pub(in crate::ws) struct Deflater(Compress);

impl Deflater {
    pub(in crate::ws) fn new(level: Level, window: WindowBits) -> Self {
        let level = Compression::new(level.get().into());
        Self(Compress::new_with_window_bits(level, false, window.get()))
    }

    /// The payload of a frame with RSV1.
    pub(in crate::ws) fn deflate(&mut self, payload: &[u8]) -> Vec<u8> {
        if payload.is_empty() {
            // "the octet 0x00" (RFC 7692, 7.2.3.6): deflate writes nothing for an empty flush.
            return vec![0];
        }
        let mut out = Vec::with_capacity(payload.len() / 2 + FLUSH_ROOM);
        let mut rest = payload;
        loop {
            out.reserve(FLUSH_ROOM);
            let before = self.0.total_in();
            self.0
                .compress_vec(rest, &mut out, FlushCompress::Sync)
                .expect("the state of a deflater is its own");
            rest = &rest[(self.0.total_in() - before) as usize..];
            if rest.is_empty() && out.len() < out.capacity() {
                break;
            }
        }
        debug_assert!(out.ends_with(&TAIL));
        out.truncate(out.len() - TAIL.len());
        out
    }

    /// Forgets the messages before.
    pub(in crate::ws) fn reset(&mut self) {
        self.0.reset();
    }
}

/// Compresses one message by itself.
pub(in crate::ws) fn deflate(payload: &[u8], level: Level, window: WindowBits) -> Vec<u8> {
    Deflater::new(level, window).deflate(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes without any order, which nothing makes shorter.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let bytes = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8 ^ (state >> 11) as u8
        });
        bytes.take(length).collect()
    }

    // The inflater of zlib-rs takes any distance, so that it proves nothing here.
    #[test]
    fn what_lies_behind_the_window_is_not_referred_to() {
        for bits in 9..=15 {
            let window = WindowBits::new(bits).unwrap();
            let far = noise(window.size() + 1);
            let near = &far[..window.size() / 4];
            for level in (1..=9).map(|level| Level::new(level).unwrap()) {
                let deflated = |bytes: &[&[u8]]| deflate(&bytes.concat(), level, window).len();
                let once = deflated(&[&far]);
                assert!(
                    deflated(&[&far, &far[..200]]) >= once + 200,
                    "{window:?}, {level:?}"
                );
                assert!(
                    deflated(&[near, near]) < 2 * near.len() - 50,
                    "{window:?}, {level:?}"
                );
            }
        }
    }

    #[test]
    fn nothing_is_one_byte_also_behind_other_messages() {
        let mut deflater = Deflater::new(Level::default(), WindowBits::MAX);
        assert_eq!(deflater.deflate(b""), [0]);
        assert_ne!(deflater.deflate(b"Hello"), [0]);
        assert_eq!(deflater.deflate(b""), [0]);
    }
}
