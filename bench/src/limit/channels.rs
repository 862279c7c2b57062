//! Who listens to which path, and what is to be written to them.

use std::collections::{HashMap, VecDeque};

use crate::transport::Transport;

/// A channel's place in the list of them.
pub(super) type ChannelId = usize;

pub(super) struct Channels {
    transport: Transport,
    coalesce: bool,
    history: usize,
    by_path: HashMap<Vec<u8>, ChannelId>,
    all: Vec<Channel>,
    pending: Vec<(ChannelId, Vec<u8>)>,
}

#[derive(Default)]
struct Channel {
    subscribers: Vec<u32>,
    history: VecDeque<Vec<u8>>,
    /// Where in `pending` its bytes are.
    pending: Option<usize>,
}

impl Channels {
    pub(super) fn new(transport: Transport, coalesce: bool, history: usize) -> Self {
        Self {
            transport,
            coalesce,
            history,
            by_path: HashMap::new(),
            all: Vec::new(),
            pending: Vec::new(),
        }
    }

    /// Adds a subscriber, and appends what it is to get first.
    pub(super) fn subscribe(&mut self, path: &[u8], key: u32, first: &mut Vec<u8>) -> ChannelId {
        let id = self.id(path);
        let channel = &mut self.all[id];
        channel.subscribers.push(key);
        for encoded in &channel.history {
            first.extend_from_slice(encoded);
        }
        id
    }

    pub(super) fn unsubscribe(&mut self, channel: ChannelId, key: u32) {
        let subscribers = &mut self.all[channel].subscribers;
        if let Some(place) = subscribers.iter().position(|found| *found == key) {
            subscribers.swap_remove(place);
        }
    }

    /// Encodes a publication, once; it is delivered by whoever takes `pending`.
    pub(super) fn publish(&mut self, path: &[u8], message: &[u8]) {
        let id = self.id(path);
        let channel = &mut self.all[id];
        if self.history > 0 {
            let mut encoded = Vec::new();
            self.transport.encode(message, &mut encoded);
            channel.history.push_back(encoded);
            if channel.history.len() > self.history {
                channel.history.pop_front();
            }
        }
        match channel.pending {
            Some(place) if self.coalesce => {
                self.transport.encode(message, &mut self.pending[place].1);
            }
            _ => {
                let mut encoded = Vec::with_capacity(message.len() + 64);
                self.transport.encode(message, &mut encoded);
                channel.pending = Some(self.pending.len());
                self.pending.push((id, encoded));
            }
        }
    }

    /// What was published since it was last called.
    pub(super) fn take_pending(&mut self) -> Vec<(ChannelId, Vec<u8>)> {
        for (id, _) in &self.pending {
            self.all[*id].pending = None;
        }
        std::mem::take(&mut self.pending)
    }

    pub(super) fn subscribers(&self, channel: ChannelId) -> &[u32] {
        &self.all[channel].subscribers
    }

    fn id(&mut self, path: &[u8]) -> ChannelId {
        if let Some(id) = self.by_path.get(path) {
            return *id;
        }
        let id = self.all.len();
        self.by_path.insert(path.to_vec(), id);
        self.all.push(Channel::default());
        id
    }
}
