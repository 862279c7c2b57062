//! The streams on the servers: made where they are not there, checked where they are.
//!
//! | stream | holds | subjects |
//! |---|---|---|
//! | `NAME` | publications and markers; republishes them to `NAME.a.*` | `NAME.p.*` |
//! | `NAME_NODES` | how many listen where, in memory, as long as it is true | `NAME.n.*.*` |
//! | `NAME_ERA` | one number, in memory | `NAME.e` |
//!
//! The era is drawn anew where it is not there. It is kept as well as the newest publications are, that
//! is in the memory of the servers, and a server that lost one may have lost the others: NATS writes a
//! publication to its file at once, but has the disk keep it only now and then. So a channel's epoch
//! does not go on behind a publication of another era.

use super::{
    Shared,
    api::{Fault, From, Member, StreamInfo},
    entry,
    lanes::Standing,
    url::{Settings, Storage},
};
use crate::{
    broker::{BrokerError, Terms},
    random,
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// The first version with all that is asked for.
const OLDEST: (u32, u32, u32) = (2, 9, 0);

/// The first whose replicas see to it that a message follows the one it names: before, only the leader
/// did, and not against what it had on its way to them (nats-server issue 4320).
const OLDEST_OF_REPLICAS: (u32, u32, u32) = (2, 9, 21);

/// How long a position outlives its publication where nobody listens, unless the URL says.
const HEAD_AGE: Duration = Duration::from_secs(24 * 3600);

/// Publications of a channel that are kept at least: a node that was cut off reads what it missed.
const MIN_PER_SUBJECT: usize = 1000;

/// How long the numbers of listeners are kept at first; raised where nodes report less often.
const NODES_AGE: Duration = Duration::from_secs(30);

/// Why the streams cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// As they are, or as the server is, they never will.
    #[error("{0}")]
    Unfit(Arc<str>),
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

impl Trouble {
    fn unfit(reason: impl Into<Arc<str>>) -> Self {
        Self::Unfit(reason.into())
    }
}

/// What the streams of a node are called, and how they are to be.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) name: Arc<str>,
    pub(super) nodes: Arc<str>,
    era: Arc<str>,
    replicas: Option<u8>,
    storage: Option<Storage>,
    per_subject: i64,
    pub(super) head_age: Duration,
    idempotency_window: Duration,
}

impl Streams {
    pub(super) fn new(settings: &Settings, terms: &Terms) -> Self {
        let name = &settings.stream;
        let window = terms.idempotency_window.max(Duration::from_millis(100));
        let head_age = settings.head_age.unwrap_or(HEAD_AGE);
        let per_subject = terms.retention.history_len.max(MIN_PER_SUBJECT);
        Self {
            name: name.clone(),
            nodes: format!("{name}_NODES").into(),
            era: format!("{name}_ERA").into(),
            replicas: settings.replicas,
            storage: settings.storage,
            per_subject: i64::try_from(per_subject).unwrap_or(i64::MAX),
            head_age: head_age.max(2 * terms.retention.longest()).max(window),
            idempotency_window: window,
        }
    }

    /// The subject of the publications of a channel, by its token.
    pub(super) fn publications(&self, token: &str) -> String {
        format!("{}.p.{token}", self.name)
    }

    /// The subject of their announcements.
    pub(super) fn announcements(&self, token: &str) -> String {
        format!("{}.a.{token}", self.name)
    }

    fn wanted(&self) -> Value {
        let mut config = self.in_common(&self.name, &format!("{}.p.>", self.name));
        config["max_msgs_per_subject"] = self.per_subject.into();
        config["max_age"] = nanos(self.head_age);
        config["duplicate_window"] = nanos(self.idempotency_window);
        config["storage"] = self.storage.unwrap_or(Storage::File).name().into();
        config["republish"] = json!({
            "src": format!("{}.p.>", self.name),
            "dest": format!("{}.a.>", self.name),
        });
        config
    }

    fn wanted_nodes(&self, age: Duration) -> Value {
        let mut config = self.in_common(&self.nodes, &format!("{}.n.>", self.name));
        config["max_msgs_per_subject"] = 1.into();
        config["max_age"] = nanos(age);
        config
    }

    fn wanted_era(&self) -> Value {
        let mut config = self.in_common(&self.era, &format!("{}.e", self.name));
        config["max_msgs_per_subject"] = 1.into();
        config
    }

    fn in_common(&self, name: &str, subjects: &str) -> Value {
        json!({
            "name": name,
            "subjects": [subjects],
            "retention": "limits",
            "discard": "old",
            "storage": "memory",
            "num_replicas": self.replicas.unwrap_or(1),
            "allow_direct": true,
            "max_msgs": -1,
            "max_bytes": -1,
            "max_consumers": -1,
        })
    }
}

/// Has the streams made and checked, and learns what has become of them.
pub(super) async fn establish(shared: &Shared) -> Result<(), Trouble> {
    let server = shared.requests.client().server_info();
    if !is_from(&server.version, OLDEST) {
        let version = &server.version;
        return Err(Trouble::unfit(format!(
            "its version is {version}, and 2.9 is needed"
        )));
    }
    let streams = &shared.streams;
    if let Some(replicas) = streams.replicas {
        can_replicate(&server.version, replicas.into())?;
    }
    let seen = shared.lanes.newest();
    let info = ensure(shared, &streams.name, streams.wanted()).await?;
    let replicas = info.config["num_replicas"].as_u64().unwrap_or(1);
    can_replicate(&server.version, replicas)?;
    ensure(shared, &streams.nodes, streams.wanted_nodes(NODES_AGE)).await?;
    ensure(shared, &streams.era, streams.wanted_era()).await?;
    let era = era(shared).await?;
    shared.lanes.stand(Standing {
        era,
        member: if replicas <= 1 {
            Member::Any
        } else {
            Member::Leader
        },
        created: info.created,
        seen,
        last_sequence: info.state.last_sequence,
    });
    Ok(())
}

/// Has the numbers of listeners kept for at least this long.
pub(super) async fn keep_nodes_for(shared: &Shared, age: Duration) -> Result<(), Trouble> {
    let streams = &shared.streams;
    ensure(shared, &streams.nodes, streams.wanted_nodes(age)).await?;
    Ok(())
}

impl Shared {
    /// Looks at the era again where a message tells of one that this node does not know: others may
    /// have seen a restart that it has not. Each insisting on its own, they would begin an epoch with
    /// every publication.
    pub(super) async fn meet(&self, unknown: u64) -> Result<(), BrokerError> {
        if self.lanes.knows(unknown) {
            return Ok(());
        }
        let _one = self.meeting.lock().await;
        if self.lanes.knows(unknown) {
            return Ok(());
        }
        let era = era(self).await.map_err(|trouble| match trouble {
            Trouble::Unfit(reason) => BrokerError::Away(reason),
            Trouble::Broker(error) => error,
        })?;
        if era != self.lanes.era() {
            self.lanes.enter(era);
            // The streams may be others, too.
            self.check.notify_one();
        }
        self.lanes.leave(Some(unknown));
        Ok(())
    }
}

/// The number that the servers have kept in memory for as long as they could.
async fn era(shared: &Shared) -> Result<u64, Trouble> {
    let streams = &shared.streams;
    let subject = format!("{}.e", streams.name);
    loop {
        // Read by a consumer, which tells what the engine's clock says.
        let read = shared.requests.consume(&streams.era, &subject, From::First);
        let read = read.await?;
        shared.clock.hear(read.now);
        if let Some(raw) = read.messages.last() {
            let era = str::from_utf8(&raw.payload).ok();
            let era = era.and_then(|era| u64::from_str_radix(era, 16).ok());
            let foreign = || Trouble::unfit(format!("subject {subject} holds what is no era"));
            return era.ok_or_else(foreign);
        }
        let mut headers = async_nats::HeaderMap::new();
        headers.insert(entry::EXPECTED_SEQUENCE, "0");
        let payload = format!("{:016x}", random::number()).into();
        let requests = &shared.requests;
        let stored = requests.ask_anyway(subject.clone(), Some(headers), payload);
        // Another node may have been the first: the next look tells.
        stored.await?;
    }
}

/// Has a stream that is as wanted; gives what it is.
async fn ensure(shared: &Shared, name: &str, wanted: Value) -> Result<StreamInfo, Trouble> {
    let requests = &shared.requests;
    for _ in 0..3 {
        let info = requests.api(format!("STREAM.INFO.{name}"), &Value::Null);
        let info: StreamInfo = match info.await? {
            Ok(info) => info,
            Err(fault) if fault.number == Fault::STREAM_NOT_FOUND => {
                let created = requests.api(format!("STREAM.CREATE.{name}"), &wanted);
                match created.await? {
                    Ok(info) => info,
                    // Another node has made it meanwhile.
                    Err(fault) if fault.number == Fault::STREAM_NAME_IN_USE => continue,
                    Err(fault) => return Err(trouble(name, fault)),
                }
            }
            Err(fault) => return Err(trouble(name, fault)),
        };
        let Some(raised) = raise(&info.config, &wanted).map_err(|setting| {
            Trouble::unfit(format!(
                "stream {name} is of others, or set otherwise: {setting}"
            ))
        })?
        else {
            return Ok(info);
        };
        let updated = requests.api(format!("STREAM.UPDATE.{name}"), &raised);
        match updated.await? {
            Ok(info) => return Ok(info),
            Err(fault) => return Err(trouble(name, fault)),
        }
    }
    Err(Trouble::unfit(format!("stream {name} comes and goes")))
}

fn trouble(name: &str, fault: Fault) -> Trouble {
    match fault.number {
        Fault::NOT_ENABLED => Trouble::unfit("JetStream is not enabled on the server"),
        Fault::NOT_ENABLED_FOR_ACCOUNT => {
            Trouble::unfit("JetStream is not enabled for the account")
        }
        _ if fault.code == 503 => fault.into_error().into(),
        _ => Trouble::unfit(format!("stream {name}: {}", fault.description)),
    }
}

/// What a stream that is there has to be changed to; `None` where it is good as it is. An error names
/// what cannot be lived with.
///
/// Nodes may be configured with different figures: the largest holds for all of them.
fn raise(found: &Value, wanted: &Value) -> Result<Option<Value>, String> {
    for setting in ["subjects", "retention", "discard", "republish"] {
        if found[setting] != wanted[setting] {
            let (found, wanted) = (&found[setting], &wanted[setting]);
            return Err(format!("{setting} is {found}, not {wanted}"));
        }
    }
    if found["storage"] != wanted["storage"] {
        let (found, wanted) = (&found["storage"], &wanted["storage"]);
        return Err(format!("storage is {found}, not {wanted}"));
    }
    for limit in ["max_msgs", "max_bytes", "max_consumers"] {
        if found[limit].as_i64().is_some_and(|limit| limit > 0) {
            return Err(format!("{limit} is {}, not unlimited", found[limit]));
        }
    }
    for forbidden in ["mirror", "sources", "subject_transform"] {
        if !found[forbidden].is_null() {
            return Err(format!("it has {forbidden}"));
        }
    }
    for forbidden in ["sealed", "no_ack"] {
        if found[forbidden] == true {
            return Err(format!("{forbidden} is set"));
        }
    }
    let mut raised = found.clone();
    for figure in ["max_msgs_per_subject", "max_age", "duplicate_window"] {
        let unlimited = |value: &Value| {
            value
                .as_i64()
                .filter(|value| *value > 0)
                .unwrap_or(i64::MAX)
        };
        // The server has its own idea of how long duplicates are known, where none is wanted.
        if !wanted[figure].is_null() && unlimited(&found[figure]) < unlimited(&wanted[figure]) {
            raised[figure] = wanted[figure].clone();
        }
    }
    raised["allow_direct"] = true.into();
    Ok((raised != *found).then_some(raised))
}

/// Whether a server of this version may have so many replicas of the publications.
fn can_replicate(version: &str, replicas: u64) -> Result<(), Trouble> {
    if replicas <= 1 || is_from(version, OLDEST_OF_REPLICAS) {
        return Ok(());
    }
    Err(Trouble::unfit(format!(
        "its version is {version}, and 2.9.21 is needed for a stream with {replicas} replicas: \
         older ones may store two messages in one place"
    )))
}

/// Whether a version is this one, or a later one.
fn is_from(version: &str, first: (u32, u32, u32)) -> bool {
    let mut numbers = version.split(['.', '-']).map(|number| number.parse().ok());
    let mut next = || numbers.next().flatten().unwrap_or(0);
    (next(), next(), next()) >= first
}

fn nanos(duration: Duration) -> Value {
    i64::try_from(duration.as_nanos())
        .unwrap_or(i64::MAX)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HubConfig;

    fn wanted() -> Value {
        let config = HubConfig::default();
        let terms = Terms {
            retention: config.retention,
            idempotency_window: config.idempotency_window,
        };
        Streams::new(&Settings::parse("nats://h").unwrap(), &terms).wanted()
    }

    #[test]
    fn figures_are_raised_and_never_lowered() {
        let mut found = wanted();
        assert_eq!(raise(&found, &wanted()), Ok(None));
        found["max_msgs_per_subject"] = 10_000.into();
        found["max_age"] = 5.into();
        found["metadata"] = json!({ "_nats.level": "1" });
        let raised = raise(&found, &wanted()).unwrap().unwrap();
        assert_eq!(raised["max_msgs_per_subject"], 10_000);
        assert_eq!(raised["max_age"], wanted()["max_age"]);
        assert_eq!(raised["metadata"], found["metadata"]);
        found["max_age"] = 0.into();
        assert_eq!(raise(&found, &wanted()), Ok(None));
    }

    #[test]
    fn what_cannot_be_lived_with_is_named() {
        for (setting, value) in [
            ("subjects", json!(["orders.>"])),
            ("retention", json!("workqueue")),
            ("discard", json!("new")),
            ("republish", Value::Null),
            ("storage", json!("memory")),
            ("max_bytes", json!(1_000)),
            ("mirror", json!({ "name": "x" })),
            ("sealed", json!(true)),
        ] {
            let mut found = wanted();
            found[setting] = value;
            let error = raise(&found, &wanted()).unwrap_err();
            assert!(error.contains(setting), "{error}");
        }
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for version in ["2.9.0", "2.10.1", "2.12.0-beta.1", "3.0.0"] {
            assert!(is_from(version, OLDEST), "{version}");
        }
        for version in ["2.8.4", "1.99.9", "", "x.y"] {
            assert!(!is_from(version, OLDEST), "{version}");
        }
    }

    #[test]
    fn replicas_that_do_not_keep_an_order_are_refused() {
        for version in ["2.9.21", "2.10.0", "3.0.0"] {
            assert_eq!(can_replicate(version, 3), Ok(()), "{version}");
        }
        for version in ["2.9.10", "2.9.20"] {
            assert_eq!(can_replicate(version, 1), Ok(()), "{version}");
            let error = can_replicate(version, 3).unwrap_err().to_string();
            assert!(
                error.contains(version) && error.contains("2.9.21"),
                "{error}"
            );
        }
    }
}
