//! The task of a shard.
//!
//! Invariant: every loop of a turn is bounded, and what it leaves is done in the next one, after
//! newcomers, news and sockets had theirs.

use super::{
    Inbox, Newcomer,
    client::{Client, Next, Turn},
    feed::{Feeds, Member},
    lock,
    readiness::Readiness,
    settle::{TEXTS, settle},
    span::Spans,
};
use crate::{Shutdown, hub::Shared, live::speaker::WRITE_SIZE, log::Window};
use encke_proto::Output;
use mio::Events;
use slab::Slab;
use std::{
    collections::VecDeque,
    io,
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Members of a feed that are looked at before another feed has its turn.
const SLICE: usize = 128;

/// Slices of one turn, after which other tasks have theirs.
const SLICES_PER_TURN: usize = 4;

/// Turns that others have before news are written, as long as more come.
const PATIENCE: u8 = 8;

/// Batches of sockets that are looked after in one turn.
const BATCHES_PER_TURN: usize = 2;

/// Bytes of publications looked at in one slice.
const WINDOW: usize = 4 * WRITE_SIZE;

/// How often stalled clients are looked for, and those whose ping is due.
const SWEEP_PERIOD: Duration = Duration::from_secs(1);

pub(super) struct Task {
    inbox: Arc<Inbox>,
    stall_limit: Duration,
    readiness: Readiness,
    events: Events,
    clients: Slab<Client>,
    feeds: Feeds,
    /// Feeds with news that not all members have looked at.
    news: VecDeque<u32>,
    /// Clients with more to write, perhaps.
    speakers: VecDeque<u32>,
    /// Clients with more to read.
    senders: Vec<u32>,
    turn: Turn,
    /// Clients whose own texts are still where they were made.
    newcomers: Vec<u32>,
    /// Turns given to others since there were news.
    waited: u8,
    keys: Vec<u32>,
    members: Vec<Member>,
}

impl Task {
    pub(super) fn new(inbox: Arc<Inbox>, stall_limit: Duration) -> io::Result<Self> {
        Ok(Self {
            readiness: Readiness::new()?,
            events: Readiness::events(),
            clients: Slab::new(),
            feeds: Feeds::new(inbox.board.clone()),
            news: VecDeque::new(),
            speakers: VecDeque::new(),
            senders: Vec::new(),
            turn: Turn {
                now: Shared::now(),
                ends: false,
                window: Window::new(),
                spans: Spans::default(),
                dialogs: Slab::new(),
                said: Output::default(),
                input: vec![0; WRITE_SIZE].into(),
            },
            newcomers: Vec::new(),
            waited: 0,
            keys: Vec::new(),
            members: Vec::new(),
            inbox,
            stall_limit,
        })
    }

    /// Runs until nobody joins any more and all have left.
    pub(super) async fn run(mut self, shutdown: Shutdown) {
        let mut begun = pin!(shutdown.begun());
        let mut sweep = interval(SWEEP_PERIOD);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        std::future::poll_fn(|cx| self.poll(cx, begun.as_mut(), &mut sweep)).await;
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        begun: Pin<&mut impl Future<Output = ()>>,
        sweep: &mut Interval,
    ) -> Poll<()> {
        self.inbox.board.arm(cx.waker());
        let closed = self.inbox.closed.load(Relaxed);
        self.turn.now = Shared::now();
        if !self.turn.ends && begun.poll(cx).is_ready() {
            self.turn.ends = true;
            for key in 0..self.clients.capacity() {
                self.queue(key);
            }
        }
        self.admit();
        if self.hear_news() && self.waited < PATIENCE {
            // Whoever publishes may have more to say, which is written with this.
            self.waited += 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.waited = 0;
        let sockets = self.poll_sockets(cx).is_ready();
        if sweep.poll_tick(cx).is_ready() {
            self.sweep();
            settle(&mut self.newcomers, &mut self.clients);
            let _ = sweep.poll_tick(cx);
        }
        self.go_on();
        for _ in 0..SLICES_PER_TURN {
            self.serve_slice();
        }
        if sockets || !self.news.is_empty() || !self.speakers.is_empty() || !self.senders.is_empty()
        {
            cx.waker().wake_by_ref();
        } else if closed && self.clients.is_empty() && lock(&self.inbox.newcomers).is_empty() {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn admit(&mut self) {
        let newcomers = std::mem::take(&mut *lock(&self.inbox.newcomers));
        for Newcomer {
            mut client,
            dialog,
            attachments,
        } in newcomers
        {
            let entry = self.clients.vacant_entry();
            let key = entry.key();
            if let Err(error) = self.readiness.add(&mut client.socket, key) {
                tracing::warn!(%error, "cannot watch a socket");
                continue;
            }
            client.places = self.feeds.join(key as u32, &attachments);
            if let Some(dialog) = dialog {
                client.talk(self.turn.dialogs.insert(*dialog));
            }
            if client.encoder().own_text().is_some() {
                self.newcomers.push(key as u32);
            }
            entry.insert(client);
            // The shard reads its logs from here on; what came before is read now.
            drop(attachments);
            self.speak(key);
        }
        if self.newcomers.len() >= TEXTS {
            settle(&mut self.newcomers, &mut self.clients);
        }
    }

    /// Whether there is any.
    fn hear_news(&mut self) -> bool {
        self.inbox.board.take(&mut self.keys);
        for &key in &self.keys {
            if self.feeds.has_news(key) {
                self.news.push_back(key);
            }
        }
        !self.keys.is_empty()
    }

    /// Ready where more sockets may be.
    fn poll_sockets(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..BATCHES_PER_TURN {
            let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
            let polled = self.readiness.poll(cx, &mut events);
            if polled.is_ready() {
                for event in &events {
                    let key = event.token().0;
                    if event.is_readable() || event.is_error() {
                        self.listen(key);
                    }
                    if event.is_writable() {
                        self.speak(key);
                    }
                }
            }
            self.events = events;
            if let Err(error) = ready!(polled) {
                tracing::error!(%error, "cannot ask which sockets are ready");
            }
        }
        Poll::Ready(())
    }

    fn sweep(&mut self) {
        for key in 0..self.clients.capacity() {
            let Some(client) = self.clients.get_mut(key) else {
                continue;
            };
            match client.check(self.stall_limit, &mut self.turn) {
                Next::Wait => {}
                Next::Again => self.queue(key),
                Next::Leave => self.remove(key),
            }
        }
    }

    /// Has a client speak in another turn; once, however often it is asked for.
    fn queue(&mut self, key: usize) {
        if let Some(client) = self.clients.get_mut(key)
            && !std::mem::replace(&mut client.is_queued, true)
        {
            self.speakers.push_back(key as u32);
        }
    }

    /// Goes on with who has more to do.
    fn go_on(&mut self) {
        let mut senders = std::mem::take(&mut self.senders);
        // A socket that became readable meanwhile was put down again.
        senders.sort_unstable();
        senders.dedup();
        for key in senders {
            self.listen(key as usize);
        }
        for _ in 0..self.speakers.len().min(SLICE) {
            let Some(key) = self.speakers.pop_front() else {
                return;
            };
            if let Some(client) = self.clients.get_mut(key as usize) {
                client.is_queued = false;
                self.speak(key as usize);
            }
        }
    }

    fn serve_slice(&mut self) {
        let Some(key) = self.news.pop_front() else {
            return;
        };
        let Some(feed) = self.feeds.get_mut(key) else {
            return;
        };
        let mut members = std::mem::take(&mut self.members);
        members.clear();
        members.extend_from_slice(feed.next_members(SLICE));
        if feed.has_members_left() {
            self.news.push_back(key);
        }
        let whole = self.look(key, &members);
        for member in &members {
            let Some(client) = self.clients.get_mut(member.client as usize) else {
                continue;
            };
            match client.read_window(member.place, &self.feeds, &mut self.turn) {
                Next::Wait => {}
                Next::Again => self.queue(member.client as usize),
                Next::Leave => self.remove(member.client as usize),
            }
        }
        if !whole && self.feeds.begin(key) {
            self.news.push_back(key);
        }
        // What leaves the logs is held by nobody.
        self.turn.window.clear();
        // Encoding may have taken a hub over its limit.
        let served = members.first().map(|member| member.client as usize);
        if let Some(client) = served.and_then(|key| self.clients.get(key)) {
            client.trim(self.turn.now);
        }
        self.members = members;
    }

    /// Looks at what follows the foremost of these members that is behind; whether that is all
    /// there is.
    fn look(&mut self, feed: u32, members: &[Member]) -> bool {
        let Some(feed) = self.feeds.get_mut(feed) else {
            return true;
        };
        let head = feed.log.head();
        let foremost = members
            .iter()
            .filter_map(|member| {
                let client = self.clients.get(member.client as usize)?;
                let cursor = client.cursor(member.place)?;
                (cursor.epoch == head.epoch && cursor.offset < head.offset).then_some(cursor.offset)
            })
            .max();
        let mut start = head;
        start.offset = foremost.unwrap_or(head.offset);
        self.turn.spans.clear();
        let Turn { now, window, .. } = &mut self.turn;
        feed.log.look(start, WINDOW, *now, window);
        window.end().offset >= head.offset
    }

    fn speak(&mut self, key: usize) {
        if let Some(client) = self.clients.get_mut(key) {
            match client.speak(&self.feeds, &mut self.turn) {
                Next::Wait => {}
                Next::Again => self.queue(key),
                Next::Leave => self.remove(key),
            }
        }
    }

    /// Reads what a client says, and answers.
    fn listen(&mut self, key: usize) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        match client.listen(&mut self.turn) {
            Next::Wait => {}
            Next::Again => self.senders.push(key as u32),
            Next::Leave => return self.remove(key),
        }
        if client.is_web_socket() {
            self.speak(key);
        }
    }

    fn remove(&mut self, key: usize) {
        let client = self.clients.remove(key);
        client.leave(&mut self.turn);
        for &place in client.places.as_slice() {
            if let Some(moved) = self.feeds.leave(place)
                && let Some(client) = self.clients.get_mut(moved.client as usize)
            {
                client.places.moved(moved.place, place);
            }
        }
    }
}

/// Its sessions end with it, and the next one has another task.
impl Drop for Task {
    fn drop(&mut self) {
        let mut waiting = lock(&self.inbox.newcomers);
        let newcomers = std::mem::take(&mut *waiting);
        // Who comes later waits for the next task.
        self.inbox.running.store(false, Relaxed);
        drop(waiting);
        drop(newcomers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Hub,
        live::shard::{Seat, tests::Pair},
    };

    #[tokio::test]
    async fn a_client_waits_for_its_turn_once_however_often_it_has_more() {
        let inbox = Arc::new(Inbox::new());
        let mut task = Task::new(inbox.clone(), Duration::MAX).unwrap();
        let pair = Pair::open();
        let parts = pair.session(&Hub::default());
        Seat(inbox).join(pair.ours, parts);
        task.admit();
        for _ in 0..3 {
            task.queue(0);
        }
        assert_eq!(task.speakers, [0]);
        task.go_on();
        task.queue(0);
        assert_eq!(task.speakers, [0]);
    }
}
