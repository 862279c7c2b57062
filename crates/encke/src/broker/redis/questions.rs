//! The scripts with their keys and arguments.

use super::{
    keys::Prefix,
    scripts::{self, Run, Script},
};
use crate::{
    broker::{Publishing, Terms, wire},
    config::Retention,
    random,
};
use encke_proto::{Channel, Data, Epoch, Position};
use std::time::Duration;

/// How long epoch and head of a channel are kept that nobody uses, at least: a client that comes back
/// later is told of a gap it may not have.
const HEAD_AGE: Duration = Duration::from_secs(24 * 3_600);

/// Publications in one answer: a server does nothing else while it makes one.
const PAGE: usize = 1_000;

/// What a node asks about channels.
#[derive(Debug, Clone)]
pub(super) struct Questions {
    pub(super) prefix: Prefix,
    terms: Terms,
    head_age: Duration,
    is_cluster: bool,
    /// The name of this node among those that tell how many listen.
    node: String,
}

impl Questions {
    pub(super) fn new(prefix: Prefix, terms: Terms, is_cluster: bool) -> Self {
        Self {
            head_age: HEAD_AGE.max(terms.retention.longest() * 2),
            prefix,
            terms,
            is_cluster,
            node: format!("{:016x}", random::number()),
        }
    }

    /// A publication that leaves nothing behind: what may not be done shows before anyone relies on it.
    pub(super) fn trial(&self) -> Run {
        let retention = Retention {
            history_len: 0,
            history_age: Duration::ZERO,
            window_bytes: 0,
            window_age: Duration::from_millis(1),
        };
        let brief = Self {
            terms: Terms {
                retention,
                idempotency_window: Duration::from_millis(1),
            },
            head_age: Duration::from_millis(1),
            ..self.clone()
        };
        brief.publish(&Publishing {
            channel: Channel::new("encke.start").expect("a valid name"),
            data: Data::from(""),
            idempotency_key: Some("start".into()),
        })
    }

    pub(super) fn publish(&self, publishing: &Publishing) -> Run {
        let Publishing {
            channel,
            data,
            idempotency_key,
        } = publishing;
        let mut run = self.run(&scripts::PUBLISH, channel);
        if let Some(key) = idempotency_key {
            run = run.key(self.prefix.idempotency(channel, key));
        }
        let Terms {
            retention,
            idempotency_window,
        } = &self.terms;
        run.data(wire::encode(data))
            .arg(if self.is_cluster {
                "SPUBLISH"
            } else {
                "PUBLISH"
            })
            .arg(self.prefix.news(channel))
            .arg(retention.history_len)
            .arg(retention.history_age.as_millis())
            .arg(retention.window_bytes)
            .arg(retention.window_age.as_millis())
            .arg(idempotency_window.as_millis().max(1))
    }

    /// Asks for what is kept behind a position.
    pub(super) fn read(&self, channel: &Channel, after: Option<Position>) -> Run {
        let after = after.unwrap_or(Position::UNKNOWN);
        let retention = &self.terms.retention;
        self.run(&scripts::READ, channel)
            .arg(after.epoch)
            .arg(after.offset)
            .arg(PAGE)
            .arg(retention.history_age.as_millis())
            .arg(retention.window_age.as_millis())
    }

    pub(super) fn head(&self, channel: &Channel) -> Run {
        self.run(&scripts::HEAD, channel)
    }

    pub(super) fn report(&self, channel: &Channel, listeners: u64, valid: Duration) -> Run {
        self.run(&scripts::REPORT, channel)
            .key(self.prefix.listeners(channel))
            .arg(&self.node)
            .arg(listeners)
            .arg(valid.as_millis().max(1))
    }

    pub(super) fn audience(&self, channel: &Channel) -> Run {
        self.run(&scripts::AUDIENCE, channel)
            .key(self.prefix.listeners(channel))
    }

    /// A script with the arguments that all of them have.
    fn run(&self, script: &'static Script, channel: &Channel) -> Run {
        Run::new(script, self.prefix.channel(channel))
            .arg(Epoch::new(random::number()))
            .arg(self.head_age.as_millis())
    }
}
