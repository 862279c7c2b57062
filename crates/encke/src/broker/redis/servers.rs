//! Which server has what, and connections to it.

use super::url::Target;
use crate::broker::ANSWER_LIMIT;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, PushInfo, RedisError, RedisResult, Value,
    aio::{AsyncPushSender, MultiplexedConnection, SendError},
    cluster_async::ClusterConnection,
    cmd,
};
use std::{ops::RangeInclusive, time::Duration};

/// How long a server may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// Where a server is.
pub(super) type Address = (String, u16);

/// The servers of a target.
#[derive(Clone)]
pub(super) enum Servers {
    /// One that has everything: the first that is a master, or the one that Sentinels name.
    One(Target),
    Cluster(Target, ClusterConnection),
}

/// Which master has which slots.
#[derive(Debug, Default)]
pub(super) struct SlotMap(Vec<(RangeInclusive<u16>, Address)>);

impl SlotMap {
    pub(super) fn master(&self, slot: u16) -> Option<&Address> {
        let found = self.0.iter().find(|(slots, _)| slots.contains(&slot));
        found.map(|(_, address)| address)
    }
}

impl Servers {
    pub(super) fn target(&self) -> &Target {
        let (Self::One(target) | Self::Cluster(target, _)) = self;
        target
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(..))
    }

    /// Asks who has what.
    pub(super) async fn slots(&self) -> RedisResult<SlotMap> {
        match self {
            Self::One(target) => Ok(SlotMap(vec![(0..=u16::MAX, master(target).await?)])),
            Self::Cluster(target, cluster) => {
                let mut command = cmd("CLUSTER");
                command.arg("SLOTS");
                let slots = command
                    .query_async::<Vec<Value>>(&mut cluster.clone())
                    .await?;
                let slots = slots.iter().filter_map(|entry| slot_range(entry, target));
                Ok(SlotMap(slots.collect()))
            }
        }
    }
}

/// A connection to one server; `push` gets what it says unasked.
pub(super) async fn connect(
    target: &Target,
    address: &Address,
    push: impl AsyncPushSender,
) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_LIMIT))
        .set_response_timeout(Some(ANSWER_LIMIT))
        .set_push_sender(push);
    let server = target.server(address)?;
    let client = match target.certificates() {
        Some(certificates) => Client::build_with_tls(server, certificates)?,
        None => Client::open(server)?,
    };
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

/// Hears what nobody wants to know.
pub(super) fn deaf(_: PushInfo) -> Result<(), SendError> {
    Ok(())
}

/// Where the one master is.
async fn master(target: &Target) -> RedisResult<Address> {
    let mut last = None;
    for host in &target.hosts {
        let found = match &target.master {
            None => check_master(target, host).await,
            Some(name) => ask_sentinel(target, host, name).await,
        };
        match found {
            Ok(address) => return Ok(address),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| (ErrorKind::Client, "no host to ask").into()))
}

async fn check_master(target: &Target, host: &Address) -> RedisResult<Address> {
    // With one host there is nothing to choose: what it is shows when it is asked to write.
    if target.hosts.len() == 1 {
        return Ok(host.clone());
    }
    let mut connection = connect(target, host, deaf).await?;
    let role = cmd("ROLE")
        .query_async::<Vec<Value>>(&mut connection)
        .await?;
    match role.first().and_then(text) {
        Some("master") => Ok(host.clone()),
        _ => Err((ErrorKind::Client, "no host is a master").into()),
    }
}

async fn ask_sentinel(target: &Target, host: &Address, name: &str) -> RedisResult<Address> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_LIMIT))
        .set_response_timeout(Some(CONNECT_LIMIT));
    let client = match target.certificates() {
        Some(certificates) => Client::build_with_tls(target.sentinel(host)?, certificates)?,
        None => Client::open(target.sentinel(host)?)?,
    };
    let mut sentinel = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    let mut command = cmd("SENTINEL");
    command.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let found: Option<(String, u16)> = command.query_async(&mut sentinel).await?;
    found.ok_or_else(|| {
        let detail = format!("no Sentinel knows a master named {name:?}");
        RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, "sentinel", detail))
    })
}

/// `[first, last, [host, port, …], replicas…]`
fn slot_range(entry: &Value, target: &Target) -> Option<(RangeInclusive<u16>, Address)> {
    let Value::Array(entry) = entry else {
        return None;
    };
    let [
        Value::Int(first),
        Value::Int(last),
        Value::Array(master),
        ..,
    ] = &entry[..]
    else {
        return None;
    };
    let [host, Value::Int(port), ..] = &master[..] else {
        return None;
    };
    // A server that does not know its own name leaves it to who has reached it.
    let host = text(host).filter(|host| !host.is_empty());
    let host = host.map_or_else(|| target.hosts[0].0.clone(), str::to_owned);
    let slots = u16::try_from(*first).ok()?..=u16::try_from(*last).ok()?;
    Some((slots, (host, u16::try_from(*port).ok()?)))
}

/// A value that is a text.
pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}
