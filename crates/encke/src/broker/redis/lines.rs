//! Where publications are announced: a connection to each master that has channels followed here.
//!
//! Nothing else is asked over these connections. A server takes a subscription away by itself when it
//! gives a slot to another one, and on a connection with questions that would pass for an answer.

use super::{
    commands::{PING_PERIOD, ping},
    keys::{self, Prefix},
    link::LinkState,
    servers::{self, Address, Servers, SlotMap},
};
use crate::broker::{Announcements, backoff::Backoff, wire};
use encke_proto::{Channel, Position};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use redis::{
    PushInfo, PushKind, RedisResult, Value,
    aio::{MultiplexedConnection, SendError},
    cmd,
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};
use tokio::{sync::mpsc, task::AbortHandle, time::Instant};

/// Names in one SUBSCRIBE.
const NAMES: usize = 500;

/// SSUBSCRIBEs on their way at once: each takes one slot, and so mostly one name.
const SUBSCRIBING: usize = 256;

/// What is followed, kept by a task that ends when this is dropped.
pub(super) struct Lines {
    orders: mpsc::UnboundedSender<Order>,
    task: AbortHandle,
}

enum Order {
    Follow(Channel),
    Unfollow(Channel),
}

impl Lines {
    pub(super) fn new(
        servers: Servers,
        prefix: Prefix,
        announcements: Announcements,
        link: LinkState,
    ) -> Self {
        let (orders, ordered) = mpsc::unbounded_channel();
        let (events, happened) = mpsc::unbounded_channel();
        let task = Task {
            servers,
            prefix,
            announcements,
            link,
            slots: None,
            lines: HashMap::new(),
            followed: HashMap::new(),
            missing: HashSet::new(),
            made: 0,
            events,
        };
        Self {
            orders,
            task: tokio::spawn(task.run(ordered, happened)).abort_handle(),
        }
    }

    pub(super) fn follow(&self, channel: &Channel) {
        let _ = self.orders.send(Order::Follow(channel.clone()));
    }

    pub(super) fn unfollow(&self, channel: &Channel) {
        let _ = self.orders.send(Order::Unfollow(channel.clone()));
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Task {
    servers: Servers,
    prefix: Prefix,
    announcements: Announcements,
    link: LinkState,
    /// `None` where it has to be asked who has what.
    slots: Option<SlotMap>,
    lines: HashMap<Address, Line>,
    /// The channels, and the servers that were asked to announce them.
    followed: HashMap<Channel, Option<Address>>,
    /// Those of them that no server was asked for.
    missing: HashSet<Channel>,
    /// How many lines were made so far.
    made: u64,
    events: mpsc::UnboundedSender<Event>,
}

/// A connection to a server.
struct Line {
    number: u64,
    connection: MultiplexedConnection,
}

enum Event {
    /// The server announces from here on what is published to these.
    Confirmed(Channel),
    /// It does so no more.
    TakenAway(Channel),
    /// The line with this number is broken.
    Broken(u64, Arc<str>),
}

impl Task {
    async fn run(
        mut self,
        mut orders: mpsc::UnboundedReceiver<Order>,
        mut events: mpsc::UnboundedReceiver<Event>,
    ) {
        let mut backoff = Backoff::new();
        let mut retry_at = None;
        let mut pings = tokio::time::interval(PING_PERIOD);
        loop {
            let waits = retry_at.is_some_and(|at| Instant::now() < at);
            if !waits {
                match self.place_all().await {
                    Ok(()) => {
                        self.link.lines(None);
                        (retry_at, backoff) = (None, Backoff::new());
                    }
                    Err(error) => {
                        self.link.lines(Some(error.to_string().into()));
                        self.slots = None;
                        retry_at = Some(Instant::now() + backoff.next());
                    }
                }
            }
            let until = retry_at.unwrap_or_else(far_away);
            tokio::select! {
                order = orders.recv() => {
                    let Some(order) = order else { return };
                    self.handle_order(order);
                    while let Ok(order) = orders.try_recv() {
                        self.handle_order(order);
                    }
                }
                Some(event) = events.recv() => {
                    let more = std::iter::from_fn(|| events.try_recv().ok());
                    let events = std::iter::once(event).chain(more).collect();
                    self.handle_events(events);
                }
                _ = pings.tick() => self.ping_all(),
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    fn handle_order(&mut self, order: Order) {
        match order {
            Order::Follow(channel) => {
                if !self.followed.contains_key(&channel) {
                    self.missing.insert(channel.clone());
                    self.followed.insert(channel, None);
                }
            }
            Order::Unfollow(channel) => {
                self.missing.remove(&channel);
                let Some(Some(address)) = self.followed.remove(&channel) else {
                    return;
                };
                let name = match self.servers.is_cluster() {
                    true => "SUNSUBSCRIBE",
                    false => "UNSUBSCRIBE",
                };
                if let Some(line) = self.lines.get(&address) {
                    let mut command = cmd(name);
                    command.arg(self.prefix.news(&channel));
                    let mut connection = line.connection.clone();
                    // If it fails, the line is broken, or what comes is for nobody.
                    let mut asked = Box::pin(async move {
                        let _ = command.query_async::<Value>(&mut connection).await;
                    });
                    // On its way before what comes next, and awaited by nobody.
                    if asked.as_mut().now_or_never().is_none() {
                        tokio::spawn(asked);
                    }
                }
            }
        }
    }

    fn handle_events(&mut self, events: Vec<Event>) {
        let mut confirmed = Vec::new();
        for event in events {
            match event {
                Event::Confirmed(channel) if self.followed.contains_key(&channel) => {
                    confirmed.push(channel);
                }
                Event::Confirmed(_) => {}
                Event::TakenAway(channel) => {
                    if let Some(placed) = self.followed.get_mut(&channel)
                        && placed.take().is_some()
                    {
                        self.missing.insert(channel);
                        self.slots = None;
                    }
                }
                Event::Broken(number, reason) => self.handle_broken(number, reason),
            }
        }
        if !confirmed.is_empty() {
            self.announcements.followed(confirmed);
        }
    }

    fn handle_broken(&mut self, number: u64, reason: Arc<str>) {
        let found = self.lines.iter().find(|(_, line)| line.number == number);
        let Some(address) = found.map(|(address, _)| address.clone()) else {
            return;
        };
        self.link.lines(Some(reason));
        self.lines.remove(&address);
        self.slots = None;
        for (channel, placed) in &mut self.followed {
            if placed.as_ref() == Some(&address) {
                *placed = None;
                self.missing.insert(channel.clone());
            }
        }
    }

    fn ping_all(&self) {
        for line in self.lines.values() {
            let (number, mut connection) = (line.number, line.connection.clone());
            let events = self.events.clone();
            tokio::spawn(async move {
                if let Err(reason) = ping(&mut connection).await {
                    let _ = events.send(Event::Broken(number, reason));
                }
            });
        }
    }

    /// Has every channel announced that is followed and not yet.
    async fn place_all(&mut self) -> RedisResult<()> {
        // A broken line is seen to at once, although nothing may be followed.
        if self.slots.is_none() {
            self.slots = Some(self.servers.slots().await?);
        }
        let mut missing: BTreeMap<Address, Vec<Channel>> = BTreeMap::new();
        for channel in &self.missing {
            let slot = keys::slot(&self.prefix.news(channel));
            let master = self.slots.as_ref().and_then(|slots| slots.master(slot));
            let Some(master) = master else {
                let error = "no server has the slot of a channel";
                return Err((redis::ErrorKind::Client, error).into());
            };
            let channels = missing.entry(master.clone()).or_default();
            channels.push(channel.clone());
        }
        for (address, channels) in missing {
            self.place(address, channels).await?;
        }
        Ok(())
    }

    async fn place(&mut self, address: Address, channels: Vec<Channel>) -> RedisResult<()> {
        let line = self.line(&address).await?;
        for channel in &channels {
            self.missing.remove(channel);
            self.followed.insert(channel.clone(), Some(address.clone()));
        }
        let names: Vec<_> = channels
            .iter()
            .map(|channel| self.prefix.news(channel))
            .collect();
        let (name, at_once) = match self.servers.is_cluster() {
            true => ("SSUBSCRIBE", 1),
            false => ("SUBSCRIBE", NAMES),
        };
        let commands: Vec<_> = names
            .chunks(at_once)
            .map(|names| {
                let mut command = cmd(name);
                command.arg(names);
                command
            })
            .collect();
        let subscribed = stream::iter(commands)
            .map(|command| {
                let mut connection = line.clone();
                async move { command.query_async::<Value>(&mut connection).await }
            })
            .buffer_unordered(SUBSCRIBING)
            .try_for_each(|_| async { Ok(()) })
            .await;
        if subscribed.is_err() {
            // Whichever of them it was.
            for channel in channels {
                if let Some(placed) = self.followed.get_mut(&channel) {
                    *placed = None;
                    self.missing.insert(channel);
                }
            }
        }
        subscribed
    }

    async fn line(&mut self, address: &Address) -> RedisResult<MultiplexedConnection> {
        if let Some(line) = self.lines.get(address) {
            return Ok(line.connection.clone());
        }
        self.made += 1;
        let number = self.made;
        let prefix = self.prefix.clone();
        let (events, announcements) = (self.events.clone(), self.announcements.clone());
        let push = move |info: PushInfo| -> Result<(), SendError> {
            hear(number, info, &prefix, &announcements, &events);
            Ok(())
        };
        let connection = servers::connect(self.servers.target(), address, push).await?;
        let line = Line {
            number,
            connection: connection.clone(),
        };
        self.lines.insert(address.clone(), line);
        Ok(connection)
    }
}

/// Takes what a server says unasked.
fn hear(
    line: u64,
    info: PushInfo,
    prefix: &Prefix,
    announcements: &Announcements,
    events: &mpsc::UnboundedSender<Event>,
) {
    let channel = || match info.data.first() {
        Some(Value::BulkString(name)) => prefix.channel_of(name),
        _ => None,
    };
    let event = match info.kind {
        PushKind::Message | PushKind::SMessage => {
            let Some(channel) = channel() else { return };
            match info.data.get(1).and_then(announcement) {
                Some((position, data)) => announcements.published(&channel, position, data),
                None => tracing::warn!(
                    channel = channel.as_str(),
                    "something that is no publication was announced"
                ),
            }
            return;
        }
        PushKind::Subscribe | PushKind::SSubscribe => channel().map(Event::Confirmed),
        PushKind::Unsubscribe | PushKind::SUnsubscribe => channel().map(Event::TakenAway),
        PushKind::Disconnection => Some(Event::Broken(line, "the connection ended".into())),
        _ => None,
    };
    if let Some(event) = event {
        let _ = events.send(event);
    }
}

/// `EPOCH:OFFSET:` and the data.
fn announcement(value: &Value) -> Option<(Position, encke_proto::Data)> {
    let Value::BulkString(bytes) = value else {
        return None;
    };
    let mut colons = bytes.iter().enumerate().filter(|(_, byte)| **byte == b':');
    let (end, _) = colons.nth(1)?;
    let position = str::from_utf8(&bytes[..end]).ok()?.parse().ok()?;
    Some((position, wire::decode(&bytes[end + 1..])?))
}

fn far_away() -> Instant {
    Instant::now() + std::time::Duration::from_secs(3_600)
}
