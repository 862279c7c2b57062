//! A node's connection to the engine, as both ends see it.

use super::events::Line;
use crate::broker::{Announcements, Link};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::{sync::watch, time::Instant};

pub(super) struct Connection {
    /// The process at this end; another one once the node was started again.
    pub(super) announcements: Announcements,
    link: Link,
    /// One for each receiver: those of one sender are woken in an order that no seed decides.
    watched: Vec<watch::Sender<Link>>,
    /// Counts the processes of this node.
    pub(super) process: u64,
    /// Counts the connections of this node.
    pub(super) number: u64,
    /// Nothing passes, whether or not the node has noticed.
    pub(super) is_cut: bool,
    /// What the node wants announced, and what the engine announces to it.
    pub(super) wanted: BTreeSet<usize>,
    pub(super) following: BTreeSet<usize>,
    /// When the last of each direction arrives: they stay in their order.
    pub(super) to_engine: Instant,
    pub(super) to_node: Instant,
    /// When something last went wrong, or took long.
    trouble: Option<Instant>,
}

impl Connection {
    pub(super) fn new() -> Self {
        Self {
            announcements: Announcements::default(),
            link: Link::Up,
            watched: Vec::new(),
            process: 0,
            number: 0,
            is_cut: false,
            wanted: BTreeSet::new(),
            following: BTreeSet::new(),
            to_engine: Instant::now(),
            to_node: Instant::now(),
            trouble: None,
        }
    }

    pub(super) fn line(&self, node: usize) -> Line {
        Line {
            node,
            number: self.number,
        }
    }

    /// Whether what is on this line arrives.
    pub(super) fn carries(&self, line: Line) -> bool {
        !self.is_cut && self.number == line.number
    }

    pub(super) fn is_up(&self) -> bool {
        self.link == Link::Up
    }

    pub(super) fn is_in_trouble(&mut self) {
        self.trouble = Some(Instant::now());
    }

    /// Whether all was well since then, so that whoever asked had to be answered.
    pub(super) fn was_well_since(&self, since: Instant) -> bool {
        let soon = since + Duration::from_secs(1);
        !self.is_cut
            && self.is_up()
            && self.trouble.is_none_or(|trouble| trouble < since)
            && self.to_engine.max(self.to_node) < soon
    }

    /// The process notices that the engine cannot be asked.
    pub(super) fn goes_down(&mut self) {
        self.is_in_trouble();
        self.tell(Link::Down(Arc::from("cut")));
    }

    /// From here on it is another connection.
    pub(super) fn renew(&mut self) {
        self.number += 1;
        self.is_cut = false;
        self.following.clear();
        self.to_engine = Instant::now();
        self.to_node = Instant::now();
        self.is_in_trouble();
        self.tell(Link::Up);
    }

    pub(super) fn watch(&mut self) -> watch::Receiver<Link> {
        self.watched.retain(|watched| !watched.is_closed());
        let (watched, receiver) = watch::channel(self.link.clone());
        self.watched.push(watched);
        receiver
    }

    fn tell(&mut self, link: Link) {
        for watched in &self.watched {
            watched.send_replace(link.clone());
        }
        self.link = link;
    }

    /// The process is killed, and another one starts in its place.
    pub(super) fn replace_process(&mut self) {
        let (process, number) = (self.process + 1, self.number + 1);
        *self = Self {
            process,
            number,
            ..Self::new()
        };
    }
}
