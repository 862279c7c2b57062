//! How many listen to a channel on all nodes.
//!
//! A node tells it of many channels in one message: those whose names have the same hash. So a report
//! of any length is 256 messages at most, and who asks for one channel reads a 256th of what there is.

use super::{Shared, api::From, clock::EngineTime, entry::Raw, streams};
use crate::broker::BrokerError;
use encke_proto::{Channel, Position};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeSet, HashMap},
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Messages of a full report.
const PAGES: u32 = 256;

/// Messages of a report that are on their way at once.
const AT_ONCE: usize = 16;

/// What this node has told so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    pages: BTreeSet<u32>,
    valid: Duration,
}

/// The channels of one hash on one node.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Page {
    /// For how long it holds.
    valid_ms: u64,
    listeners: HashMap<String, u64>,
}

/// Tells how many listen here.
pub(super) async fn report(
    shared: Arc<Shared>,
    listeners: Vec<(Channel, u64)>,
    valid: Duration,
) -> Result<(), BrokerError> {
    let mut pages: HashMap<u32, Page> = HashMap::new();
    for (channel, count) in listeners {
        let page = pages.entry(page_of(&channel)).or_default();
        page.listeners.insert(channel.as_str().to_owned(), count);
    }
    let told = pages.keys().copied().collect();
    let before = mem::replace(&mut shared.lock_told().pages, told);
    for page in before {
        // What nobody listens to any more is taken back.
        pages.entry(page).or_default();
    }
    if shared.lock_told().valid < valid {
        let kept = streams::keep_nodes_for(&shared, valid).await;
        kept.map_err(|error| BrokerError::Refused(error.to_string().into()))?;
        shared.lock_told().valid = valid;
    }
    let valid_ms = u64::try_from(valid.as_millis()).unwrap_or(u64::MAX);
    stream::iter(pages)
        .map(|(number, page)| {
            let page = Page { valid_ms, ..page };
            let shared = shared.clone();
            async move { shared.tell(number, &page).await }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// How many listen on all nodes, and where the channel stands.
pub(super) async fn audience(
    shared: Arc<Shared>,
    channel: Channel,
) -> Result<(u64, Position), BrokerError> {
    let head = shared.head(&channel).await?;
    let position = head.map_or(Position::UNKNOWN, |head| head.place.position);
    let streams = &shared.streams;
    let subject = format!("{}.n.{}.*", streams.name, page_of(&channel));
    let read = shared
        .requests
        .consume(&streams.nodes, &subject, From::LastOfEach);
    let read = read.await?;
    let counts = read.messages.iter();
    let counts = counts.map(|raw| count(raw, &channel, read.now));
    let listeners = counts.fold(0, u64::saturating_add);
    Ok((listeners, position))
}

impl Shared {
    async fn tell(&self, number: u32, page: &Page) -> Result<(), BrokerError> {
        let subject = format!("{}.n.{number}.{}", self.streams.name, self.node);
        let payload = serde_json::to_vec(page).map_err(|error| {
            let reason = format!("numbers of listeners make no JSON: {error}");
            BrokerError::Refused(reason.into())
        })?;
        let headers = async_nats::HeaderMap::new();
        let stored = self.requests.store(subject, headers, payload.into());
        match stored.await? {
            Ok(_) => Ok(()),
            Err(fault) => Err(fault.into_error()),
        }
    }

    fn lock_told(&self) -> std::sync::MutexGuard<'_, Told> {
        lock(&self.told)
    }
}

/// What a message says of a channel, if it still holds.
fn count(raw: &Raw, channel: &Channel, now: EngineTime) -> u64 {
    let Ok(page) = serde_json::from_slice::<Page>(&raw.payload) else {
        return 0;
    };
    let holds = raw.at.age(now) < Duration::from_millis(page.valid_ms);
    let count = page.listeners.get(channel.as_str()).copied();
    count.filter(|_| holds).unwrap_or(0)
}

/// The same on every node, whatever it was built with: FNV-1a.
fn page_of(channel: &Channel) -> u32 {
    let bytes = channel.as_str().bytes();
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash % PAGES
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::nats::entry::Headers;

    fn message(payload: &'static str) -> Raw {
        Raw {
            sequence: 1,
            at: EngineTime(0),
            headers: Headers::None,
            payload: payload.into(),
        }
    }

    #[test]
    fn a_number_holds_for_as_long_as_it_says() {
        let channel = Channel::new("kühl").unwrap();
        let raw = message(r#"{"valid_ms":5,"listeners":{"kühl":3}}"#);
        assert_eq!(count(&raw, &channel, EngineTime(4_999_999)), 3);
        assert_eq!(count(&raw, &channel, EngineTime(5_000_000)), 0);
        assert_eq!(count(&raw, &Channel::new("x").unwrap(), EngineTime(0)), 0);
    }

    #[test]
    fn what_makes_no_sense_counts_nothing() {
        let channel = Channel::new("x").unwrap();
        for payload in ["", "{}", r#"{"valid_ms":-1,"listeners":{}}"#, "[1]"] {
            assert_eq!(count(&message(payload), &channel, EngineTime(0)), 0);
        }
    }

    #[test]
    fn names_are_spread_the_same_way_for_ever() {
        assert_eq!(page_of(&Channel::new("a").unwrap()), 0xe40c_292c % PAGES);
        let pages: BTreeSet<_> = (0..2_000)
            .map(|n| page_of(&Channel::new(format!("room.{n}")).unwrap()))
            .collect();
        assert!(pages.len() > 200, "{}", pages.len());
    }
}
