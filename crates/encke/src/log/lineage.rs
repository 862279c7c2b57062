//! The epochs that a log's epoch continues.
//!
//! An engine that came back, or another one in its place, may have lost the newest publications. It
//! goes on in an epoch of its own, so that no position is used twice, and says up to where it has
//! what the epoch before had: up to there both are the same log.

use encke_proto::Epoch;

/// An epoch, and the last of its offsets that is in what continues it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Branch {
    pub(crate) epoch: Epoch,
    pub(crate) until: u64,
}

/// The epochs before one, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lineage(Box<[Branch]>);

impl Lineage {
    /// Epochs of a lineage; those before cannot be counted on from any more.
    pub(crate) const MAX: usize = 8;

    /// Of these, the newest first.
    pub(crate) fn new(branches: impl IntoIterator<Item = Branch>) -> Self {
        Self(branches.into_iter().take(Self::MAX).collect())
    }

    /// The last offset of `epoch` that is in what continues it.
    pub(crate) fn until(&self, epoch: Epoch) -> Option<u64> {
        let branches = self.0.iter();
        let mut until = u64::MAX;
        for branch in branches {
            until = until.min(branch.until);
            if branch.epoch == epoch {
                return Some(until);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_epoch_lost_is_lost_to_the_earlier_ones_too() {
        let branch = |epoch, until| Branch {
            epoch: Epoch::new(epoch),
            until,
        };
        let lineage = Lineage::new([branch(3, 70), branch(2, 90), branch(1, 50)]);
        assert_eq!(lineage.until(Epoch::new(3)), Some(70));
        assert_eq!(lineage.until(Epoch::new(2)), Some(70));
        assert_eq!(lineage.until(Epoch::new(1)), Some(50));
        assert_eq!(lineage.until(Epoch::new(4)), None);
    }
}
