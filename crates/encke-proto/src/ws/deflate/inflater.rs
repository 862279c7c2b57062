//! Compressed payloads to payloads, never beyond a limit.

use super::{TAIL, WindowBits};
use crate::ws::{body::Body, violation::Violation};
use flate2::{Decompress, FlushDecompress, Status};

/// How much is inflated at once.
const BLOCK: usize = 4 << 10;

/// An empty last block: it ends the stream, and nothing else does.
const LAST_BLOCK: [u8; 2] = [0x03, 0x00];

/// The end of what was inflated, for messages that refer to those before them.
#[derive(Debug)]
pub(in crate::ws) struct Window {
    bits: WindowBits,
    bytes: Vec<u8>,
}

impl Window {
    pub(in crate::ws) fn new(bits: WindowBits) -> Self {
        Self {
            bits,
            bytes: Vec::new(),
        }
    }

    /// Moves the window behind a message.
    pub(in crate::ws) fn slide(&mut self, message: &[u8]) {
        let size = self.bits.size();
        let message = &message[message.len().saturating_sub(size)..];
        let excess = (self.bytes.len() + message.len()).saturating_sub(size);
        self.bytes.drain(..excess);
        self.bytes.extend_from_slice(message);
    }
}

/// Inflates one message as it arrives.
#[derive(Debug)]
pub(in crate::ws) struct Inflater(Decompress);

impl Inflater {
    /// For a message that refers to nothing before it, or to the window.
    pub(in crate::ws) fn new(bits: WindowBits, window: Option<&Window>) -> Self {
        let mut stream = Decompress::new_with_window_bits(false, bits.get());
        if let Some(window) = window.filter(|window| !window.bytes.is_empty()) {
            stream
                .set_dictionary(&window.bytes)
                .expect("a raw stream takes a dictionary before its first block");
        }
        Self(stream)
    }

    /// Appends what `input` inflates to, as long as `out` has at most `limit` bytes.
    pub(in crate::ws) fn inflate(
        &mut self,
        mut input: &[u8],
        out: &mut Body,
        limit: usize,
    ) -> Result<(), Violation> {
        let mut block = [0; BLOCK];
        loop {
            let room = BLOCK.min(limit.saturating_sub(out.len()) + 1);
            let (status, read, written) = self.step(input, &mut block[..room]);
            input = &input[read..];
            out.push(&block[..written])?;
            if out.len() > limit {
                return Err(Violation::TooBig);
            }
            let status = status?;
            if status == Status::StreamEnd && !input.is_empty() {
                // A block may say it is the last (RFC 7692, 7.2.3.4); others follow all the same,
                // and refer to nothing before them.
                self.0.reset(false);
            } else if input.is_empty() && written < room {
                return Ok(());
            } else if read == 0 && written == 0 {
                return Err(Violation::Deflate);
            }
        }
    }

    /// Ends the message.
    pub(in crate::ws) fn finish(mut self, out: &mut Body, limit: usize) -> Result<(), Violation> {
        self.inflate(&TAIL, out, limit)?;
        // Bytes that end within a block took the tail for data, and take this too.
        let (status, read, written) = self.step(&LAST_BLOCK, &mut [0; 1]);
        if status? == Status::StreamEnd && read == LAST_BLOCK.len() && written == 0 {
            Ok(())
        } else {
            Err(Violation::Deflate)
        }
    }

    /// Gives how much was read and written also where it fails.
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> (Result<Status, Violation>, usize, usize) {
        let (read, written) = (self.0.total_in(), self.0.total_out());
        let status = self.0.decompress(input, out, FlushDecompress::None);
        let read = (self.0.total_in() - read) as usize;
        let written = (self.0.total_out() - written) as usize;
        (status.map_err(|_| Violation::Deflate), read, written)
    }
}
