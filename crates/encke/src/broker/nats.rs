//! NATS with JetStream as a broker.
//!
//! A channel is a subject of one stream. Every message has its epoch and offset in its headers, and is
//! taken by the server only behind the message that its publisher knows to be the last of the subject
//! (`Nats-Expected-Last-Subject-Sequence`): so offsets rise by one, whoever publishes. The stream
//! republishes what it has stored to another subject, and that is what nodes subscribe to: no consumer
//! of JetStream is kept, whatever the number of channels and nodes. What was missed is read by a
//! consumer that lives for one read, or message by message where it is little.
//!
//! A position outlives its publication: messages stay for 24 hours (`head_age`), and are history for as
//! long as their own age says. A channel that is quiet for longer than half of that, and has listeners,
//! gets a *marker*: a message with the same position and no data. Where a subject is empty, nobody knows
//! its positions any more, and who comes next draws a new epoch.
//!
//! An epoch ends early where the engine may have lost messages that somebody has seen, and another
//! continues it up to what is kept: where the servers were restarted ([`streams`]: the era), where the
//! stream's last sequence is below one that this node has seen, and where a channel's newest message is
//! below what this node has of it.
//!
//! What remains, each only where a server loses messages that it has acknowledged (a power cut, as it
//! has the disk keep them once in two minutes; all replicas at once, where there are several):
//!
//! - A publication that was handed to the connection in the instant it broke may be sent over the next
//!   one, before the new era is known. If the server lost exactly what others had published behind the
//!   message that it names, a position is used twice.
//! - In a cluster, the restart of the server that holds a stream without replicas is not seen by nodes
//!   connected to the others; the numbers of its last messages may be given again before a node looks,
//!   which it does when it meets a message of an era that it does not know. Let such a stream have
//!   `replicas=3`.
//!
//! Where publications of a channel come from several nodes at once, they collide, and the loser tries
//! again: that is counted, and bounded by the time an answer may take.

mod api;
mod audience;
mod clock;
mod entry;
mod follower;
mod history;
mod lanes;
mod link;
mod publish;
mod requests;
mod streams;
mod url;

use self::{
    clock::Clock,
    follower::Command,
    lanes::Lanes,
    link::Events,
    requests::Requests,
    streams::{Streams, Trouble},
    url::{Credentials, Settings},
};
use super::{
    ANSWER_LIMIT, Announcements, Answer, Broker, BrokerError, Link, Publishing, Snapshot, Terms,
};
use crate::{connect::ConnectError, random};
use async_nats::{Client, ConnectErrorKind, ConnectOptions};
use encke_proto::{Channel, Position};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::AbortHandle,
    time::timeout,
};

/// Announcements of one channel that may wait for this node. More are dropped, and read.
const ANNOUNCEMENTS: usize = 16_384;

/// How long a connection and its handshake may take.
const CONNECTING: Duration = Duration::from_secs(2);

/// A stream on NATS servers.
#[derive(Debug)]
pub(crate) struct Nats {
    shared: Arc<Shared>,
    commands: mpsc::UnboundedSender<Command>,
    tasks: [AbortHandle; 2],
}

/// What the parts of the broker share.
#[derive(Debug)]
struct Shared {
    requests: Requests,
    events: Arc<Events>,
    streams: Streams,
    lanes: Lanes,
    clock: Clock,
    /// Told when the streams are to be looked at.
    check: Arc<Notify>,
    /// Held by the one who asks for the era.
    meeting: tokio::sync::Mutex<()>,
    /// How long a client may be away and still recover.
    longest: Duration,
    /// Publications that had to be tried again.
    collisions: AtomicU64,
    /// This node's name among those that report.
    node: String,
    told: Mutex<audience::Told>,
    /// When others' messages were last complained of, in seconds of the engine's clock.
    warned: AtomicU64,
}

impl Nats {
    /// Connects to the servers that a URL names.
    pub(crate) async fn connect(
        url: &str,
        terms: Terms,
        announcements: Announcements,
    ) -> Result<Self, ConnectError> {
        let settings = Settings::parse(url)?;
        let shown = settings.shown.clone();
        let unreachable = |reason: Arc<str>| ConnectError::Unreachable {
            url: shown.clone(),
            reason,
        };
        let events = Arc::new(Events::new());
        let connecting = timeout(ANSWER_LIMIT, connect(&settings, &events));
        let late = || unreachable(format!("no connection within {ANSWER_LIMIT:?}").into());
        let client = connecting.await.map_err(|_| late())??;
        let connections = client.statistics().connects.load(Ordering::Relaxed);
        let requests = Requests::new(client, events.link.clone()).await;
        let shared = Arc::new(Shared {
            requests: requests.map_err(|error| unreachable(error.to_string().into()))?,
            events: events.clone(),
            streams: Streams::new(&settings, &terms),
            lanes: Lanes::default(),
            clock: Clock::default(),
            check: Arc::default(),
            meeting: tokio::sync::Mutex::default(),
            longest: terms.retention.longest(),
            collisions: AtomicU64::new(0),
            node: format!("{:016x}", random::number()),
            told: Mutex::default(),
            warned: AtomicU64::new(0),
        });
        let established = streams::establish(&shared).await;
        established.map_err(|trouble| explain(shown, trouble, &events))?;
        events.link.send_replace(Link::Up);
        let (generations, _) = watch::channel(0);
        let (commands, orders) = mpsc::unbounded_channel();
        let weak = Arc::downgrade(&shared);
        let heard = generations.subscribe();
        let following = follower::follow(weak.clone(), announcements, orders, heard);
        let watching = link::watch(weak, generations, connections);
        let tasks = [tokio::spawn(following), tokio::spawn(watching)];
        Ok(Self {
            shared,
            commands,
            tasks: tasks.map(|task| task.abort_handle()),
        })
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Broker for Nats {
    fn publish(&self, publishing: Publishing) -> Answer<Position> {
        Box::pin(publish::publish(self.shared.clone(), publishing))
    }

    fn follow(&self, channel: &Channel) {
        let _ = self.commands.send(Command::Follow(channel.clone()));
    }

    fn unfollow(&self, channel: &Channel) {
        let _ = self.commands.send(Command::Unfollow(channel.clone()));
    }

    fn read(&self, channel: &Channel, after: Option<Position>) -> Answer<Snapshot> {
        Box::pin(history::read(self.shared.clone(), channel.clone(), after))
    }

    fn heads(&self, channels: &[Channel]) -> Answer<Vec<Option<Position>>> {
        Box::pin(history::heads(self.shared.clone(), channels.to_vec()))
    }

    fn report(&self, listeners: &[(Channel, u64)], valid: Duration) -> Answer<()> {
        Box::pin(audience::report(
            self.shared.clone(),
            listeners.to_vec(),
            valid,
        ))
    }

    fn audience(&self, channel: &Channel) -> Answer<(u64, Position)> {
        Box::pin(audience::audience(self.shared.clone(), channel.clone()))
    }

    fn link(&self) -> watch::Receiver<Link> {
        self.shared.events.link.subscribe()
    }
}

impl Shared {
    /// Says, now and then, that messages of others are on our subjects.
    fn warn_of_others(&self, subject: &str) {
        let now = u64::try_from(self.clock.now().0).unwrap_or(0) / 1_000_000_000;
        let last = self.warned.swap(now, Ordering::Relaxed);
        if now.abs_diff(last) < 10 {
            self.warned.store(last, Ordering::Relaxed);
        } else {
            tracing::warn!(
                subject,
                "a message that no node of encke made is passed over"
            );
        }
    }
}

async fn connect(settings: &Settings, events: &Arc<Events>) -> Result<Client, ConnectError> {
    let handler = events.clone();
    let mut options = ConnectOptions::new()
        .name("encke")
        .require_tls(settings.requires_tls)
        .connection_timeout(CONNECTING)
        .ping_interval(link::PING)
        .subscription_capacity(ANNOUNCEMENTS)
        .max_reconnects(None)
        .reconnect_delay_callback(link::delay)
        // Tokens are made here, of characters that subjects may have.
        .skip_subject_validation(true)
        .event_callback(move |event| {
            handler.handle(&event);
            std::future::ready(())
        });
    options = match settings.credentials.clone() {
        Credentials::None => options,
        Credentials::Token(token) => options.token(token),
        Credentials::User(user, password) => options.user_and_password(user, password),
    };
    if let Some(ca) = &settings.ca {
        options = options.add_root_certificates(ca.clone());
    }
    options
        .connect(&settings.servers[..])
        .await
        .map_err(|error| {
            let (url, reason) = (settings.shown.clone(), reason(&error).into());
            match error.kind() {
                ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                    ConnectError::Denied { url, reason }
                }
                ConnectErrorKind::ServerParse => ConnectError::Url { url, reason },
                _ => ConnectError::Unreachable { url, reason },
            }
        })
}

/// Why the streams cannot be used, for who wants to connect.
fn explain(url: Arc<str>, trouble: Trouble, events: &Events) -> ConnectError {
    match trouble {
        Trouble::Unfit(reason) => ConnectError::Unfit { url, reason },
        Trouble::Broker(error) => match (events.complaint(), error) {
            // A question that is not permitted is not answered.
            (Some(complaint), BrokerError::Unanswered(_)) => ConnectError::Denied {
                url,
                reason: complaint.into(),
            },
            (_, BrokerError::Away(_)) => ConnectError::Unfit {
                url,
                reason: "JetStream is not enabled, or not there yet".into(),
            },
            (_, BrokerError::Refused(reason)) => ConnectError::Unfit { url, reason },
            (_, BrokerError::Unanswered(reason)) => ConnectError::Unreachable { url, reason },
        },
    }
}

/// The innermost cause, which says the most.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
