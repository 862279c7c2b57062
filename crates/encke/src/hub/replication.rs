//! How a hub keeps its logs in step with a broker that other nodes share.
//!
//! The logs themselves know when they are behind ([`Replica`](crate::replica::Replica)); here is what
//! waits, asks and asks again. A connection that drops loses announcements in silence, so the broker
//! is asked on every return, and now and then, where the channels stand.

use super::Shared;
use crate::{
    broker::{ANSWER_LIMIT, Broker, BrokerError, Link, Publishing},
    channel_log::{Attachment, ChannelLog},
    channel_stats::ChannelStats,
    mark::Mark,
    publish::PublishError,
    random,
    reached::reached,
    replica::Heard,
    subscribe::Unavailable,
};
use encke_proto::{Channel, Data, Position, Start};
use futures_util::{StreamExt, future::BoxFuture, stream};
use std::{
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};
use tokio::{
    sync::Semaphore,
    task::AbortHandle,
    time::{Instant, timeout, timeout_at},
};

/// Channels that are asked about in one question.
const BATCH: usize = 256;

/// Reads that may be on their way at once.
const READS: usize = 64;

/// Questions about channels that may be on their way at once.
const QUESTIONS: usize = 4;

/// Attempts at such a question, and the longest pause between two: who is back may not have everything
/// at once. After that, the next check asks.
const ATTEMPTS: usize = 12;
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Between two attempts at a broker that says it is there, and is not.
const RETRY: Duration = Duration::from_millis(50);

/// Between two attempts at one that says it is away.
const LONGEST_RETRY: Duration = Duration::from_millis(500);

/// A broker, and what this hub asks it.
#[derive(Debug)]
pub(crate) struct Replication {
    broker: Arc<dyn Broker>,
    reads: Arc<Semaphore>,
    checks: OnceLock<AbortHandle>,
}

impl Replication {
    pub(super) fn new(broker: Arc<dyn Broker>) -> Self {
        Self {
            broker,
            reads: Arc::new(Semaphore::new(READS)),
            checks: OnceLock::new(),
        }
    }

    pub(super) fn broker(&self) -> &dyn Broker {
        &*self.broker
    }

    /// Asks now and then, from here on, until the hub is dropped.
    pub(super) fn start(&self, hub: &Arc<Shared>) {
        let checks = tokio::spawn(check_now_and_then(Arc::downgrade(hub)));
        let _ = self.checks.set(checks.abort_handle());
    }

    /// Why the broker cannot be asked; `None` where it can.
    pub(super) fn down(&self) -> Option<Arc<str>> {
        match &*self.broker.link().borrow() {
            Link::Up => None,
            Link::Down(reason) => Some(reason.clone()),
        }
    }

    /// Adds a reader to the log, once that is known to reach the reader's start.
    pub(super) async fn attach(
        &self,
        hub: &Arc<Shared>,
        channel: &Channel,
        start: Start,
        mark: &Arc<Mark>,
    ) -> Result<(Attachment, Position), Unavailable> {
        let patience = match self.down() {
            Some(_) => hub.config.broker_patience,
            None => hub.config.broker_patience.max(ANSWER_LIMIT),
        };
        let attachment = loop {
            if let Ok(attachment) = hub.log_of(channel).hold(mark.clone()) {
                break attachment;
            }
        };
        let prepared = timeout(patience, self.prepare(hub, &attachment, start)).await;
        if prepared.is_err() {
            let late = || format!("no answer within {patience:?}").into();
            return Err(Unavailable::new(self.down().unwrap_or_else(late)));
        }
        let position = attachment.place(start, Shared::now());
        Ok((attachment, position))
    }

    /// Returns when the log can tell what follows `start`.
    async fn prepare(&self, hub: &Arc<Shared>, log: &Arc<ChannelLog>, start: Start) {
        if !log.is_known() {
            reached!(LogUnknown);
        }
        while log.known().await.is_err() {
            tokio::select! {
                biased;
                () = log.usable() => {}
                // The first of all who wait begins another attempt.
                () = recovery(&*self.broker) => if log.is_given_up() {
                    hub.start_read(log);
                }
            }
        }
        let Start::After(position) = start else {
            return;
        };
        while log.is_news(position) {
            reached!(PositionUnknown);
            // The client comes from a node that was told more than this one.
            match hub.read(log).await {
                Ok(()) => return log.was_read_for(position),
                Err(_) => recovery(&*self.broker).await,
            }
        }
    }
}

impl Drop for Replication {
    fn drop(&mut self) {
        if let Some(checks) = self.checks.get() {
            checks.abort();
        }
    }
}

impl Shared {
    /// Takes an announcement of the broker.
    pub(crate) fn hear(self: &Arc<Self>, channel: &Channel, position: Position, data: Data) {
        let Some(log) = self.find_log(channel) else {
            return;
        };
        let now = Self::now();
        match log.hear(position, data, &self.memory, now) {
            Some(Heard::Early) => self.start_read(&log),
            Some(Heard::Appended) => self.trim(now),
            Some(Heard::Known) | None => {}
        }
    }

    /// Reads what may have been missed of these channels, which are followed from here on.
    pub(crate) fn catch_up_with(self: &Arc<Self>, channels: Vec<Channel>) {
        let mut known = Vec::new();
        for log in channels.iter().filter_map(|channel| self.find_log(channel)) {
            match log.is_known() {
                true => known.push(log),
                false => self.start_read(&log),
            }
        }
        if !known.is_empty() {
            let hub = Arc::downgrade(self);
            tokio::spawn(async move { check(&hub, known).await });
        }
    }

    /// Publishes over the broker, for as long as it may take.
    pub(super) fn publish_to_broker(
        self: Arc<Self>,
        publishing: Publishing,
    ) -> BoxFuture<'static, Result<Position, PublishError>> {
        Box::pin(async move {
            let replication = self.replication.as_ref().ok_or(PublishError::ShutDown)?;
            let deadline = Instant::now() + self.config.broker_patience;
            // Once it may have been made, nobody can be told that it was not.
            let mut unanswered = None;
            loop {
                let error = match replication.broker.publish(publishing.clone()).await {
                    Ok(position) => {
                        self.counters.published();
                        return Ok(position);
                    }
                    Err(error) => error,
                };
                if let BrokerError::Unanswered(_) = error {
                    unanswered = Some(error.clone());
                }
                let may_ask_again = may_ask_again(&error, &publishing);
                if !may_ask_again
                    || timeout_at(deadline, recovery(&*replication.broker))
                        .await
                        .is_err()
                {
                    return Err(unanswered.unwrap_or(error).into());
                }
            }
        })
    }

    /// How many listen, and where the channel stands.
    pub(super) async fn channel_stats(
        self: &Arc<Self>,
        channel: &Channel,
    ) -> Result<ChannelStats, Unavailable> {
        let (listeners, position) = match &self.replication {
            Some(replication) => {
                let (counted, position) = replication.broker.audience(channel).await?;
                // What this node has told is old by now.
                let log = self.find_log(channel);
                let listeners = log.map_or(counted, |log| log.listeners_of(counted));
                (listeners, position)
            }
            None => self.audience_here(channel),
        };
        Ok(ChannelStats {
            listeners,
            position,
        })
    }

    /// Returns when a read has ended that began from here on.
    async fn read(self: &Arc<Self>, log: &Arc<ChannelLog>) -> Result<(), BrokerError> {
        let Some((ticket, is_first)) = log.want_read() else {
            return Ok(());
        };
        if is_first {
            self.spawn_read(log);
        }
        log.outcome(ticket).await
    }

    fn start_read(self: &Arc<Self>, log: &Arc<ChannelLog>) {
        if let Some((_, true)) = log.want_read() {
            self.spawn_read(log);
        }
    }

    fn spawn_read(self: &Arc<Self>, log: &Arc<ChannelLog>) {
        if let Some(replication) = &self.replication {
            let broker = replication.broker.clone();
            tokio::spawn(read(Arc::downgrade(self), broker, log.clone()));
        }
    }

    fn reads(&self) -> Option<Arc<Semaphore>> {
        Some(self.replication.as_ref()?.reads.clone())
    }
}

/// Whether it cannot be published twice by that.
fn may_ask_again(error: &BrokerError, publishing: &Publishing) -> bool {
    match error {
        BrokerError::Away(_) => true,
        BrokerError::Unanswered(_) => publishing.idempotency_key.is_some(),
        BrokerError::Refused(_) => false,
    }
}

/// Reads a log until nobody wants more; there is one of these per log at any time.
async fn read(hub: Weak<Shared>, broker: Arc<dyn Broker>, log: Arc<ChannelLog>) {
    loop {
        let Some(reads) = hub.upgrade().and_then(|hub| hub.reads()) else {
            return;
        };
        let Ok(permit) = reads.acquire().await else {
            return;
        };
        let Some(after) = log.begin_read() else {
            return;
        };
        let answer = broker.read(log.channel(), after).await;
        drop(permit);
        let has_failed = answer.is_err();
        let Some(hub) = hub.upgrade() else { return };
        if let Err(error) = &answer {
            tracing::debug!(channel = log.channel().as_str(), %error, "cannot read a channel");
        }
        hub.counters.history_read();
        let now = Shared::now();
        if !log.handle_read(answer, &hub.memory, now) {
            hub.trim(now);
            return;
        }
        drop(hub);
        if has_failed {
            recovery(&*broker).await;
        }
    }
}

/// Asks, once a period and never on the beat, where the quiet channels stand.
async fn check_now_and_then(hub: Weak<Shared>) {
    loop {
        let Some(period) = hub.upgrade().map(|hub| hub.config.check_period) else {
            return;
        };
        tokio::time::sleep(period / 2 + jitter(period)).await;
        let Some(logs) = hub.upgrade().map(|hub| hub.all_logs()) else {
            return;
        };
        check(
            &hub,
            logs.into_iter()
                .filter(|log| log.quiet_at().is_some())
                .collect(),
        )
        .await;
        report(&hub, period).await;
    }
}

/// Reads those of the logs that the broker has more of.
async fn check(hub: &Weak<Shared>, logs: Vec<Arc<ChannelLog>>) {
    stream::iter(logs.chunks(BATCH).map(<[_]>::to_vec).collect::<Vec<_>>())
        .for_each_concurrent(QUESTIONS, |logs| check_batch(hub, logs))
        .await;
}

async fn check_batch(hub: &Weak<Shared>, logs: Vec<Arc<ChannelLog>>) {
    let channels: Vec<_> = logs.iter().map(|log| log.channel().clone()).collect();
    let mut pause = RETRY;
    for _ in 0..ATTEMPTS {
        let asked = hub.upgrade().and_then(|hub| {
            let broker = hub.replication.as_ref()?.broker.clone();
            Some((broker.heads(&channels), broker))
        });
        let Some((asked, broker)) = asked else { return };
        let heads = asked.await;
        let Some(hub) = hub.upgrade() else { return };
        let error = match heads {
            Ok(heads) => {
                for (log, head) in logs.iter().zip(heads) {
                    if head != Some(log.head()) {
                        hub.start_read(log);
                    }
                }
                return;
            }
            Err(error) => error,
        };
        drop(hub);
        tracing::debug!(%error, "cannot ask where channels stand");
        tokio::time::sleep(jitter(pause)).await;
        recovery(&*broker).await;
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}

/// Tells how many listen here.
async fn report(hub: &Weak<Shared>, period: Duration) {
    let Some(logs) = hub.upgrade().map(|hub| hub.all_logs()) else {
        return;
    };
    let listeners: Vec<_> = logs
        .iter()
        .map(|log| (log.channel().clone(), log.listeners()))
        .collect();
    let asked = hub.upgrade().and_then(|hub| {
        let replication = hub.replication.as_ref()?;
        Some(replication.broker.report(&listeners, 3 * period))
    });
    let Some(asked) = asked else { return };
    match asked.await {
        Ok(()) => {
            for (log, (_, listeners)) in logs.iter().zip(listeners) {
                log.was_reported(listeners);
            }
        }
        Err(error) => tracing::debug!(%error, "cannot tell how many listen"),
    }
}

/// Returns when a broker may be asked again: a part of it may be there while another is not.
async fn recovery(broker: &dyn Broker) {
    let mut link = broker.link();
    tokio::time::sleep(jitter(RETRY)).await;
    let _ = timeout(LONGEST_RETRY, link.wait_for(|link| *link == Link::Up)).await;
}

/// A random part of this long.
fn jitter(most: Duration) -> Duration {
    most.mul_f64(random::fraction())
}

#[cfg(test)]
mod tests;
