//! What arrived, and whether it was what should have.

use crate::{histogram::Histogram, stamp::Found};

pub(super) struct Tally {
    pub(super) delivered: u64,
    /// Sequence numbers that were skipped.
    pub(super) lost: u64,
    /// Sequence numbers that came again, or after a later one.
    pub(super) again: u64,
    /// Offsets that are not one above the last, where they are looked at.
    pub(super) disordered: u64,
    /// Stamps with something in them that is no stamp, or of another channel.
    pub(super) damaged: u64,
    pub(super) bytes: u64,
    /// From the publication to the read that got it.
    pub(super) latency: Histogram,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            delivered: 0,
            lost: 0,
            again: 0,
            disordered: 0,
            damaged: 0,
            bytes: 0,
            latency: Histogram::new(),
        }
    }

    /// Counts what a subscriber found that expects `next` on `channel`.
    pub(super) fn count(&mut self, found: Found, channel: u32, next: &mut u64, now: u64) {
        let Found::Stamp(stamp) = found else {
            self.damaged += 1;
            return;
        };
        if stamp.channel != channel {
            self.damaged += 1;
            return;
        }
        if stamp.sequence < *next {
            self.again += 1;
            return;
        }
        self.lost += stamp.sequence - *next;
        *next = stamp.sequence + 1;
        self.delivered += 1;
        self.latency.record(now.saturating_sub(stamp.nanoseconds));
    }

    /// Begins anew, but for what went wrong.
    pub(super) fn restart(&mut self) {
        self.delivered = 0;
        self.bytes = 0;
        self.latency.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::Stamp;

    fn tally(stamps: &[(u32, u64)]) -> [u64; 4] {
        let mut tally = Tally::new();
        let mut next = 0;
        for (channel, sequence) in stamps {
            let stamp = Stamp {
                channel: *channel,
                writer: 0,
                sequence: *sequence,
                nanoseconds: 0,
            };
            tally.count(Found::Stamp(stamp), 3, &mut next, 0);
        }
        [tally.delivered, tally.lost, tally.again, tally.damaged]
    }

    #[test]
    fn what_is_lost_doubled_or_astray_is_noticed() {
        assert_eq!(tally(&[(3, 0), (3, 1), (3, 2)]), [3, 0, 0, 0]);
        assert_eq!(tally(&[(3, 0), (3, 3)]), [2, 2, 0, 0]);
        assert_eq!(tally(&[(3, 0), (3, 1), (3, 1)]), [2, 0, 1, 0]);
        assert_eq!(tally(&[(3, 0), (4, 1)]), [1, 0, 0, 1]);
    }
}
