//! Keys of what a shard has many of.

use std::num::NonZeroU32;

/// An index, counted from one: so that having none, or something else, takes no more memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(NonZeroU32);

impl Key {
    pub(super) fn new(index: usize) -> Self {
        let key = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        Self(key.expect("a shard has no more of anything than a process has descriptors"))
    }

    pub(super) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}
