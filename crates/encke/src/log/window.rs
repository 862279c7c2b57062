//! What a log has behind a place in it, taken out under one lock for many readers.

use super::Item;
use encke_proto::Position;
use std::sync::Arc;

/// Consecutive publications.
#[derive(Debug)]
pub(crate) struct Window {
    /// The position before the first of them.
    start: Position,
    items: Vec<Arc<Item>>,
}

impl Window {
    pub(crate) fn new() -> Self {
        Self {
            start: Position::UNKNOWN,
            items: Vec::new(),
        }
    }

    /// Forgets what it had.
    pub(crate) fn clear(&mut self) {
        self.begin(Position::UNKNOWN);
    }

    pub(super) fn begin(&mut self, start: Position) {
        self.start = start;
        self.items.clear();
    }

    pub(super) fn push(&mut self, item: Arc<Item>) {
        self.items.push(item);
    }

    /// The position of the last of them.
    pub(crate) fn end(&self) -> Position {
        Position::new(
            self.start.epoch,
            self.start.offset + self.items.len() as u64,
        )
    }

    /// Those behind a cursor; `None` where the cursor is not within.
    pub(crate) fn after(&self, cursor: Position) -> Option<&[Arc<Item>]> {
        let behind = cursor.offset.checked_sub(self.start.offset)?;
        (cursor.epoch == self.start.epoch)
            .then(|| self.items.get(behind as usize..))
            .flatten()
    }
}
