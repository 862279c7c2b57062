//! A publication as a log keeps it: with the forms it was encoded in, once for all subscribers.

use encke_proto::{Channel, Encoded, Framing, Publication};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

/// Bytes held by all items of a hub.
///
/// Not counted: of each session, the rest of what it is sending.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    bytes: AtomicUsize,
}

impl Memory {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// One publication and its encodings, each made when the first subscriber needs it.
#[derive(Debug)]
pub(crate) struct Item {
    publication: Publication,
    encodings: [OnceLock<Encoded>; Framing::COUNT],
    /// What this item added to the hub's memory, taken off again when it is dropped.
    charged: AtomicUsize,
    memory: Arc<Memory>,
}

impl Item {
    pub(crate) fn new(publication: Publication, memory: &Arc<Memory>) -> Self {
        let item = Self {
            encodings: Default::default(),
            charged: AtomicUsize::new(0),
            memory: memory.clone(),
            publication,
        };
        item.charge(size_of::<Self>() + item.publication.data.len());
        item
    }

    pub(crate) fn publication(&self) -> &Publication {
        &self.publication
    }

    /// The publication in this form, as an item of `channel`.
    pub(crate) fn encoded(&self, framing: Framing, channel: &Channel) -> &Encoded {
        self.encodings[framing as usize].get_or_init(|| {
            let encoded = Encoded::new(framing, channel, &self.publication);
            self.charge(encoded.len());
            encoded
        })
    }

    /// Bytes this item holds.
    pub(crate) fn charged(&self) -> usize {
        self.charged.load(Ordering::Relaxed)
    }

    fn charge(&self, bytes: usize) {
        self.charged.fetch_add(bytes, Ordering::Relaxed);
        self.memory.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.memory
            .bytes
            .fetch_sub(self.charged(), Ordering::Relaxed);
    }
}
