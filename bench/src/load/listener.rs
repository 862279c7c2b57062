//! What one subscriber has got so far.

use super::tally::Tally;
use crate::stamp;

pub(super) struct Listener {
    channel: u32,
    /// The sequence number that has to come.
    next: u64,
}

impl Listener {
    pub(super) fn new(channel: u32) -> Self {
        Self { channel, next: 0 }
    }

    /// How far it has got: the sequence number that has to come.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Counts the stamps in `bytes`; returns how much of them is done with.
    pub(super) fn take(&mut self, bytes: &[u8], tally: &mut Tally, now: u64) -> usize {
        stamp::scan(bytes, |found| {
            tally.count(found, self.channel, &mut self.next, now);
        })
    }
}
