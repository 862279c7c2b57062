//! A log as one shard reads it: once for all its sessions there.

use super::key::Key;
use crate::{
    channel_log::{Attachment, Reader},
    mark::{Board, BoardMark},
};
use slab::Slab;
use std::{collections::HashMap, slice, sync::Arc};

/// One log and who listens to it in this shard.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) log: Attachment,
    mark: Arc<BoardMark>,
    members: Vec<Member>,
    /// Members before this index have not been looked at since the log had news.
    left: u32,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) client: u32,
    /// Which of the client's places this is.
    pub(super) place: u8,
}

/// Where a client is among the members of a feed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    feed: Key,
    member: u32,
}

/// One per channel of a session. Most have one.
#[derive(Debug)]
pub(super) enum Places {
    One(Place),
    /// Boxed twice, so that one takes no more than it must.
    Many(Box<Box<[Place]>>),
}

impl Places {
    pub(super) fn none() -> Self {
        Self::Many(Box::default())
    }

    pub(super) fn as_slice(&self) -> &[Place] {
        match self {
            Self::One(place) => slice::from_ref(place),
            Self::Many(places) => places,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [Place] {
        match self {
            Self::One(place) => slice::from_mut(place),
            Self::Many(places) => places,
        }
    }

    /// Follows a member that was moved.
    pub(super) fn moved(&mut self, index: u8, place: Place) {
        self.as_mut_slice()[usize::from(index)] = place;
    }
}

impl FromIterator<Place> for Places {
    fn from_iter<I: IntoIterator<Item = Place>>(places: I) -> Self {
        let places: Vec<_> = places.into_iter().collect();
        match places[..] {
            [place] => Self::One(place),
            _ => Self::Many(Box::new(places.into())),
        }
    }
}

impl Feed {
    /// Some members that have not been looked at, and are from now on; none once all were.
    ///
    /// From the last to the first: one that leaves is replaced by one that was looked at.
    pub(super) fn next_members(&mut self, count: usize) -> &[Member] {
        let end = self.members.len().min(self.left as usize);
        let start = end.saturating_sub(count);
        self.left = start as u32;
        &self.members[start..end]
    }

    pub(super) fn has_members_left(&self) -> bool {
        self.left > 0
    }
}

/// The feeds of a shard.
#[derive(Debug)]
pub(super) struct Feeds {
    board: Arc<Board>,
    feeds: Slab<Feed>,
    by_log: HashMap<usize, Key>,
}

impl Feeds {
    pub(super) fn new(board: Arc<Board>) -> Self {
        Self {
            board,
            feeds: Slab::new(),
            by_log: HashMap::new(),
        }
    }

    pub(super) fn log(&self, place: Place) -> &Attachment {
        &self.feeds[place.feed.index()].log
    }

    pub(super) fn get_mut(&mut self, key: u32) -> Option<&mut Feed> {
        self.feeds.get_mut(key as usize)
    }

    /// Has everyone looked at again, as the log has news; whether nobody was waiting for that.
    ///
    /// The mark is cleared here, before the log is looked at.
    pub(super) fn has_news(&mut self, key: u32) -> bool {
        // What was marked may be gone by now.
        let Some(feed) = self.feeds.get_mut(key as usize) else {
            return false;
        };
        feed.mark.clear();
        self.begin(key)
    }

    /// Has everyone looked at again; whether nobody was waiting for that.
    pub(super) fn begin(&mut self, key: u32) -> bool {
        let Some(feed) = self.feeds.get_mut(key as usize) else {
            return false;
        };
        let idle = feed.left == 0;
        feed.left = feed.members.len() as u32;
        idle
    }

    /// Adds a client as a member of the feed of each log that it listens to.
    pub(super) fn join(&mut self, client: u32, logs: &[Attachment]) -> Places {
        logs.iter()
            .enumerate()
            .map(|(place, log)| {
                let key = self.feed_of(log);
                let feed = &mut self.feeds[key.index()];
                feed.members.push(Member {
                    client,
                    place: place as u8,
                });
                feed.mark.set_listeners(feed.members.len());
                Place {
                    feed: key,
                    member: (feed.members.len() - 1) as u32,
                }
            })
            .collect()
    }

    /// Takes a client out of one; gives the member that has its place now, if another has.
    pub(super) fn leave(&mut self, place: Place) -> Option<Member> {
        let feed = &mut self.feeds[place.feed.index()];
        feed.members.swap_remove(place.member as usize);
        feed.mark.set_listeners(feed.members.len());
        let moved = feed.members.get(place.member as usize).copied();
        if feed.members.is_empty() {
            let feed = self.feeds.remove(place.feed.index());
            self.by_log.remove(&Arc::as_ptr(&feed.log).addr());
        } else if feed.members.capacity() > 4 * feed.members.len() {
            feed.members.shrink_to_fit();
        }
        moved
    }

    fn feed_of(&mut self, log: &Attachment) -> Key {
        let entry = self.by_log.entry(Arc::as_ptr(log).addr());
        *entry.or_insert_with(|| {
            let entry = self.feeds.vacant_entry();
            let key = Key::new(entry.key());
            let mark = Arc::new(BoardMark::new(self.board.clone(), entry.key() as u32));
            entry.insert(Feed {
                log: log.share(Reader::Shard(mark.clone())),
                mark,
                members: Vec::new(),
                left: 0,
            });
            key
        })
    }
}
