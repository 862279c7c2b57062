//! What the end of every payload says: channel, who published it, sequence number, when.
//!
//! `~CCCCC.WWW.SSSSSSSSSS.NNNNNNNNNNNNNN!` in decimal digits, of characters that no transport escapes.
//! It stands at the end, so that a delivery counts when it is whole.

/// The bytes of a stamp, and the least a payload has.
pub(crate) const LEN: usize = 37;

const CHANNEL: usize = 5;
const WRITER: usize = 3;
const SEQUENCE: usize = 10;
const NANOSECONDS: usize = 14;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stamp {
    pub(crate) channel: u32,
    /// Each numbers what it publishes to a channel.
    pub(crate) writer: u32,
    pub(crate) sequence: u64,
    /// Since the load program began.
    pub(crate) nanoseconds: u64,
}

/// What stood where a stamp was looked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Found {
    Stamp(Stamp),
    Damaged,
}

impl Stamp {
    /// Appends a payload of `size` bytes that ends in this stamp.
    pub(crate) fn payload(self, size: usize, into: &mut Vec<u8>) {
        let filler = (b'a'..=b'z').cycle();
        into.extend(filler.take(size.saturating_sub(LEN)));
        into.push(b'~');
        write_digits(self.channel.into(), CHANNEL, into);
        into.push(b'.');
        write_digits(self.writer.into(), WRITER, into);
        into.push(b'.');
        write_digits(self.sequence, SEQUENCE, into);
        into.push(b'.');
        write_digits(self.nanoseconds, NANOSECONDS, into);
        into.push(b'!');
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (channel, rest) = read_digits(bytes.strip_prefix(b"~")?, CHANNEL)?;
        let (writer, rest) = read_digits(rest.strip_prefix(b".")?, WRITER)?;
        let (sequence, rest) = read_digits(rest.strip_prefix(b".")?, SEQUENCE)?;
        let (nanoseconds, rest) = read_digits(rest.strip_prefix(b".")?, NANOSECONDS)?;
        (rest == b"!").then_some(Self {
            channel: channel as u32,
            writer: writer as u32,
            sequence,
            nanoseconds,
        })
    }
}

/// Hands each stamp in `bytes` to `found`; returns how many bytes are done with, as the rest may be
/// the beginning of one more.
pub(crate) fn scan(bytes: &[u8], mut found: impl FnMut(Found)) -> usize {
    let mut done = 0;
    while let Some(start) = memchr::memchr(b'~', &bytes[done..]) {
        let start = done + start;
        let Some(stamp) = bytes.get(start..start + LEN) else {
            return start;
        };
        match Stamp::read(stamp) {
            Some(stamp) => {
                found(Found::Stamp(stamp));
                done = start + LEN;
            }
            None => {
                found(Found::Damaged);
                done = start + 1;
            }
        }
    }
    bytes.len()
}

fn write_digits(mut number: u64, width: usize, into: &mut Vec<u8>) {
    let end = into.len() + width;
    into.resize(end, b'0');
    for digit in into[end - width..].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn read_digits(bytes: &[u8], width: usize) -> Option<(u64, &[u8])> {
    let (digits, rest) = bytes.split_at_checked(width)?;
    let mut number = 0;
    for digit in digits {
        let value = digit.wrapping_sub(b'0');
        if value > 9 {
            return None;
        }
        number = number * 10 + u64::from(value);
    }
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        channel: 7,
        writer: 12,
        sequence: 41,
        nanoseconds: 1_234_567_890,
    };

    fn found_in(bytes: &[u8]) -> (Vec<Found>, usize) {
        let mut all = Vec::new();
        let done = scan(bytes, |found| all.push(found));
        (all, done)
    }

    #[test]
    fn a_payload_has_its_size_and_gives_its_stamp_back() {
        for size in [0, LEN, 128, 65_536] {
            let mut payload = Vec::new();
            STAMP.payload(size, &mut payload);
            assert_eq!(payload.len(), size.max(LEN));
            assert_eq!(
                found_in(&payload),
                (vec![Found::Stamp(STAMP)], payload.len())
            );
        }
    }

    #[test]
    fn the_beginning_of_a_stamp_is_left_for_the_next_read() {
        let mut payload = Vec::new();
        STAMP.payload(128, &mut payload);
        let start = payload.len() - LEN;
        for cut in start + 1..payload.len() {
            assert_eq!(found_in(&payload[..cut]), (vec![], start));
        }
    }

    #[test]
    fn a_stamp_with_something_in_it_is_damaged() {
        let mut payload = Vec::new();
        STAMP.payload(128, &mut payload);
        let middle = payload.len() - 10;
        payload.insert(middle, b'\n');
        assert_eq!(found_in(&payload).0, [Found::Damaged]);
    }
}
