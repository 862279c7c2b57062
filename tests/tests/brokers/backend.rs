//! Brokers as the contract sees them: something that several nodes connect to.

use encke::{Hub, HubConfig};
use encke_tests::{Redis, RedisCluster};
use std::sync::OnceLock;

/// A broker that runs for one test.
pub(crate) trait Backend: Sync {
    async fn start() -> Self;

    /// Another node.
    async fn node(&self, config: HubConfig) -> Hub;
}

/// No broker: every node is the one hub there is.
pub(crate) struct Memory(OnceLock<Hub>);

impl Backend for Memory {
    async fn start() -> Self {
        Self(OnceLock::new())
    }

    async fn node(&self, config: HubConfig) -> Hub {
        self.0.get_or_init(|| Hub::new(config)).clone()
    }
}

/// One Redis.
pub(crate) struct OneRedis(Redis);

impl Backend for OneRedis {
    async fn start() -> Self {
        Self(Redis::start().await)
    }

    async fn node(&self, config: HubConfig) -> Hub {
        connect(&self.0.url(), config).await
    }
}

/// A Redis Cluster of three masters.
pub(crate) struct Cluster(RedisCluster);

impl Backend for Cluster {
    async fn start() -> Self {
        Self(RedisCluster::start().await)
    }

    async fn node(&self, config: HubConfig) -> Hub {
        connect(&self.0.url(), config).await
    }
}

pub(crate) async fn connect(url: &str, config: HubConfig) -> Hub {
    match Hub::connect_with(url, config).await {
        Ok(hub) => hub,
        Err(error) => panic!("{error}"),
    }
}
