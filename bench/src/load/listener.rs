//! What one subscriber has got so far.

use memchr::{memchr, memmem, memrchr};

use super::tally::Tally;
use crate::stamp::{self, Found};

pub(super) struct Listener {
    channel: u32,
    /// The sequence number that has to come from the first who publishes.
    next: u64,
    /// From the others.
    next_of_others: Vec<u64>,
    offsets: Offsets,
}

/// Whether the positions of publications are looked at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Offsets {
    Ignored,
    /// In lines of NDJSON, after this one; the first is where the session stands.
    After(Option<u64>),
}

impl Listener {
    pub(super) fn new(channel: u32, offsets: Offsets) -> Self {
        Self {
            channel,
            next: 0,
            next_of_others: Vec::new(),
            offsets,
        }
    }

    /// How far it has got: the sequence number that has to come.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Counts the stamps in `bytes`; returns how much of them is done with.
    pub(super) fn take(&mut self, bytes: &[u8], tally: &mut Tally, now: u64) -> usize {
        match self.offsets {
            Offsets::Ignored => self.take_stamps(bytes, tally, now),
            Offsets::After(last) => self.take_lines(bytes, last, tally, now),
        }
    }

    fn take_stamps(&mut self, bytes: &[u8], tally: &mut Tally, now: u64) -> usize {
        stamp::scan(bytes, |found| {
            let channel = self.channel;
            let next = match found {
                Found::Stamp(stamp) => self.next_of(stamp.writer),
                Found::Damaged => &mut self.next,
            };
            tally.count(found, channel, next, now);
        })
    }

    fn next_of(&mut self, writer: u32) -> &mut u64 {
        let Some(other) = (writer as usize).checked_sub(1) else {
            return &mut self.next;
        };
        if other >= self.next_of_others.len() {
            self.next_of_others.resize(other + 1, 0);
        }
        &mut self.next_of_others[other]
    }

    /// Takes whole lines, some of which are heads of chunks.
    fn take_lines(
        &mut self,
        bytes: &[u8],
        mut last: Option<u64>,
        tally: &mut Tally,
        now: u64,
    ) -> usize {
        let end = memrchr(b'\n', bytes).map_or(0, |last| last + 1);
        let mut rest = &bytes[..end];
        while let Some(length) = memchr(b'\n', rest) {
            let (line, others) = rest.split_at(length + 1);
            rest = others;
            if let Some(offset) = offset(line) {
                if last.is_some_and(|last| offset != last + 1) {
                    tally.disordered += 1;
                }
                last = Some(offset);
            }
            self.take_stamps(line, tally, now);
        }
        self.offsets = Offsets::After(last);
        end
    }
}

/// The offset that an item says.
fn offset(line: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"\"offset\":";
    let digits = &line[memmem::find(line, NAME)? + NAME.len()..];
    let digits = digits.split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::Stamp;

    fn line(offset: u64, writer: u32, sequence: u64) -> Vec<u8> {
        let mut line = format!("{{\"epoch\":\"a\",\"offset\":{offset},\"data\":\"").into_bytes();
        let stamp = Stamp {
            channel: 3,
            writer,
            sequence,
            nanoseconds: 0,
        };
        stamp.payload(64, &mut line);
        line.extend_from_slice(b"\"}\n");
        line
    }

    /// What is counted of a start at offset 7 and these lines, whatever comes in one read.
    fn tally(lines: &[(u64, u32, u64)]) -> [u64; 4] {
        let mut bytes = b"3a\r\n{\"epoch\":\"a\",\"offset\":7}\n\r\n".to_vec();
        for (offset, writer, sequence) in lines {
            bytes.extend(line(*offset, *writer, *sequence));
        }
        let results = [bytes.len(), 1].map(|read| {
            let mut listener = Listener::new(3, Offsets::After(None));
            let (mut tally, mut carry) = (Tally::new(), Vec::new());
            for piece in bytes.chunks(read) {
                carry.extend_from_slice(piece);
                let done = listener.take(&carry, &mut tally, 0);
                carry.drain(..done);
            }
            [tally.delivered, tally.lost, tally.again, tally.disordered]
        });
        assert_eq!(results[0], results[1]);
        results[0]
    }

    #[test]
    fn writers_are_counted_apart_and_offsets_together() {
        assert_eq!(tally(&[(8, 0, 0), (9, 2, 0), (10, 0, 1)]), [3, 0, 0, 0]);
        assert_eq!(tally(&[(8, 0, 0), (9, 2, 1)]), [2, 1, 0, 0]);
        assert_eq!(tally(&[(8, 2, 0), (9, 2, 0)]), [1, 0, 1, 0]);
    }

    #[test]
    fn an_offset_that_does_not_follow_is_noticed() {
        assert_eq!(tally(&[(9, 0, 0), (10, 0, 1)]), [2, 0, 0, 1]);
        assert_eq!(tally(&[(8, 0, 0), (8, 0, 1)]), [2, 0, 0, 1]);
    }
}
