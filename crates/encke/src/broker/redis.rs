//! Channels over Redis, Redis Cluster, or what speaks as they do.
//!
//! A channel is a hash with its epoch and head, and a stream of what it keeps, both with one slot. A
//! publication is one script: it takes the next offset, appends and announces. Announcements come over
//! pub/sub, which loses what it cannot deliver at once.
//!
//! Invariant: no position is used twice, whatever the servers lose. They may come back with an older
//! state, or a replica takes over that lags: so an epoch is bound to the life of a server
//! (`master_replid`, which every start and every promotion changes), and the first question in another
//! life begins an epoch that continues the one before as far as the server has it.

mod about;
mod commands;
mod keys;
mod lines;
mod link;
mod questions;
mod reply;
mod scripts;
mod servers;
mod url;

use self::{
    about::{About, connect_cluster, explain},
    commands::Commands,
    keys::Prefix,
    lines::Lines,
    link::LinkState,
    questions::Questions,
    servers::Servers,
    url::Target,
};
use super::{Announcements, Answer, Broker, Link, Publishing, Snapshot, Terms};
use crate::ConnectError;
use encke_proto::{Channel, Position};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use redis::RedisError;
use std::{fmt, sync::Arc, time::Duration};
use tokio::{sync::watch, time::timeout};

/// Questions about channels on their way at once.
const AT_ONCE: usize = 128;

/// How long a server may take at the start.
const START_LIMIT: Duration = Duration::from_secs(5);

/// The broker.
pub(crate) struct Redis {
    questions: Arc<Questions>,
    commands: Commands,
    lines: Lines,
    link: LinkState,
}

impl Redis {
    /// Connects, and sees to it that this is a server to rely on.
    pub(crate) async fn connect(
        url: &str,
        terms: Terms,
        announcements: Announcements,
    ) -> Result<Self, ConnectError> {
        let target = Target::parse(url)?;
        let shown = target.shown.clone();
        let started = timeout(START_LIMIT, Self::start(target, terms, announcements)).await;
        started.unwrap_or_else(|_| {
            Err(ConnectError::Unreachable {
                url: shown,
                reason: format!("no answer within {START_LIMIT:?}").into(),
            })
        })
    }

    async fn start(
        target: Target,
        terms: Terms,
        announcements: Announcements,
    ) -> Result<Self, ConnectError> {
        let shown = target.shown.clone();
        let explain = |error: RedisError| explain(&error, &shown);
        let unfit = |reason: String| ConnectError::Unfit {
            url: shown.clone(),
            reason: reason.into(),
        };
        let one = Servers::One(target.clone());
        let mut first = commands::reach(&one, servers::deaf)
            .await
            .map_err(explain)?;
        let about = About::ask(&mut first).await.map_err(explain)?;
        about.check().map_err(unfit)?;
        if about.is_cluster && target.database() != 0 {
            return Err(unfit("a cluster has no database but 0".to_owned()));
        }
        let link = LinkState::new();
        let (servers, commands) = if about.is_cluster {
            let cluster = connect_cluster(&target).await.map_err(explain)?;
            let commands = Commands::cluster(cluster.clone(), link.clone());
            (Servers::Cluster(target.clone(), cluster), commands)
        } else {
            let commands = Commands::one(one.clone(), link.clone()).await;
            (one, commands.map_err(explain)?)
        };
        let prefix = Prefix::new(&target.prefix);
        let questions = Questions::new(prefix.clone(), terms, about.is_cluster);
        let trial = commands.run(questions.trial()).await;
        trial.map_err(|error| unfit(error.to_string()))?;
        Ok(Self {
            questions: Arc::new(questions),
            commands,
            lines: Lines::new(servers, prefix, announcements, link.clone()),
            link,
        })
    }
}

impl Broker for Redis {
    fn publish(&self, publishing: Publishing) -> Answer<Position> {
        let run = self.questions.publish(&publishing);
        let commands = self.commands.clone();
        async move { reply::position(&commands.run(run).await?) }.boxed()
    }

    fn follow(&self, channel: &Channel) {
        self.lines.follow(channel);
    }

    fn unfollow(&self, channel: &Channel) {
        self.lines.unfollow(channel);
    }

    fn read(&self, channel: &Channel, after: Option<Position>) -> Answer<Snapshot> {
        let (questions, commands) = (self.questions.clone(), self.commands.clone());
        let channel = channel.clone();
        async move {
            let mut page = reply::page(&commands.run(questions.read(&channel, after)).await?)?;
            let mut snapshot = page.snapshot;
            while let Some(next) = page.next {
                let run = questions.read(&channel, Some(next));
                page = reply::page(&commands.run(run).await?)?;
                if page.snapshot.head.epoch == snapshot.head.epoch {
                    snapshot.head = page.snapshot.head;
                    snapshot.kept.append(&mut page.snapshot.kept);
                } else {
                    // Another life of the server: what was read may be gone there.
                    page = reply::page(&commands.run(questions.read(&channel, after)).await?)?;
                    snapshot = page.snapshot;
                }
            }
            Ok(snapshot)
        }
        .boxed()
    }

    fn heads(&self, channels: &[Channel]) -> Answer<Vec<Option<Position>>> {
        let runs = channels.iter().map(|channel| self.questions.head(channel));
        let runs: Vec<_> = runs.collect();
        let commands = self.commands.clone();
        async move {
            stream::iter(runs)
                .map(|run| commands.run(run))
                .buffered(AT_ONCE)
                .and_then(|answer| async move { Ok(Some(reply::position(&answer)?)) })
                .try_collect()
                .await
        }
        .boxed()
    }

    fn report(&self, listeners: &[(Channel, u64)], valid: Duration) -> Answer<()> {
        let report =
            |(channel, count): &(Channel, u64)| self.questions.report(channel, *count, valid);
        let runs: Vec<_> = listeners.iter().map(report).collect();
        let commands = self.commands.clone();
        async move {
            stream::iter(runs)
                .map(|run| commands.run(run))
                .buffer_unordered(AT_ONCE)
                .try_for_each(|_| async { Ok(()) })
                .await
        }
        .boxed()
    }

    fn audience(&self, channel: &Channel) -> Answer<(u64, Position)> {
        let run = self.questions.audience(channel);
        let commands = self.commands.clone();
        async move { reply::audience(&commands.run(run).await?) }.boxed()
    }

    fn link(&self) -> watch::Receiver<Link> {
        self.link.watch()
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("questions", &self.questions)
            .finish_non_exhaustive()
    }
}
