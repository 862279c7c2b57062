//! Whether a server is one to rely on, and why not.

use super::{servers::text, url::Target};
use crate::{ConnectError, broker::ANSWER_LIMIT};
use redis::{
    ErrorKind, ProtocolVersion, RedisError, RedisResult, ServerErrorKind, Value,
    aio::MultiplexedConnection, cluster::ClusterClient, cluster_async::ClusterConnection, cmd,
};
use std::sync::Arc;

/// The versions it takes: of Redis, which others that speak like it name too.
const OLDEST: (u32, u32) = (6, 2);
const OLDEST_OF_CLUSTER: (u32, u32) = (7, 0);

/// What a server says about itself.
pub(super) struct About {
    version: String,
    pub(super) is_cluster: bool,
    is_replica: bool,
    has_life: bool,
}

impl About {
    pub(super) async fn ask(connection: &mut MultiplexedConnection) -> RedisResult<Self> {
        let mut info = String::new();
        for section in ["server", "replication"] {
            let mut command = cmd("INFO");
            command.arg(section);
            let answer: Value = command.query_async(connection).await?;
            info.push_str(text(&answer).unwrap_or_default());
            info.push('\n');
        }
        let field = |name: &str| {
            let mut lines = info.lines().filter_map(|line| line.split_once(':'));
            lines
                .find(|(found, _)| *found == name)
                .map_or("", |(_, value)| value.trim())
        };
        Ok(Self {
            version: field("redis_version").to_owned(),
            is_cluster: field("redis_mode") == "cluster",
            is_replica: field("role") == "slave",
            has_life: !field("master_replid").is_empty(),
        })
    }

    /// Why it cannot be used.
    pub(super) fn check(&self) -> Result<(), String> {
        let (oldest, what) = match self.is_cluster {
            true => (OLDEST_OF_CLUSTER, "a cluster of Redis"),
            false => (OLDEST, "Redis"),
        };
        let mut numbers = self.version.split('.').map(str::parse::<u32>);
        let found = match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
            _ => {
                return Err(format!(
                    "it does not speak as Redis: version {:?}",
                    self.version
                ));
            }
        };
        if found < oldest {
            let (major, minor) = oldest;
            let version = &self.version;
            return Err(format!(
                "{what} {version} is too old: it takes {major}.{minor}"
            ));
        }
        if self.is_replica && !self.is_cluster {
            return Err("it is a replica: name its master".to_owned());
        }
        if !self.has_life {
            return Err("it has no master_replid, by which it shows that it was restarted".into());
        }
        Ok(())
    }
}

pub(super) async fn connect_cluster(target: &Target) -> RedisResult<ClusterConnection> {
    let nodes = target.hosts.iter().map(|host| target.server(host));
    let nodes = nodes.collect::<RedisResult<Vec<_>>>()?;
    let mut builder = ClusterClient::builder(nodes)
        // No pushes on connections that answer, and no second attempt at what may have been done.
        .use_protocol(ProtocolVersion::RESP2)
        .retries(0)
        .connection_timeout(ANSWER_LIMIT)
        .response_timeout(ANSWER_LIMIT)
        .overall_response_timeout(Some(ANSWER_LIMIT));
    if let Some(certificates) = target.certificates() {
        builder = builder.certs(certificates);
    }
    builder.build()?.get_async_connection().await
}

/// What an error at the start means.
pub(super) fn explain(error: &RedisError, url: &Arc<str>) -> ConnectError {
    let (url, reason) = (url.clone(), error.to_string().into());
    match error.kind() {
        ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => {
            ConnectError::Denied { url, reason }
        }
        ErrorKind::Extension if matches!(error.code(), Some("NOAUTH" | "WRONGPASS")) => {
            ConnectError::Denied { url, reason }
        }
        ErrorKind::Io | ErrorKind::ClusterConnectionNotFound => {
            ConnectError::Unreachable { url, reason }
        }
        ErrorKind::MasterNameNotFoundBySentinel => ConnectError::Unfit {
            url,
            reason: error.detail().unwrap_or("no master").into(),
        },
        _ => ConnectError::Unfit { url, reason },
    }
}
